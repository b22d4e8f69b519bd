"""What goes into a backend and what comes out: payloads, entries, and how they are put."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, final

from ..errors import Conflict

__all__ = [
    "ABSENT",
    "ANY",
    "Append",
    "Buffer",
    "BytesPayload",
    "Entry",
    "Expect",
    "Listing",
    "MemoryRoom",
    "PartsPayload",
    "Payload",
    "Put",
    "Range",
    "Ranges",
    "Room",
    "full",
    "later",
    "size_of",
]

Buffer = Any  # bytes, bytearray, memoryview, mmap or pyarrow.Buffer: whatever memoryview() takes


def size_of(parts: Iterable[Buffer]) -> int:
    """Bytes of all parts together."""
    return sum([memoryview(part).nbytes for part in parts])


class Payload(Protocol):
    """Bytes to keep, in one or more pieces that need not be joined to be written."""

    @property
    def nbytes(self) -> int:
        """Size in bytes; an estimate until `parts` was called once."""

    def parts(self) -> Sequence[Buffer]:
        """The bytes, in order. May encode on first call, and raises `CodecError` if that fails."""


@final
@dataclass(frozen=True)
class BytesPayload:
    """A payload that is one buffer."""

    buffer: Buffer

    @property
    def nbytes(self) -> int:
        return memoryview(self.buffer).nbytes

    def parts(self) -> Sequence[Buffer]:
        return (self.buffer,)


@final
class PartsPayload:
    """A payload that is several buffers, in order."""

    def __init__(self, *parts: Buffer) -> None:
        self._parts = parts
        self.nbytes = size_of(parts)

    def parts(self) -> Sequence[Buffer]:
        return self._parts


class Room(Protocol):
    """Where a payload of known size is received, piece by piece; threads may share it."""

    def put(self, at: int, data: Buffer) -> None:
        """Puts bytes to their place."""

    def whole(self) -> Buffer:
        """What was received, read-only, once all is there."""


class MemoryRoom:
    """A room in the memory of this process.

    Args:
        nbytes: Of the payload.
    """

    def __init__(self, nbytes: int) -> None:
        self._data = memoryview(bytearray(nbytes))

    def put(self, at: int, data: Buffer) -> None:
        self._data[at : at + len(data)] = data

    def whole(self) -> Buffer:
        return self._data.toreadonly()


class _Expectation:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ANY = _Expectation("ANY")
"""`expect=ANY`: put whatever is there."""
ABSENT = _Expectation("ABSENT")
"""`expect=ABSENT`: put only where nothing is, or what is there has expired."""
Expect = _Expectation | str


@dataclass(frozen=True)
class Entry:
    """What a backend returns for a key.

    Attributes:
        payload: The payload; from backends that keep bytes one buffer, or two of which the first has 64 bytes.
        etag: Changes with every put of this key.
        expires_at: Unix time in seconds, or None for never.
    """

    payload: Payload
    etag: str
    expires_at: float | None


Range = tuple[int, int]
"""First byte, and the byte after the last."""


@dataclass(frozen=True)
class Ranges:
    """Some bytes of an entry.

    Attributes:
        parts: The bytes of each range that was asked for, cut at the end of the payload.
        nbytes: Size of the whole payload.
        etag: As that of `Entry`: parts with the same etag are of the same payload.
        expires_at: Unix time in seconds, or None for never.
    """

    parts: Sequence[Buffer] = field(repr=False)
    nbytes: int
    etag: str
    expires_at: float | None

    @classmethod
    def of(cls, entry: Entry, ranges: Iterable[Range]) -> Ranges:
        """Ranges of an entry that is at hand, without a copy but of those that lie in several of its parts."""
        views = [memoryview(part).cast("B") for part in entry.payload.parts()]
        parts = [_cut(views, *wanted) for wanted in ranges]
        return cls(parts, sum(map(len, views)), entry.etag, entry.expires_at)


@dataclass(frozen=True)
class Listing:
    """One row of `scan`: key, size of the payload in bytes, expiry as Unix time or None."""

    key: str
    nbytes: int
    expires_at: float | None


@dataclass(frozen=True)
class Append:
    """How a few bytes are added to an entry; where there is none, they are put as they are.

    The entry, which was never put with more than 64 KiB, then lives as long as it would have or as the put says,
    whichever is longer.

    Attributes:
        start: So many bytes of the payload are the start of an entry, the others go to its end.
        renew: Whether the start takes the place of the one that is there; else it is only for a new entry.
        most: Most bytes that the entry may have; where it would have more, the put is a `Conflict`.

    Where a connection breaks before the answer, it may be done twice.
    """

    start: int
    renew: bool
    most: int


@dataclass(frozen=True)
class Put:
    """One write of a `put_many`.

    Attributes:
        key: Where; with an `append` no other put of the same `put_many` has it.
        payload: What.
        ttl: Lifetime in seconds, None for never, 0 for an entry that is over at once.
        expect: What must be there.
        append: Adds to what is there, in place of replacing it; then anything may be expected.
    """

    key: str
    payload: Payload = field(repr=False)
    ttl: float | None = None
    expect: Expect = ANY
    append: Append | None = None

    def onto(self, there: Entry | None, now: float) -> Put:
        """An append as a put that replaces what is there, and nothing else.

        Raises:
            Conflict: The entry would have too many bytes.
        """
        if self.append is None:
            return self
        if there is None:
            return replace(self, expect=ABSENT, append=None)
        new, old = (b"".join(payload.parts()) for payload in (self.payload, there.payload))
        start = self.append.start
        whole = (new if self.append.renew else old)[:start] + old[start:] + new[start:]
        if len(whole) > self.append.most:
            raise full(self.key)
        left = math.inf if there.expires_at is None else there.expires_at - now
        ttl = None if self.ttl is None or math.isinf(left) else max(self.ttl, left)
        return Put(self.key, BytesPayload(whole), ttl, there.etag)


def later(one: float | None, other: float | None) -> float | None:
    """The later of two moments at which something expires; None is never."""
    return None if one is None or other is None else max(one, other)


def full(key: str) -> Conflict:
    """What is raised where an append would make an entry too long."""
    return Conflict(f"there is no room at the end of {key!r}", "Write it anew with less")


def _cut(views: Sequence[memoryview], first: int, end: int) -> Buffer:
    found = []
    for view in views:
        if piece := view[max(first, 0) : max(end, 0)]:
            found.append(piece)
        first, end = first - len(view), end - len(view)
    return found[0] if len(found) == 1 else b"".join(found)
