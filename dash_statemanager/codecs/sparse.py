"""Payloads of which only what is needed comes here."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..backends.base import Buffer, Range
from ..errors import CorruptPayload

BLOCK = 16 << 10
"""Bytes that come together."""
LONGEST = 4 << 20
"""Bytes of one range: longer ones are several, which may come side by side."""
MOST_READS = 32
MOST_BYTES = 0.5
"""Share of a payload above which it should be read whole."""

Fetch = Callable[[Iterable[Buffer]], None]
"""Makes sure that these places in the memory of a payload are filled. Raises `ReadWhole`."""


class ReadWhole(Exception):
    """All of the payload should be read: it can't be read in parts, or so much of it is needed that it doesn't pay."""


class SparsePayload:
    """The memory of a payload, all zeros but for the blocks that were fetched; zeros take no memory.

    Args:
        first: What it starts with: whole blocks.
        nbytes: Its size.
        read: Gives some bytes of it. May raise `ReadWhole`.
        at_once: How many bytes to ask for at a time: until they are in their place they are here twice.
    """

    def __init__(
        self, first: Buffer, nbytes: int, read: Callable[[Sequence[Range]], Sequence[Buffer]], at_once: int = 8 << 20
    ) -> None:
        import pyarrow as pa

        private = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
        self._memory = memoryview(mmap.mmap(-1, nbytes, **private))
        self._start = pa.py_buffer(self._memory).address
        self._read, self._at_once, self._reads = read, at_once, 0
        self._missing = bytearray(b"\1") * -(-nbytes // BLOCK)
        self._put(0, first)
        self.nbytes = nbytes

    def parts(self) -> Sequence[Buffer]:
        """The memory; what was not fetched is zeros."""
        return (self._memory.toreadonly(),)

    def fetch(self, places: Iterable[Buffer]) -> None:
        """Fills places in the memory.

        Raises:
            ReadWhole: Most of the payload is needed, or there is no end of small reads.
            CorruptPayload: The backend gave other bytes than were asked for.
        """
        wanted = {block for place in places for block in self._blocks(place) if self._missing[block]}
        if not wanted:
            return
        self._reads += 1
        here = len(self._missing) - sum(self._missing) + len(wanted)
        if here > MOST_BYTES * len(self._missing) or self._reads > MOST_READS:
            raise ReadWhole
        for ranges in _grouped(_runs(sorted(wanted)), self._at_once // BLOCK):
            asked = [(first * BLOCK, min(end * BLOCK, self.nbytes)) for first, end in ranges]
            found = self._read(asked)
            if [memoryview(part).nbytes for part in found] != [end - first for first, end in asked]:
                raise CorruptPayload("a part of the payload is missing")
            for (first, _), part in zip(asked, found, strict=True):
                self._put(first, part)

    def _put(self, first: int, part: Buffer) -> None:
        end = first + memoryview(part).nbytes
        self._memory[first:end] = part
        blocks = slice(first // BLOCK, -(-end // BLOCK))
        self._missing[blocks] = bytes(len(self._missing[blocks]))

    def _blocks(self, place: Buffer) -> range:
        """The blocks in which a place lies; none where it is not in this memory."""
        import pyarrow as pa

        buffer = pa.py_buffer(place)
        first = buffer.address - self._start
        if not (buffer.size and 0 <= first <= first + buffer.size <= self.nbytes):
            return range(0)
        return range(first // BLOCK, -(-(first + buffer.size) // BLOCK))


def _runs(blocks: Sequence[int]) -> Iterator[Range]:
    """Neighbours as one range."""
    first = 0
    for number, block in enumerate(blocks):
        if number + 1 == len(blocks) or blocks[number + 1] != block + 1:
            yield blocks[first], block + 1
            first = number + 1


def _grouped(runs: Iterable[Range], most: int) -> Iterator[list[Range]]:
    """Lists of ranges of up to `most` blocks; long ranges are cut."""
    group: list[Range] = []
    room = most
    for first, end in runs:
        while first < end:
            cut = min(end, first + LONGEST // BLOCK, first + room)
            group.append((first, cut))
            room -= cut - first
            first = cut
            if not room:
                yield group
                group, room = [], most
    if group:
        yield group
