"""Frozen values as payloads: encoded only when a backend asks for bytes, and at most once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from .base import HEADER, Buffer, Frozen, Header
from .compression import compress, length


@dataclass(frozen=True)
class Opened:
    """What a payload holds.

    Attributes:
        frozen: The value, frozen.
        created: When it was written, in Unix seconds.
        ttl: Its lifetime in seconds, or None for ever.
    """

    frozen: Frozen
    created: float
    ttl: float | None


class FrozenPayload:
    """A payload that still knows its frozen value; a backend that keeps objects needs no bytes.

    Args:
        frozen: The value.
        created: When it is written, in Unix seconds.
        ttl: Its lifetime in seconds, or None for ever.
        compression: `auto`, `none`, `lz4` or `zstd`.

    Attributes:
        frozen: The value.
    """

    def __init__(self, frozen: Frozen, *, created: float, ttl: float | None, compression: str) -> None:
        self.frozen = frozen
        self.created = created
        self.ttl = ttl
        self._compression = compression
        self._parts: Sequence[Buffer] | None = None
        self._lock = threading.Lock()

    @property
    def codec(self) -> str:
        """The word of the codec that made it, for people."""
        return self.frozen.codec.name

    @property
    def nbytes(self) -> int:
        """Size in bytes; an estimate until `parts` was called once."""
        return HEADER.size + self.frozen.nbytes if self._parts is None else length(self._parts)

    def parts(self) -> Sequence[Buffer]:
        """The header and the pieces of the body. Encodes on the first call only."""
        with self._lock:
            if self._parts is None:
                self._parts = self._encode()
            return self._parts

    def _encode(self) -> Sequence[Buffer]:
        codec = self.frozen.codec
        raw = codec.encode(self.frozen.data)
        tag, body = compress(raw, self._compression, compressible=codec.compressible)
        header = Header(codec.tag, tag, length(body), length(raw), self.created, self.ttl or 0.0)
        return [header.pack(), *body]
