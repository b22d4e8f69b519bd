"""Payloads in the cache that an app already has."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask_caching import Cache

from ...errors import BackendUnavailable, Conflict
from ..base import ABSENT, ANY, Backend, BytesPayload, Entry, Listing, Put, later
from ..deadline import within
from ..forks import tell_child
from ..neighbours import Note
from .finding import kinds, named, opened, tell_limits
from .index import Index
from .shelf import Shelf

if TYPE_CHECKING:
    from ...config import Settings

__all__ = ["FlaskCachingBackend"]

PAGE = 500
"""Rows that a scan asks for at a time."""
PING = 1.75
AT_ONCE = 0.001
"""What lives shorter is not written but deleted, so that the cache's own `add` finds nothing: locks end that way."""


class FlaskCachingBackend(Backend):
    """Keeps payloads in a `flask_caching.Cache`, whatever it is made of. It never closes it.

    Some promises are weaker than elsewhere. A cache may drop what it likes. Conditional puts hold among the threads of
    a process; between processes only `expect=ABSENT`, where the cache's own `add` does. Keys are listed in the cache
    itself, where two processes may lose each other's change.

    Args:
        cache: The cache; it needs an app when it is used first, not before.
        clock: Unix time in seconds.
        namespace: Tells apart apps of one server when they look for workers beside them.
    """

    name = "flask-caching"
    exact = False

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.time, namespace: str = "dash") -> None:
        self._cache, self._clock = cache, clock
        self._note = Note(namespace, "a SimpleCache of flask-caching")
        self._opened: Any = None
        self._shelf = Shelf(self._open, clock)
        self._index = Index(self._shelf, clock)
        self.after_fork()
        tell_child(self)

    @classmethod
    def from_settings(cls, settings: Settings, clock: Callable[[], float] = time.time) -> FlaskCachingBackend:
        """The backend of these settings. Raises `ConfigError` where they give no cache."""
        return cls(named(settings.flask_cache), clock, settings.namespace)

    def after_fork(self) -> None:
        """Makes the lock new in a child, where the thread that may have held it is gone."""
        self._lock = threading.RLock()

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        loaded = self._shelf.load(keys)
        return {key: Entry(BytesPayload(data), row.etag, row.expires_at) for key, (row, data) in loaded.items()}

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """Lists the keys, then puts in order and deletes; the first `Conflict` stops the rest."""
        prepared = [(put, put.payload.parts()) for put in puts]
        lifetimes = [put.ttl for put in puts]
        with self._lock:
            if puts:
                longest = None if None in lifetimes else max(ttl for ttl in lifetimes if ttl is not None)
                self._index.enter([put.key for put in puts], longest)
            etags = [self._put(put, parts) for put, parts in prepared]
            if delete:
                self.delete(*delete)
        return etags

    def delete(self, *keys: str) -> int:
        with self._lock:
            rows, now = self._shelf.rows(keys), self._clock()
            self._shelf.drop([name for key, row in rows.items() for name in (key, *row.names())])
            self._index.remove(keys)
        return sum(row.alive(now) for row in rows.values())

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        """Writes the entries again, since caches have nothing cheaper."""
        return {key for key, ttl in ttls.items() if not self._touch(key, ttl)}

    def scan(self, prefix: str) -> Iterator[Listing]:
        keys = self._index.find(prefix)
        for start in range(0, len(keys), PAGE):
            rows, now = self._shelf.rows(keys[start : start + PAGE]), self._clock()
            for key, row in rows.items():
                if row.alive(now):
                    yield Listing(key, row.nbytes, row.expires_at)

    def ping(self) -> None:
        within(PING, self._try, "the cache")

    def close(self) -> None:
        """Leaves the cache alone: it is the app's."""
        self._note.withdraw()
        self._opened = None

    def stats(self) -> Mapping[str, object]:
        """Location, and entries and bytes of what is listed."""
        sizes = [listing.nbytes for listing in self.scan("")]
        return {"location": f"flask-caching {type(self._open()).__name__}", "entries": len(sizes), "bytes": sum(sizes)}

    def _touch(self, key: str, ttl: float | None) -> bool:
        with self._lock:
            row = self._shelf.row(key)
            if row is None or not self._shelf.prolong(row, later(row.expires_at, self._expiry(ttl))):
                return False
            self._index.enter([key], ttl)
        return True

    def _put(self, put: Put, parts: Sequence[Any]) -> str:
        there = self._shelf.rows([put.key]).get(put.key)
        alive = there if there and there.alive(self._clock()) else None
        if put.expect is not ANY and put.expect != (alive.etag if alive else ABSENT):
            raise _conflict(put.key)
        if put.append:
            put = put.onto(self.get(put.key), self._clock())
            parts = put.payload.parts()
        if put.ttl is not None and put.ttl < AT_ONCE:
            self._shelf.drop([put.key, *(there.names() if there else ())])
            return secrets.token_hex(8)
        expires_at = self._expiry(put.ttl)
        etag = self._shelf.store(put.key, parts, expires_at, new=put.expect is ABSENT and not there)
        if etag is None:
            if self._shelf.row(put.key):
                raise _conflict(put.key)
            etag = self._shelf.store(put.key, parts, expires_at) or ""
        self._shelf.drop(there.names() if there else ())
        return etag

    def _expiry(self, ttl: float | None) -> float | None:
        return None if ttl is None else self._clock() + ttl

    def _open(self) -> Any:
        if self._opened is None:
            store = opened(self._cache)
            tell_limits(store)
            if "SimpleCache" in kinds(store):
                self._note.leave()
            self._opened = store
        return self._opened

    def _try(self) -> None:
        key = "~dash-statemanager"
        if self._shelf.store(key, [b"ping"], self._clock() + 60) and self._shelf.row(key) is None:
            what = f"the {type(self._open()).__name__} does not keep what it is given"
            raise BackendUnavailable(what, "Set CACHE_TYPE, and look after the cache server")


def _conflict(key: str) -> Conflict:
    return Conflict(f"another was faster to write {key!r}", "Read it again and repeat")
