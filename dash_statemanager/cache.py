"""The process cache of frozen values: bounded by bytes, least recently used first, one load per key."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from .codecs.base import Frozen

OVERHEAD = 800
"""Bytes that an entry takes in memory besides what it holds: its key, and what is known of it."""


@dataclass
class Cached:
    """A frozen value and what is known of its entry in the backend.

    Attributes:
        frozen: The value.
        ttl: Its lifetime in seconds after a touch; None for never ending.
        touched: Unix time of the last touch that this process knows of.
    """

    frozen: Frozen
    ttl: float | None
    touched: float

    @property
    def nbytes(self) -> int:
        """What it takes in memory, in bytes."""
        return self.frozen.nbytes + self.frozen.overhead + OVERHEAD

    def expired(self, now: float) -> bool:
        """Whether its entry in the backend must be gone, as far as this process knows."""
        return self.ttl is not None and now >= self.touched + self.ttl

    def needs_touch(self, now: float) -> bool:
        """Whether a tenth of the lifetime is used up."""
        return self.ttl is not None and now >= self.touched + self.ttl / 10


Load = Callable[[list[str]], dict[str, Cached]]


class ProcessCache:
    """Frozen values by key, shared by the threads of a process.

    Args:
        max_bytes: Bound on the bytes that are kept; 0 keeps nothing, but threads still share one load.
        clock: Gives the Unix time.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max, self._clock = max_bytes, clock
        self._entries: OrderedDict[str, Cached] = OrderedDict()
        self._loading: dict[str, Future[Cached | None]] = {}
        self._lock = threading.Lock()
        self._bytes = self._hits = self._misses = self._discards = 0

    def get(self, key: str) -> Cached | None:
        """The value, if it is here and its entry in the backend can't have expired."""
        with self._lock:
            return self._get(key)

    def all_of(self, keys: Iterable[str], most: float = math.inf) -> dict[str, Cached] | None:
        """The values of the keys; else None, and nothing is counted.

        Args:
            keys: All of them must be here.
            most: Bytes that their readers may have to copy.
        """
        found: dict[str, Cached] = {}
        with self._lock:
            for key in keys:
                if (cached := self._get(key)) is None:
                    return None
                found[key] = cached
                most -= 0 if cached.frozen.shared else cached.frozen.nbytes
                if most < 0:
                    return None
            self._hits += len(found)
        return found

    def put(self, key: str, cached: Cached) -> None:
        """Keeps a value, and lets go of those that were not used for longest."""
        with self._lock:
            self._put(key, cached)

    def fetch(self, keys: Iterable[str], load: Load) -> dict[str, Cached]:
        """The values of the keys that exist.

        Keys that another thread is loading are waited for; `load` is called once with all the others.
        """
        found, waiting, mine = self._claim(dict.fromkeys(keys))
        if mine:
            found.update(self._load(mine, load))
        for key, future in waiting.items():
            if (cached := future.result()) is not None:
                found[key] = cached
        return found

    def remove(self, keys: Iterable[str]) -> None:
        """Lets go of these keys."""
        with self._lock:
            for key in keys:
                self._drop(key)

    def discard(self, prefix: str) -> None:
        """Lets go of all keys that start with the prefix; loads that are under way are not kept."""
        with self._lock:
            self._discards += 1
            for key in [key for key in self._entries if key.startswith(prefix)]:
                self._drop(key)

    def sweep(self) -> None:
        """Lets go of what has expired."""
        with self._lock:
            now = self._clock()
            for key in [key for key, cached in self._entries.items() if cached.expired(now)]:
                self._drop(key)

    def after_fork(self) -> None:
        """Forgets the parent's threads: their lock and their loads. What is kept stays."""
        self._lock = threading.Lock()
        self._loading = {}

    def stats(self) -> dict[str, int]:
        """Figures for people."""
        with self._lock:
            return {
                "entries": len(self._entries),
                "bytes": self._bytes,
                "max_bytes": self._max,
                "hits": self._hits,
                "misses": self._misses,
            }

    def _claim(
        self, keys: Iterable[str]
    ) -> tuple[dict[str, Cached], dict[str, Future[Cached | None]], dict[str, Future[Cached | None]]]:
        found: dict[str, Cached] = {}
        waiting: dict[str, Future[Cached | None]] = {}
        mine: dict[str, Future[Cached | None]] = {}
        with self._lock:
            for key in keys:
                if (cached := self._get(key)) is not None:
                    found[key] = cached
                elif key in self._loading:
                    waiting[key] = self._loading[key]
                else:
                    mine[key] = self._loading[key] = Future()
            self._hits += len(found)
            self._misses += len(mine)
        return found, waiting, mine

    def _load(self, mine: dict[str, Future[Cached | None]], load: Load) -> dict[str, Cached]:
        discards = self._discards
        try:
            loaded = load(list(mine))
        except BaseException as exc:
            for key, future in mine.items():
                self._loading.pop(key, None)
                future.set_exception(exc)
            raise
        for key, future in mine.items():
            with self._lock:
                if key in loaded and discards == self._discards:
                    self._put(key, loaded[key])
                self._loading.pop(key, None)
            future.set_result(loaded.get(key))
        return loaded

    def _get(self, key: str) -> Cached | None:
        cached = self._entries.get(key)
        if cached is None or cached.expired(self._clock()):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return cached

    def _put(self, key: str, cached: Cached) -> None:
        self._drop(key)
        if cached.nbytes > self._max:
            return
        self._entries[key] = cached
        self._bytes += cached.nbytes
        while self._bytes > self._max:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        cached = self._entries.pop(key, None)
        if cached is not None:
            self._bytes -= cached.nbytes
