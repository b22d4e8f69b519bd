"""The contract that every backend keeps: bytes in, bytes out, with expiry.

A backend knows keys, payloads and clocks. It never knows sessions, stores, codecs or Dash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from ..errors import BackendError, Conflict
from .entries import (
    ABSENT,
    ANY,
    Append,
    Buffer,
    BytesPayload,
    Entry,
    Expect,
    Listing,
    MemoryRoom,
    PartsPayload,
    Payload,
    Put,
    Range,
    Ranges,
    Room,
    full,
    later,
    size_of,
)

Reach = Literal["browser", "process", "machine", "network"]


class Backend(ABC):
    """Keeps payloads by key.

    Keys are short ASCII paths (at most 200 characters) that the manager builds. An instance opens no
    connection, file or thread before its first operation, may be used by many threads at once, and
    opens its own connections in a forked child. All methods raise `BackendUnavailable` where the
    store can't be reached, and wrap driver errors in `BackendError` (`raise ... from exc`).
    """

    name: str
    """The word for `STATE_BACKEND`."""
    reach: Reach = "network"
    """How far away the payloads are. Those on a `network` may be away while this process goes on; those of a `browser`
    never come here at all: the manager sends the values themselves."""
    exact: bool = True
    """Whether conditional puts hold among all processes, whatever happens."""
    room: Callable[[int], Room] = MemoryRoom
    """Where a large payload of so many bytes is received."""

    range_bytes: int = 0
    """How much to ask `get_ranges` for at a time; 0 where it reads no less than `get`."""

    @abstractmethod
    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries that are there and have not expired, by key. One round trip where the store can do it."""

    @abstractmethod
    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """Puts in order, then deletes; returns the etags. One transaction where the store can do it.

        Each payload is stored whole or not at all. Where there is no transaction, the first `Conflict` stops the rest:
        what comes earlier in `puts` is stored.

        Raises:
            Conflict: A put expected ABSENT or an etag, and another was faster.
            BackendFull: There is no room; what was there stays.
        """

    @abstractmethod
    def delete(self, *keys: str) -> int:
        """Deletes the keys and returns how many were there."""

    @abstractmethod
    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        """Makes entries live for at least so many seconds from now, each key its own, None for ever.

        No life is shortened: who touches need not know how long others want it. Returns the keys of those that are
        gone. One round trip or transaction where the store can do it.
        """

    @abstractmethod
    def scan(self, prefix: str) -> Iterator[Listing]:
        """All unexpired entries whose key starts with `prefix`, in the order of their keys."""

    @abstractmethod
    def ping(self) -> None:
        """Raises `BackendUnavailable` within 2 seconds if the store can't be used."""

    @abstractmethod
    def close(self) -> None:
        """Closes the clients that this instance created. A later operation opens them again."""

    def get(self, key: str) -> Entry | None:
        """The entry, or None where there is none or it has expired."""
        return self.get_many([key]).get(key)

    def put(self, key: str, payload: Payload, ttl: float | None = None, *, expect: Expect = ANY) -> str:
        """Stores all of the payload or nothing, and returns its etag; raises what `put_many` does."""
        return self.put_many([Put(key, payload, ttl, expect)])[0]

    def touch(self, key: str, ttl: float | None) -> bool:
        """Makes the entry live for at least `ttl` seconds from now. False where it is gone."""
        return not self.touch_many({key: ttl})

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        """Some bytes of an entry, all of the same payload, or None where there is none or it has expired.

        Only they are read where the store can do it, and then `range_bytes` says so.
        """
        entry = self.get(key)
        return None if entry is None else Ranges.of(entry, ranges)

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        """Sizes of the payloads that are there, in bytes by key. None is read where the store can tell without."""
        return {key: entry.payload.nbytes for key, entry in self.get_many(keys).items()}

    def stats(self) -> Mapping[str, object]:
        """Figures for people: location, entries, bytes. Keys and values are plain JSON."""
        return {}


class Purges(ABC):
    """The power of a backend that must be told to remove what has expired."""

    @abstractmethod
    def purge(self) -> int:
        """Removes expired entries and orphans in small batches; returns how many."""


__all__ = [
    "ABSENT",
    "ANY",
    "Append",
    "Backend",
    "BackendError",
    "Buffer",
    "BytesPayload",
    "Conflict",
    "Entry",
    "Expect",
    "Listing",
    "MemoryRoom",
    "PartsPayload",
    "Payload",
    "Purges",
    "Put",
    "Range",
    "Ranges",
    "Room",
    "full",
    "later",
    "size_of",
]
