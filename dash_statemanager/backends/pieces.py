"""Payloads in pieces: in chunks of one size, how they are cut, ranges of them; and as a file that is read in pieces."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from .base import Buffer, Range

__all__ = ["PartsFile", "Piece", "by_range", "cut", "divide", "grouped", "split"]


class Piece(NamedTuple):
    """Some bytes of a chunk.

    Attributes:
        number: Of the chunk.
        start: Of the bytes in the chunk.
        nbytes: How many.
    """

    number: int
    start: int
    nbytes: int


def split(parts: Iterable[Buffer], size: int) -> Iterator[Buffer]:
    """The bytes of all parts in chunks of `size` bytes; copied only where a chunk is of several parts."""
    return map(_joined, divide(parts, size))


def divide(parts: Iterable[Buffer], size: int) -> Iterator[list[memoryview]]:
    """As `split`, and nothing is copied: each chunk in the pieces that it has of the parts."""
    pieces: list[memoryview] = []
    room = size
    for part in parts:
        view = memoryview(part).cast("B")
        while view.nbytes:
            pieces.append(view[:room])
            room -= pieces[-1].nbytes
            view = view[pieces[-1].nbytes :]
            if not room:
                yield pieces
                pieces, room = [], size
    if pieces:
        yield pieces


def cut(ranges: Iterable[Range], nbytes: int, chunk: int) -> Iterator[Piece]:
    """What of which chunks makes up the ranges, in their order.

    Args:
        ranges: What is wanted.
        nbytes: Size of the payload.
        chunk: Size of all chunks but the last.
    """
    for first, end in ranges:
        while first < min(end, nbytes):
            number, start = divmod(first, chunk)
            count = min(end, nbytes, first - start + chunk) - first
            yield Piece(number, start, count)
            first += count


def grouped(pieces: Iterable[Piece], count: int, nbytes: int) -> Iterator[list[Piece]]:
    """Lists of up to `count` pieces that have up to `nbytes` bytes, unless one alone has more."""
    batch: list[Piece] = []
    for piece in pieces:
        if batch and (len(batch) == count or sum(each.nbytes for each in batch) + piece.nbytes > nbytes):
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def by_range(found: Iterable[Buffer], ranges: Iterable[Range], nbytes: int, chunk: int) -> Sequence[Buffer]:
    """The bytes of each range, out of those of all pieces in their order."""
    bodies = iter(found)
    return [_joined([next(bodies) for _ in cut([each], nbytes, chunk)]) for each in ranges]


class PartsFile(io.RawIOBase):
    """The bytes of all parts as a file: only what is read at a time is copied.

    Args:
        parts: The bytes, in order.
    """

    def __init__(self, parts: Iterable[Buffer]) -> None:
        self._parts = [memoryview(part).cast("B") for part in parts]
        self._ends = list(accumulate(map(len, self._parts)))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer up to the end of a part."""
        number = bisect_right(self._ends, self._at)
        left = self._parts[number][self._at - self._ends[number] :] if number < len(self._parts) else memoryview(b"")
        piece = left[: len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(map(len, self._parts))}[whence]
        if at < 0:
            raise ValueError(f"negative place {at} in a file")
        self._at = at
        return at


def _joined(bodies: Sequence[Buffer]) -> Buffer:
    return bodies[0] if len(bodies) == 1 else b"".join(bodies)
