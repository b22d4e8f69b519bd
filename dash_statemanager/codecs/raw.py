"""Bytes, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .base import Buffer, Codec, Frozen


class BytesCodec(Codec):
    """One bytes object, body for body."""

    name: ClassVar[str] = "bytes"
    tag: ClassVar[int] = 3
    deterministic: ClassVar[bool] = True

    def can_encode(self, value: Any) -> bool:
        """Whether it is bytes."""
        return type(value) is bytes

    def freeze(self, value: Any) -> Frozen:
        """The bytes, or a copy of the memory of another buffer."""
        return self._wrap(bytes(value))

    def encode(self, data: Buffer) -> Sequence[Buffer]:
        """The bytes."""
        return [data]

    def decode(self, body: Buffer) -> Frozen:
        """The body's memory."""
        return self._wrap(memoryview(body))

    def thaw(self, data: Buffer) -> bytes:
        """The bytes: themselves where they were frozen here, else a copy."""
        return bytes(data)

    def _wrap(self, data: Buffer) -> Frozen:
        summary = {"type": "bytes", "length": len(data)}
        return Frozen(self, data, len(data), summary, deterministic=True)


BYTES = BytesCodec()
