"""Payloads in chunks of one size: how they are cut, and ranges of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .base import Buffer, Range

__all__ = ["Piece", "by_range", "cut", "divide", "grouped", "split"]


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


def _joined(bodies: Sequence[Buffer]) -> Buffer:
    return bodies[0] if len(bodies) == 1 else b"".join(bodies)
