"""Looks at versions without reading them whole, and without keeping them in the process cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from mmap import mmap
from typing import Any

from .backends.base import Backend, BytesPayload, Payload
from .codecs.part import Part
from .versions import Versions


class Peek:
    """Sizes and parts of versions.

    Args:
        versions: Opens entries, and knows what the process has of them.
        backend: Keeps them.
        clock: Gives the Unix time.
    """

    def __init__(self, versions: Versions, backend: Backend, clock: Callable[[], float] = time.time) -> None:
        self._versions, self._backend, self._clock = versions, backend, clock

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        """Bytes that versions and patches take, of those that are there; nothing of them is read."""
        cached = {key: self._versions.cache.get(key) for key in keys}
        known = {key: found.frozen.nbytes for key, found in cached.items() if found is not None}
        others = [key for key in cached if key not in known]
        return {**known, **self._backend.sizes(others)} if others else known

    def part(self, key: str, part: Part) -> Any:
        """Some columns and rows of a version; None where it is gone.

        Of what is mapped into memory nothing else is touched; anything else is read whole, and kept.

        Raises:
            PartError: The version has no such part.
        """
        if self._backend.reach == "machine" and self._versions.cache.get(key) is None:
            entry = self._backend.get(key)
            if entry is not None and _is_mapped(entry.payload):
                cached, now = self._versions.open(entry, part), self._clock()
                gone = cached.needs_touch(now) and not self._versions.touch(key, cached, now)
                return None if gone else cached.frozen.thaw()
        found = self._versions.read_many([key])
        return part.of(found[key].frozen.thaw()) if key in found else None


def _is_mapped(payload: Payload) -> bool:
    return isinstance(payload, BytesPayload) and isinstance(payload.buffer, mmap)
