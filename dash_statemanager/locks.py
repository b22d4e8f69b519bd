"""Leases and locks, built from conditional puts: they work on every backend and across processes."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

from .backends.base import ABSENT, Backend, BytesPayload
from .errors import BackendError, Conflict, LockTimeout

logger = logging.getLogger("dash_statemanager")

LEASE = 30.0
"""Seconds after which a lock whose holder died is free again; a living holder renews it."""
POLL = (0.005, 0.1)
"""First and longest wait between two looks at a lock, in seconds."""


class Locks:
    """Leases and locks by name.

    Args:
        backend: Gives the backend.
        namespace: First part of the keys.
    """

    def __init__(self, backend: Callable[[], Backend], namespace: str) -> None:
        self._backend, self._namespace = backend, namespace

    def try_lease(self, name: str, ttl: float) -> bool:
        """Takes a lease that ends by itself after `ttl` seconds; False where another has it."""
        return self._take(self._key(name), ttl) is not None

    @contextmanager
    def lock(self, name: str, *, timeout: float = 60.0, lease: float = LEASE) -> Iterator[None]:
        """Holds a lock for the time of the block, renewing it while the block runs.

        Args:
            name: The lock's name.
            timeout: Seconds to wait for it.
            lease: Seconds after which the lock is free again if this process dies.

        Raises:
            LockTimeout: Another held it all the time.
        """
        key = self._key(name)
        etag = self._wait(key, name, timeout, lease)
        renewal = _Renewal(self._backend(), key, lease)
        renewal.start()
        try:
            yield
        finally:
            renewal.stop()
            self._release(key, etag)

    def _wait(self, key: str, name: str, timeout: float, lease: float) -> str:
        deadline, pause = time.monotonic() + timeout, POLL[0]
        while (etag := self._take(key, lease)) is None:
            if time.monotonic() >= deadline:
                raise LockTimeout(f"the lock {name!r} was not free within {timeout:g} s", "Try again later")
            time.sleep(random.uniform(pause / 2, pause))
            pause = min(pause * 1.5, POLL[1])
        return etag

    def _take(self, key: str, ttl: float) -> str | None:
        try:
            return self._backend().put(key, BytesPayload(secrets.token_bytes(8)), ttl, expect=ABSENT)
        except Conflict:
            return None

    def _release(self, key: str, etag: str) -> None:
        """Frees the lock if it is still ours: puts an entry in its place that is over at once."""
        try:
            self._backend().put(key, BytesPayload(b""), 1e-6, expect=etag)
        except Conflict:
            logger.warning("a lock was lost while it was held: its lease was over before it could be renewed")
        except BackendError as exc:
            logger.warning("a lock could not be freed and stays until its lease is over: %s", exc)

    def _key(self, name: str) -> str:
        return f"{self._namespace}/~locks/{blake2b(name.encode(), digest_size=16).hexdigest()}"


class _Renewal(threading.Thread):
    """Touches a lock at a third of its lease, until it is stopped."""

    def __init__(self, backend: Backend, key: str, lease: float) -> None:
        super().__init__(name="dash-statemanager-lock", daemon=True)
        self._backend, self._key, self._lease = backend, key, lease
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(self._lease / 3):
            try:
                if not self._backend.touch(self._key, self._lease):
                    return
            except BackendError as exc:
                logger.warning("a lock could not be renewed and will be tried again: %s", exc)

    def stop(self) -> None:
        self._stopped.set()
