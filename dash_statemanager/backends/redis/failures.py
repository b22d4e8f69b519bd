"""Errors of redis-py in our own words."""

from __future__ import annotations

from redis import exceptions as redis
from redis.sentinel import MasterNotFoundError

from ...errors import BackendBusy, BackendError, BackendFormatError, BackendFull, BackendReadOnly, BackendUnavailable

__all__ = ["Translated"]

WORDS: tuple[tuple[str, type[BackendError], str, str], ...] = (
    ("OOM ", BackendFull, "has no memory left", "Raise its maxmemory, or shorten STATE_TTL_DEFAULT"),
    ("READONLY ", BackendReadOnly, "is a read-only replica", "Name its primary in STATE_REDIS_URL"),
    ("LOADING ", BackendUnavailable, "is still loading its data", "Try again later"),
    ("MASTERDOWN ", BackendUnavailable, "is a replica without its primary", "Name its primary in STATE_REDIS_URL"),
    ("CLUSTERDOWN ", BackendUnavailable, "does not serve all its slots", "See what CLUSTER INFO says"),
    ("TRYAGAIN ", BackendUnavailable, "is moving slots from node to node", "Try again later"),
    ("NOREPLICAS ", BackendReadOnly, "wants more replicas before it writes", "See its min-replicas-to-write"),
    ("BUSY ", BackendBusy, "is busy with a script", "Try again later"),
    ("MISCONF ", BackendReadOnly, "can't save to its disk and refuses writes", "See its log"),
    ("NOAUTH ", BackendUnavailable, "wants a password", "Name user and password in STATE_REDIS_URL"),
    ("NOPERM ", BackendError, "does not let this user do it", "See which commands and keys its ACL has to allow"),
    ("WRONGTYPE ", BackendFormatError, "holds something else under a key", "Give the app its own STATE_NAMESPACE"),
    ("CROSSSLOT ", BackendError, "is a cluster", "Write redis+cluster:// in STATE_REDIS_URL"),
    ("MOVED ", BackendUnavailable, "is a cluster, or moves slots", "Write redis+cluster://, or try again later"),
    ("ASK ", BackendUnavailable, "is a cluster, or moves slots", "Write redis+cluster://, or try again later"),
    ("cluster support disabled", BackendError, "is no cluster", "Write redis:// in STATE_REDIS_URL"),
)
"""What servers say, whether redis-py has a class for it or not, and scripts repeat."""

CLASSES: tuple[tuple[type[Exception], str], ...] = (
    (redis.OutOfMemoryError, "OOM "),
    (redis.ReadOnlyError, "READONLY "),
    (redis.BusyLoadingError, "LOADING "),
    (redis.MasterDownError, "MASTERDOWN "),
    (redis.ClusterDownError, "CLUSTERDOWN "),
    (redis.TryAgainError, "TRYAGAIN "),
    (redis.NoPermissionError, "NOPERM "),
    (redis.ClusterCrossSlotError, "CROSSSLOT "),
    (redis.MovedError, "MOVED "),
    (redis.AskError, "ASK "),
)

_FAILURES = redis.RedisError, OSError


class Translated:
    """Raises errors of redis-py as ours.

    Args:
        location: The servers, for people.
    """

    def __init__(self, location: str) -> None:
        self._location = location

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, _FAILURES):
            raise _ours(exc, self._location) from exc


def _ours(exc: Exception, location: str) -> BackendError:
    if isinstance(exc, redis.AuthenticationError | redis.AuthorizationError):
        remedy = "Check user and password in STATE_REDIS_URL"
        return BackendUnavailable(f"{location} refused user or password", remedy)
    if isinstance(exc, MasterNotFoundError):
        remedy = "Start the server, or check the name of the service in STATE_REDIS_URL"
        return BackendUnavailable(f"{location} has no primary that a Sentinel knows", remedy)
    said = " ".join(str(exc).split()).rstrip(".")
    code = next((code for kind, code in CLASSES if isinstance(exc, kind)), "")
    for word, kind, what, remedy in WORDS:
        if word == code or (not code and word in str(exc)):
            return kind(f"{location} {what}", remedy)
    if isinstance(exc, redis.TimeoutError | TimeoutError):
        return BackendUnavailable(f"{location} does not answer", "See whether it runs, or raise STATE_TIMEOUT")
    if isinstance(exc, redis.ConnectionError | OSError):
        return BackendUnavailable(f"{location} can't be reached: {said}", "Start it, or check STATE_REDIS_URL")
    return BackendError(f"{location} failed: {said}", "See its log")
