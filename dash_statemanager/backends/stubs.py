"""What stands in place of a large payload: where its body is, and who else holds that."""

from __future__ import annotations

import secrets
import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import orjson

from .base import ABSENT, Buffer, BytesPayload, Expect, PartsPayload, Payload, Put

__all__ = ["HEADER", "MARK", "STUB", "Body", "Holders", "Met", "Stub", "digest_of", "is_body", "split"]

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
    """Who holds a body; None are too many to tell apart.

    Each has the stamp of the `put_many` that took hold, or an empty one where several did under the same key.
    """

    name: str
    holders: Mapping[str, str] | None

    def has(self, holder: str, stamp: str | None = None) -> bool:
        """Whether it is among them; with a stamp whether nobody else took hold under its key."""
        return self.holders is not None and holder in self.holders and stamp in (None, self.holders[holder])

    def plus(self, holder: str, stamp: str = "") -> Holders:
        if self.holders is None or len(self.holders) >= MANY:
            return replace(self, holders=None)
        stamp = stamp if self.holders.get(holder, stamp) == stamp else ""
        return replace(self, holders={**self.holders, holder: stamp})

    def minus(self, holder: str) -> Holders:
        rest = self.holders and {each: stamp for each, stamp in self.holders.items() if each != holder}
        return replace(self, holders=rest)

    def is_empty(self) -> bool:
        return self.holders is not None and not self.holders

    def pack(self) -> BytesPayload:
        return BytesPayload(orjson.dumps([self.name, self.holders]))

    @classmethod
    def of(cls, payload: Payload) -> Holders | None:
        """Read back; None where the last one went, which a clock that is behind still sees."""
        return cls(*orjson.loads(b"".join(payload.parts()))) if payload.nbytes else None


@dataclass
class Body:
    """A body, and what is to hold it after a `put_many`.

    Attributes:
        digest: As that of a stub.
        parts: Its bytes.
        stubs: What is to hold it, by the number of the put.
        ttl: How long it is to live.
        name: As that of a stub.
        is_new: Whether it is put.
        held: Who holds it already.
        expect: What to expect in place of its holders.
    """

    digest: str
    parts: Sequence[Buffer]
    stubs: dict[int, Stub] = field(default_factory=dict)
    ttl: float | None = 0
    name: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    is_new: bool = True
    held: Holders | None = None
    expect: Expect = ABSENT

    @property
    def stub(self) -> Stub:
        """One of those that are to hold it."""
        return next(iter(self.named().values()))

    def named(self) -> dict[int, Stub]:
        """What is to hold it, as that is kept."""
        return {number: replace(stub, digest=self.digest, name=self.name) for number, stub in self.stubs.items()}

    def add(self, number: int, stub: Stub, ttl: float | None) -> None:
        self.stubs[number] = stub
        self.ttl = None if ttl is None or self.ttl is None else max(ttl, self.ttl)

    def join(self, held: Holders, ttl: float | None) -> None:
        """It is there."""
        self.is_new, self.name, self.held, self.ttl = False, held.name, held, ttl

    def was_put(self, stamp: str, etag: str) -> None:
        """It is there by now, and its holders have the etag."""
        self.held, self.expect = self._holders(stamp), etag

    def puts(self, stamp: str) -> list[Put]:
        """What takes hold of it, and writes it where it is not there; a `Conflict` where others did meanwhile."""
        stub = self.stub
        holders = Put(stub.holders, self._holders(stamp).pack(), self.ttl, self.expect)
        return [holders] if self.held else [Put(stub.body, PartsPayload(*self.parts), self.ttl), holders]

    def _holders(self, stamp: str) -> Holders:
        holders = self.held or Holders(self.name, {})
        for stub in self.stubs.values():
            holders = holders.plus(stub.holder, stamp)
        return holders


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


def digest_of(body: Iterable[Buffer], key: bytes) -> str:
    """What stands for a body; to be computed only with the key."""
    from blake3 import blake3

    digest = blake3(key=blake2b(key, digest_size=32).digest())
    for part in body:
        digest.update(part)
    return digest.hexdigest(length=16)
