"""What stands in place of a large payload: where its body is, and who else holds that."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b

import orjson

from .base import Buffer, BytesPayload, Payload

__all__ = ["HEADER", "MARK", "STUB", "Holders", "Met", "Stub", "is_body", "split"]

HEADER = 64
"""First bytes of a payload, which hold its times and stay with the entry."""
MANY = 1000
"""Holders that are told apart; the body of more lives until it expires."""
KNOWN = 10_000
"""Bodies that a process remembers to have met."""
MARK = "="
_MAGIC = b"DSB\x01"
STUB = struct.Struct(f"<4sQ{HEADER}s32s11s")


def is_body(key: str) -> bool:
    """Whether a key is that of a body, which never changes."""
    parts = key.split("/")
    return len(parts) == 3 and parts[1].startswith(MARK) and parts[2] != "holders"


@dataclass(frozen=True)
class Stub:
    """What an entry holds in place of a large payload.

    Attributes:
        key: Of the entry.
        nbytes: Of the payload.
        header: Its first bytes.
        digest: 32 characters that stand for its body.
        name: 11 characters; empty for whatever body has the digest.
    """

    key: str
    nbytes: int
    header: bytes
    digest: str
    name: str = ""

    @property
    def body(self) -> str:
        return f"{self.key.partition('/')[0]}/{MARK}{self.digest}/{self.name}"

    @property
    def holders(self) -> str:
        return f"{self.key.partition('/')[0]}/{MARK}{self.digest}/holders"

    @property
    def holder(self) -> str:
        """Stands for the entry among the holders."""
        return blake2b(self.key.encode(), digest_size=8).hexdigest()

    def pack(self) -> bytes:
        return STUB.pack(_MAGIC, self.nbytes, self.header, self.digest.encode(), self.name.encode())

    @classmethod
    def of(cls, key: str, payload: Payload) -> Stub | None:
        if payload.nbytes != STUB.size:
            return None
        magic, nbytes, header, digest, name = STUB.unpack(b"".join(payload.parts()))
        return cls(key, nbytes, header, digest.decode(), name.decode()) if magic == _MAGIC else None


@dataclass(frozen=True)
class Holders:
    """Who holds a body; None are too many to tell apart."""

    name: str
    holders: frozenset[str] | None

    def has(self, holder: str) -> bool:
        return self.holders is not None and holder in self.holders

    def plus(self, holder: str) -> Holders:
        if self.holders is None or len(self.holders) >= MANY:
            return replace(self, holders=None)
        return replace(self, holders=self.holders | {holder})

    def minus(self, holder: str) -> Holders:
        return replace(self, holders=self.holders and self.holders - {holder})

    def is_empty(self) -> bool:
        return self.holders is not None and not self.holders

    def pack(self) -> BytesPayload:
        return BytesPayload(orjson.dumps([self.name, self.holders and sorted(self.holders)]))

    @classmethod
    def of(cls, payload: Payload) -> Holders:
        name, holders = orjson.loads(b"".join(payload.parts()))
        return cls(name, None if holders is None else frozenset(holders))


class Met:
    """Digests of the bodies that this process met last."""

    def __init__(self) -> None:
        self._digests: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def update(self, digests: Iterable[str]) -> None:
        for digest in digests:
            self._digests[digest] = None
            if len(self._digests) > KNOWN:
                with suppress(KeyError):  # another thread was faster
                    self._digests.popitem(last=False)


def split(parts: Sequence[memoryview]) -> tuple[bytes, Sequence[Buffer]]:
    """Header and body of a payload."""
    if len(parts[0]) != HEADER:
        whole = memoryview(b"".join(parts))
        return bytes(whole[:HEADER]), [whole[HEADER:]]
    return bytes(parts[0]), parts[1:]
