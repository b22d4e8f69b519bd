"""What Cloud Storage answers when it refuses, and what to do about it, in our own words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, PreconditionFailed, Unauthorized
from google.api_core.retry import Retry
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from urllib3.exceptions import ReadTimeoutError

from ...errors import BackendBusy, BackendError, BackendUnavailable

__all__ = ["Patience", "bucket_is_missing", "told"]

PATIENCE = 8.0
"""Seconds for which a request is repeated that the server answers with "later"."""
TOO_MANY = 429
LATER = {408, TOO_MANY, 500, 502, 503, 504}
CREDENTIALS = (
    "Attach a service account to the service, or run: gcloud auth application-default login "
    "(or set GOOGLE_APPLICATION_CREDENTIALS)"
)


class Patience:
    """How the requests of one operation are repeated.

    A server that says "later" is asked again for some seconds. A connection that breaks is made again at once and for
    half of the timeout. A server that stays silent has had its time.

    Args:
        timeout: Seconds that a server may stay silent.

    Attributes:
        retry: For the client's methods.
        since: When a request failed first, by the monotonic clock; None while none did.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self.since: float | None = None
        self.retry = Retry(predicate=self._is_worth_it, initial=0.05, multiplier=2, maximum=0.5, timeout=None)

    def _is_worth_it(self, exc: BaseException) -> bool:
        limit = PATIENCE if _status(exc) in LATER else self._timeout / 2 if _is_broken(exc) else 0
        if not limit:
            return False
        now = time.monotonic()
        self.since = self.since or now
        return now - self.since < limit


def bucket_is_missing(exc: NotFound) -> bool:
    """Whether it is the bucket that does not exist, and not the object; by the JSON or the XML API."""
    text = str(exc)
    return "NoSuchBucket" in text or "bucket does not exist" in text


@contextmanager
def told(bucket: str, permission: str) -> Iterator[None]:
    """Errors of the client that pass become ours, but for `PreconditionFailed`.

    Args:
        bucket: Name of the bucket.
        permission: The IAM permissions that the request needs.
    """
    try:
        yield
    except PreconditionFailed:
        raise
    except Forbidden as exc:
        what = f"gs://{bucket} refuses access: the service account needs {permission} ({exc.message})"
        raise BackendError(what, f"Grant it roles/storage.objectUser on gs://{bucket}") from exc
    except (Unauthorized, DefaultCredentialsError) as exc:
        raise BackendError(f"there are no valid credentials for gs://{bucket}: {exc}", CREDENTIALS) from exc
    except (TransportError, requests.RequestException, ConnectionError, TimeoutError) as exc:
        raise BackendUnavailable(
            f"gs://{bucket} can't be reached: {type(exc).__name__}", "Check the network, and status.cloud.google.com"
        ) from exc
    except GoogleAuthError as exc:
        raise BackendError(f"the credentials for gs://{bucket} are refused: {exc}", CREDENTIALS) from exc
    except (GoogleAPICallError, InvalidResponse) as exc:
        if _status(exc) in LATER:
            what = f"gs://{bucket} asks to come back later: {exc}"
            kind = BackendBusy if _status(exc) == TOO_MANY else BackendUnavailable
            raise kind(what, "Try again, and write less often to the same store") from exc
        raise BackendError(f"gs://{bucket} refused a request: {exc}", "Look into the bucket's settings") from exc
    except DataCorruption as exc:
        raise BackendUnavailable(f"data was damaged on its way to gs://{bucket}: {exc}", "Try again") from exc


def _status(exc: BaseException) -> int | None:
    if isinstance(exc, InvalidResponse):
        return int(exc.response.status_code)
    return int(exc.code) if isinstance(exc, GoogleAPICallError) and exc.code else None


def _is_broken(exc: BaseException) -> bool:
    """Whether a connection broke or could not be made; silence is something else."""
    cause = exc.args[0] if isinstance(exc, TransportError) and exc.args else exc
    silent = requests.Timeout, ReadTimeoutError
    if isinstance(cause, silent) or any(isinstance(each, silent) for each in cause.args):
        return False
    broken = requests.ConnectionError, requests.exceptions.ChunkedEncodingError, ConnectionError
    return isinstance(cause, broken)
