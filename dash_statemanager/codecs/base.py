"""The contract that every codec keeps, and the 64-byte header in front of every body.

A value goes two steps each way:

    value --freeze--> frozen --encode--> body      body --decode--> frozen --thaw--> value

`freeze` takes a snapshot that later changes to the value can't reach, and `thaw` hands out a value
that its receiver may change without anybody else seeing it. What is frozen can be shared by threads
and kept by the process cache; encoding happens only for backends that keep bytes.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import CorruptPayload
from .part import Part
from .sparse import Fetch, ReadWhole

Buffer = Any

MAGIC = b"DSM\x01"
HEADER = struct.Struct("<4sHBBIQQdd20x")  # magic, format, codec, compression, flags, body, raw, created, ttl
FORMAT = 1
assert HEADER.size == 64


@dataclass(frozen=True)
class Frozen:
    """A snapshot of a value, in the form that its codec likes best.

    Attributes:
        codec: The codec that made it.
        data: The snapshot. Never changed.
        nbytes: Size of the snapshot's values, in bytes.
        overhead: Bytes that the objects around them take in memory.
        summary: For people: `{"type": "DataFrame", "rows": 3, "columns": 2}`; plain JSON.
        deterministic: Whether an equal value has an equal body, so that both may share a version.
        shared: Whether `thaw` copies and parses nothing, however large it is.
    """

    codec: Codec
    data: Any = field(repr=False)
    nbytes: int
    summary: Mapping[str, Any]
    deterministic: bool = False
    shared: bool = False
    overhead: int = 0

    def thaw(self) -> Any:
        """A value that its receiver may change."""
        return self.codec.thaw(self.data)

    def part(self, part: Part) -> Frozen:
        """Some columns and rows of a table. Raises `PartError` where there are none."""
        return self.codec.refreeze(part.of(self.thaw()))


def overhead_of_table(arrays: int) -> int:
    """Bytes that the objects around so many arrays take in memory, be it a table of pandas, Arrow or polars."""
    return 4_000 + 1_500 * arrays


class Codec(ABC):
    """Turns values of some types into bodies and back.

    Attributes:
        name: Its word in messages and figures.
        tag: Its number in the header; never reused.
        deterministic: Whether equal values always have equal bodies; `Frozen.deterministic` tells it of one value.
        compressible: Whether general compression of the body can pay.
    """

    name: ClassVar[str]
    tag: ClassVar[int]
    deterministic: ClassVar[bool] = False
    compressible: ClassVar[bool] = True

    @abstractmethod
    def can_encode(self, value: Any) -> bool:
        """Whether this codec is the one for the value; cheap, by type."""

    @abstractmethod
    def freeze(self, value: Any) -> Frozen:
        """A snapshot of the value. Raises `CodecError` if a part of it can't be kept."""

    def refreeze(self, value: Any) -> Frozen:
        """As `freeze`, of a part of what was thawed: its memory is what this process keeps already."""
        return self.freeze(value)

    @abstractmethod
    def encode(self, data: Any) -> Sequence[Buffer]:
        """The body of frozen data, in pieces, without a copy where the format allows."""

    @abstractmethod
    def decode(self, body: Buffer) -> Frozen:
        """Frozen data over the body's memory, which it keeps alive. Raises `CorruptPayload`."""

    def decode_part(self, body: Buffer, part: Part, fetch: Fetch | None = None) -> Frozen:
        """As `decode`, for some columns and rows of a table: codecs of tables touch nothing else of the body.

        Args:
            body: The body.
            part: Which columns and rows.
            fetch: Fills what is looked at; None where all of the body is there. With it `sparse.ReadWhole` may be
                raised: the body is to be read whole.

        Raises:
            PartError: The value is no table, or has no such columns.
        """
        if fetch is not None:
            raise ReadWhole
        return self.decode(body).part(part)

    @abstractmethod
    def thaw(self, data: Any) -> Any:
        """A value over frozen data that its receiver may change."""


@dataclass(frozen=True)
class Header:
    """What is known of a payload without decoding it; times in Unix seconds, `ttl` 0 for never."""

    codec: int
    compression: int
    body_length: int
    raw_length: int
    created: float
    ttl: float
    flags: int = 0

    def pack(self) -> bytes:
        """The 64 bytes in front of the body."""
        return HEADER.pack(
            MAGIC,
            FORMAT,
            self.codec,
            self.compression,
            self.flags,
            self.body_length,
            self.raw_length,
            self.created,
            self.ttl,
        )

    @classmethod
    def unpack(cls, start: memoryview, following: int) -> Header:
        """Reads and checks the header, which `following` bytes of body must follow."""
        if len(start) < HEADER.size:
            raise CorruptPayload(f"a payload of {len(start)} bytes is shorter than its header")
        magic, fmt, codec, compression, flags, body, raw, created, ttl = HEADER.unpack(start)
        if magic != MAGIC:
            raise CorruptPayload("the bytes do not start as a payload does")
        if fmt > FORMAT:
            raise CorruptPayload(f"the payload has format {fmt}", "Upgrade dash-statemanager")
        if body != following:
            raise CorruptPayload(f"the payload has {following} of {body} bytes of body")
        return cls(codec, compression, body, raw, created, ttl, flags)
