"""Touches: lifetimes are prolonged in batches, off the request's path."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from .backends.base import Backend
from .backends.forks import tell_child
from .cache import Cached, ProcessCache
from .errors import BackendError, BackendUnavailable

__all__ = ["Toucher"]

logger = logging.getLogger("dash_statemanager")

DELAY = 1.0
"""Seconds from a read to its touch; less where the lifetime is over soon."""
BATCH = 500
"""Most versions of one batch."""
KNOWN = 100_000
"""Versions that wait for a touch; the next read of any other notes it again."""


class Toucher:
    """Notes what was read, and prolongs it with its head from a thread that ends when nothing waits any more.

    A version counts as touched when the backend said so. While it can't be reached, what is at hand is served all the
    same, and the touch is tried again.

    Args:
        backend: Keeps the versions.
        cache: What turns out to be gone is removed from it.
        clock: Gives the Unix time.
    """

    def __init__(self, backend: Backend, cache: ProcessCache, clock: Callable[[], float]) -> None:
        self._backend, self._cache, self._clock = backend, cache, clock
        self._is_told = False
        self.after_fork()
        tell_child(self)
        _all.add(self)

    def after_fork(self) -> None:
        """Leaves to the parent what the parent noted."""
        self._noted: dict[str, Cached] = {}
        self._thread: threading.Thread | None = None
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._hurry = threading.Event()

    def see(self, read: Mapping[str, Cached]) -> None:
        """Notes those of which a tenth of the lifetime is used up."""
        now = self._clock()
        due = {key: cached for key, cached in read.items() if cached.needs_touch(now)}
        if not due:
            return
        with self._lock:
            for key, cached in due.items():
                if len(self._noted) < KNOWN:
                    self._noted[key] = cached
            if self._thread is None:
                self._start()
        if any(cached.expired(now + 2 * DELAY) for cached in due.values()):
            self._hurry.set()

    def forget(self, keys: Iterable[str]) -> None:
        """Drops notes on what was written anew: its lifetime may be another."""
        with self._lock:
            for key in keys:
                self._noted.pop(key, None)

    def flush(self) -> None:
        """Touches now what was noted. Raises `BackendError`, and then keeps what was not touched."""
        with self._sending:
            while batch := self._take():
                try:
                    self._touch(batch)
                except BackendError:
                    with self._lock:
                        self._noted = {**batch, **self._noted}
                    raise

    def close(self) -> None:
        """Touches what was noted, if that can be done."""
        with contextlib.suppress(BackendError):
            self.flush()
        self._hurry.set()

    def _take(self) -> dict[str, Cached]:
        with self._lock:
            batch = dict(islice(self._noted.items(), BATCH))
            for key in batch:
                del self._noted[key]
            return batch

    def _touch(self, batch: Mapping[str, Cached]) -> None:
        now = self._clock()
        lifetimes = [(key, cached.ttl or 0) for key, cached in batch.items()]
        ttls = dict(lifetimes)
        for key, ttl in lifetimes:
            head = key.rpartition("/")[0] + "/head"
            ttls[head] = max(ttl, ttls.get(head, 0))
        gone = self._backend.touch_many(ttls)
        self._cache.remove(gone)
        for key in batch.keys() - gone:
            batch[key].touched = now

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="dash-statemanager-touch", daemon=True)
        self._hurry.clear()
        with contextlib.suppress(RuntimeError):  # too late to start a thread: the interpreter's exit does it
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        while self._goes_on():
            self._hurry.wait(DELAY)
            self._hurry.clear()
            try:
                self.flush()
            except BackendError as exc:
                self._tell(exc)

    def _tell(self, exc: BackendError) -> None:
        """Warns once; that the backend is away others say."""
        if not isinstance(exc, BackendUnavailable) and not self._is_told:
            self._is_told = True
            logger.warning("values that are used can't be kept from expiring, which is tried again: %s", exc)

    def _goes_on(self) -> bool:
        with self._sending, self._lock:  # what another thread sends may come back
            if not self._noted:
                self._thread = None
            return bool(self._noted)


_all: weakref.WeakSet[Toucher] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for toucher in list(_all):
        toucher.close()
