"""Looks at versions without reading them whole, and without keeping them in the process cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from mmap import mmap
from typing import Any

from .backends.base import Backend, Buffer, Entry, Range
from .codecs.base import HEADER
from .codecs.part import Part
from .codecs.sparse import BLOCK, ReadWhole, SparsePayload
from .versions import Versions

START = ((0, HEADER.size), (HEADER.size, 4 * BLOCK))
"""What is read first: the header, and of the body what describes a table, mostly."""
SMALL = 1 << 20
"""Bytes up to which a payload is not worth reading in parts."""


class Peek:
    """Sizes and parts of versions.

    Args:
        versions: Opens entries, and knows what the process has of them.
        backend: Keeps them.
    """

    def __init__(self, versions: Versions, backend: Backend) -> None:
        self._versions, self._backend = versions, backend

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        """Bytes that versions and patches take, of those that are there; nothing of them is read."""
        cached = {key: self._versions.cache.get(key) for key in keys}
        known = {key: found.frozen.nbytes for key, found in cached.items() if found is not None}
        others = [key for key in cached if key not in known]
        return {**known, **self._backend.sizes(others)} if others else known

    def part(self, key: str, part: Part) -> Any:
        """Some columns and rows of a version; None where it is gone.

        Of what is mapped into memory nothing else is touched, and of what a backend gives out in ranges not much else
        is read. Anything else is read whole, and kept: small payloads, and those of which more than half is needed.

        Raises:
            PartError: The version has no such part.
        """
        if self._versions.cache.get(key) is None and (entry := self._divisible(key)) is not None:
            with suppress(ReadWhole):
                cached = self._versions.open(entry, part)
                self._versions.toucher.see({key: cached})
                return cached.frozen.thaw()
        found = self._versions.read_many([key])
        return part.of(found[key].frozen.thaw()) if key in found else None

    def _divisible(self, key: str) -> Entry | None:
        """The entry, if it can be read in parts: it is mapped into memory, or far away and large."""
        if self._backend.reach != "machine":
            first = self._backend.get_ranges(key, START) if self._backend.range_bytes else None
            if first is None or first.nbytes < SMALL:
                return None
            if not _is_mapped(first.parts):
                read = partial(self._more, key, first.etag)
                payload = SparsePayload(b"".join(first.parts), first.nbytes, read, self._backend.range_bytes)
                return Entry(payload, first.etag, first.expires_at)
        entry = self._backend.get(key)
        return entry if entry is not None and _is_mapped(entry.payload.parts()) else None

    def _more(self, key: str, etag: str, ranges: Sequence[Range]) -> Sequence[Buffer]:
        found = self._backend.get_ranges(key, ranges)
        if found is None or found.etag != etag:
            raise ReadWhole
        return found.parts


def _is_mapped(parts: Sequence[Buffer]) -> bool:
    return isinstance(memoryview(parts[-1]).obj, mmap)
