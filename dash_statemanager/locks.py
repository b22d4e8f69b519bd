"""Leases and locks, built from conditional puts: they work on every backend and across processes.

What is written while a lock is held depends on it: the lock's own entry is put again, on condition that it is still
the holder's, in the same transaction as the values. So a holder that slept past its lease, while another took the
lock, can't write any more. The etag of the lock's entry is what others call a fencing token.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from hashlib import blake2b

from .backends.base import ABSENT, Backend, BytesPayload, Entry, Put
from .backends.closing import Closing
from .errors import BackendBusy, BackendError, Conflict, LockLost, LockTimeout

logger = logging.getLogger("dash_statemanager")

LEASE = 30.0
"""Seconds after which a lock whose holder died is free again; a living holder renews it."""
PAUSE = 0.25
"""Seconds between two attempts to free a lock after the backend was away."""
LOOKS = 4
"""How often to look for a lock that may still be taken by a request that is on its way."""
POLL = (0.005, 0.1)
"""First and longest wait between two looks at a lock, in seconds."""
PLACE = "/~locks/"
"""What the keys of locks have in common, and no others have."""
CALLBACK_LOCK = "_dash_statemanager_lock"
"""Under this attribute a function carries what makes its lock, so that its callback holds it until all is written."""


class Locks:
    """Leases and locks by name.

    Args:
        backend: Gives the backend.
        namespace: First part of the keys.
    """

    def __init__(self, backend: Callable[[], Backend], namespace: str) -> None:
        self._backend, self._namespace = backend, namespace
        self._closing = Closing(lambda: backend().close())

    def close(self) -> None:
        """Lets go of locks that could not be freed: their leases end by themselves."""
        self._closing.tell()

    def try_lease(self, name: str, ttl: float) -> bool:
        """Takes a lease that ends by itself after `ttl` seconds; False where another has it."""
        return self._take(self._key(name, None), _token(), ttl) is not None

    def lock(self, name: str, *, scope: object = None, timeout: float = 60.0, lease: float = LEASE) -> Lock:
        """A lock to hold for the time of a `with` block, renewed while the block runs.

        Args:
            name: The lock's name.
            scope: Whose values it guards: its entry is kept with theirs.
            timeout: Seconds to wait for it.
            lease: Seconds after which the lock is free again if this process dies.

        Raises:
            LockTimeout: On entering: another held it all the time.
        """
        return Lock(self, name, self._key(name, scope), timeout, lease)

    def holds(self, name: str, *, scope: object = None) -> bool:
        """Whether the current context holds this lock already."""
        key = self._key(name, scope)
        return any(lock.key == key for lock in _held.get())

    def _take(self, key: str, token: bytes, ttl: float) -> str | None:
        try:
            return self._backend().put(key, BytesPayload(token), ttl, expect=ABSENT)
        except Conflict:
            return None

    def _key(self, name: str, scope: object) -> str:
        place = self._namespace if scope is None else f"{self._namespace}/{scope}"
        return place + PLACE + blake2b(name.encode(), digest_size=16).hexdigest()


class Lock:
    """A lock, to be held once.

    A `with` block does all; a coroutine calls `acquire` and `release` in a thread, and `enter` and `leave` itself.
    """

    def __init__(self, locks: Locks, name: str, key: str, timeout: float, lease: float) -> None:
        self.name, self.key = name, key
        self._locks, self._timeout, self._lease = locks, timeout, lease
        self._token = _token()
        self._etag: str | None = None
        self._mine = threading.Lock()
        """Held while the entry is put, so that renewing and writing don't take each other for a stranger."""
        self._ended = threading.Event()

    def __enter__(self) -> None:
        self.acquire()
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()
        self.release()

    def acquire(self) -> None:
        """Waits for the lock, takes it and begins to renew it."""
        deadline, pause = time.monotonic() + self._timeout, POLL[0]
        while (etag := self._take()) is None:
            if time.monotonic() >= deadline:
                raise LockTimeout(f"the lock {self.name!r} was not free within {self._timeout:g} s", "Try again later")
            time.sleep(random.uniform(pause / 2, pause))
            pause = min(pause * 1.5, POLL[1])
        self._etag = etag
        _start(self._renew)

    def release(self) -> None:
        """Frees the lock if it is still ours: puts an entry in its place that is over at once."""
        self._ended.set()
        with self._mine:
            if self._etag is None:
                return
            try:
                self._free(self._etag)
            except Conflict:
                self._lose()
            except BackendError as exc:
                logger.warning("a lock could not be freed, which will be tried again: %s", exc)
                self._free_in_background()

    def enter(self) -> None:
        """Makes what the current context writes depend on the lock."""
        _held.set((*_held.get(), self))

    def leave(self) -> None:
        """Ends that."""
        _held.set(tuple(lock for lock in _held.get() if lock is not self))

    def check(self) -> None:
        """Raises `LockLost` where the lock is not ours any more."""
        with self._mine:
            self._look()

    @property
    def _backend(self) -> Backend:
        return self._locks._backend()

    def _take(self) -> str | None:
        try:
            return self._locks._take(self.key, self._token, self._lease)
        except BackendBusy:  # with whoever has it
            return None
        except BackendError:  # nobody knows whether it was taken before the answer was lost
            self._free_in_background()
            raise

    def _free(self, etag: str) -> None:
        self._backend.put(self.key, BytesPayload(b""), 0, expect=etag)

    def _free_in_background(self) -> None:
        _start(self._locks._closing.background(self._free_later))

    def _free_later(self, closed: threading.Event) -> None:
        """Tries to free the lock until its lease must be over; so nobody waits for a holder that never was."""
        deadline, looks = time.monotonic() + self._lease, 0
        while looks < LOOKS and time.monotonic() < deadline:
            if closed.wait(PAUSE):
                return
            try:
                entry = self._backend.get(self.key)
                looks += 1
                if entry is not None and _content(entry) == self._token:
                    self._free(entry.etag)
                    return
            except Conflict:
                return
            except BackendError as exc:
                logger.debug("a lock could not be freed yet: %s", exc)

    def _fence(self) -> Put:
        if self._etag is None:
            raise self._lost()
        return Put(self.key, BytesPayload(self._token), self._lease, self._etag)

    def _look(self) -> None:
        """Reads the entry again: after a put that failed nobody knows whether it was done."""
        entry = self._backend.get(self.key) if self._etag is not None else None
        if entry is None or _content(entry) != self._token:
            self._lose()
            raise self._lost()
        self._etag = entry.etag

    def _lose(self) -> None:
        if self._etag is not None:
            self._etag = None
            logger.warning("a lock was lost while it was held: its lease was over before it could be renewed")

    def _lost(self) -> LockLost:
        what = f"the lock {self.name!r} went to another before this was written, and nothing was written"
        return LockLost(what, "Run it again")

    def _renew(self) -> None:
        while not self._ended.wait(self._lease / 3):
            with self._mine:
                try:
                    if self._ended.is_set() or self._etag is None:
                        return
                    [self._etag] = self._backend.put_many([self._fence()])
                except Conflict:
                    with _quietly():
                        self._look()
                except BackendError as exc:
                    logger.warning("a lock could not be renewed and will be tried again: %s", exc)


_held: ContextVar[tuple[Lock, ...]] = ContextVar("dash_statemanager_locks", default=())


def put_fenced(backend: Backend, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
    """As `backend.put_many`, on condition that all locks of the current context are still held.

    Raises:
        LockLost: One went to another; nothing was written.
    """
    locks = _held.get()
    if not locks:
        return backend.put_many(puts, delete=delete)
    with ExitStack() as stack:
        for lock in locks:
            stack.enter_context(lock._mine)
        try:
            etags = backend.put_many([*(lock._fence() for lock in locks), *puts], delete=delete)
        except Conflict:
            for lock in locks:
                lock._look()
            raise
        for lock, etag in zip(locks, etags, strict=False):
            lock._etag = etag
    return etags[len(locks) :]


def check_held() -> None:
    """Raises `LockLost` where a lock of the current context went to another."""
    for lock in _held.get():
        lock.check()


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except (LockLost, BackendError) as exc:
        logger.debug("%s", exc)


def _content(entry: Entry) -> bytes:
    return b"".join(map(bytes, entry.payload.parts()))


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="dash-statemanager-lock", daemon=True).start()


def _token() -> bytes:
    return secrets.token_bytes(8)
