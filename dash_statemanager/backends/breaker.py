"""A circuit breaker: a backend that is away costs one request its timeout, and not each."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import BackendBusy, BackendUnavailable
from .base import Backend, Entry, Listing, Put, Range, Ranges
from .closing import Closing
from .forks import tell_child
from .wrapper import Wrapper

__all__ = ["Breaker"]

log = logging.getLogger("dash_statemanager")

PAUSES = (0.1, 1.0)
"""First and longest wait between two looks whether the backend is back, in seconds."""


class Breaker(Wrapper):
    """Fails at once while the backend is known to be away, and looks in a thread whether it is back.

    No request pays for that look: the thread exists only while the backend is away.

    Args:
        inner: The backend.
    """

    _away: _Away | None

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self._guard = _Guard(self)
        self._begin()
        tell_child(self)

    def after_fork(self) -> None:
        """Starts anew in a child, where the thread that looks does not exist."""
        self._begin()

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        with self._guard:
            return self.inner.get_many(keys)

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        with self._guard:
            return self.inner.get_ranges(key, ranges)

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        with self._guard:
            return self.inner.sizes(keys)

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        with self._guard:
            return self.inner.put_many(puts, delete=delete)

    def delete(self, *keys: str) -> int:
        with self._guard:
            return self.inner.delete(*keys)

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        with self._guard:
            return self.inner.touch_many(ttls)

    def scan(self, prefix: str) -> Iterator[Listing]:
        with self._guard:
            yield from self.inner.scan(prefix)

    def ping(self) -> None:
        with self._guard:
            self.inner.ping()

    def stats(self) -> Mapping[str, object]:
        """The backend's own figures; while it is away only that, and since how many seconds."""
        if (away := self._away) is not None:
            return {"away": str(away.cause), "seconds": round(time.monotonic() - away.since, 1)}
        with self._guard:
            return self.inner.stats()

    def close(self) -> None:
        self._closing.tell()
        self._away = None
        self.inner.close()

    def check(self) -> None:
        """Raises `BackendUnavailable` while the backend is known to be away."""
        if (away := self._away) is not None:
            seconds = time.monotonic() - away.since
            what = f"{away.cause.what} (for {seconds:.0f} s now)"
            raise BackendUnavailable(what, away.cause.remedy) from away.cause

    def trip(self, cause: BackendUnavailable) -> None:
        """Notes that the backend is away, and starts to look whether it is back.

        Where the system has no thread for that, each request goes on to find out for itself.
        """
        with self._lock:
            if self._away is not None:
                return
            away = self._away = _Away(cause)
        look = self._closing.background(lambda closed: self._look(away, closed))
        try:
            threading.Thread(target=look, name="dash-statemanager-breaker", daemon=True).start()
        except RuntimeError:
            self._end(away)

    def _look(self, away: _Away, closed: threading.Event) -> None:
        log.warning("the backend is away, what needs it fails at once until it is back: %s", away.cause)
        pause = PAUSES[0]
        while not closed.is_set():
            try:
                self.inner.ping()
                break
            except BackendUnavailable:
                closed.wait(pause)
                pause = min(pause * 2, PAUSES[1])
            except Exception:
                break  # what is wrong now has an error of its own, which requests will see
        if self._end(away):
            log.warning("the backend is back after %.1f s", time.monotonic() - away.since)

    def _end(self, away: _Away) -> bool:
        with self._lock:
            ends = self._away is away
            if ends:
                self._away = None
        return ends

    def _begin(self) -> None:
        self._away = None
        self._lock = threading.Lock()
        self._closing = Closing(self.inner.close)


class _Away:
    def __init__(self, cause: BackendUnavailable) -> None:
        self.cause = cause
        self.since = time.monotonic()


class _Guard:
    """The context of one operation; it has no state, so that one serves all threads."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        self._breaker.check()

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, BackendUnavailable) and not isinstance(exc, BackendBusy):
            self._breaker.trip(exc)
