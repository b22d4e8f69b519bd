"""Payloads encrypted at rest: whoever reads the backend learns sizes and times, and can't move what is there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from ..errors import CorruptPayload
from .appends import Appends
from .base import Backend, Buffer, BytesPayload, Entry, Listing, PartsPayload, Payload, Put, Range, Ranges
from .wrapper import Wrapper

__all__ = ["Encrypted"]

MAGIC = b"DSE\x01"
KEY_ID, NONCE, TAG = 4, 12, 16
OVERHEAD = len(MAGIC) + KEY_ID + NONCE + TAG


class Encrypted(Wrapper):
    """Encrypts with AES-256-GCM what another backend keeps, bound to its key: scope, store and version.

    Each key of an entry has a cipher key of its own, so that random nonces can't run out. What is there in plain, or
    under another key than it was written, is refused as corrupt. A payload is sealed as a whole: no part of it is read
    without the rest.

    Args:
        inner: The backend that keeps the bytes.
        secrets: The first encrypts, all decrypt.
        clock: Unix time in seconds.
    """

    def __init__(self, inner: Backend, secrets: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        super().__init__(inner)
        self.range_bytes = 0
        masters = [sha256(f"encryption {secret}".encode()).digest() for secret in secrets]
        self._masters = {blake2b(master, digest_size=KEY_ID).digest(): master for master in masters}
        self._first = next(iter(self._masters))
        self._appends = Appends(self, self._replace_many, clock)

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        return {key: self._opened(key, entry) for key, entry in self.inner.get_many(keys).items()}

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        return Backend.get_ranges(self, key, ranges)

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        return {key: nbytes - OVERHEAD for key, nbytes in self.inner.sizes(keys).items()}

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """Nothing can be added to what is sealed: an append reads it first, unless this process wrote it last."""
        return self._appends.put_many(puts, delete)

    def scan(self, prefix: str) -> Iterator[Listing]:
        for row in self.inner.scan(prefix):
            yield replace(row, nbytes=row.nbytes - OVERHEAD)

    def stats(self) -> Mapping[str, object]:
        found: Mapping[str, Any] = self.inner.stats()
        return {**found, "bytes": found["bytes"] - found["entries"] * OVERHEAD} if "bytes" in found else found

    def _replace_many(self, puts: Sequence[Put], delete: Sequence[str]) -> list[str]:
        sealed = [replace(put, payload=self._sealed(put.key, put.payload)) for put in puts]
        return self.inner.put_many(sealed, delete=delete)

    def _sealed(self, key: str, payload: Payload) -> Payload:
        nonce = os.urandom(NONCE)
        encryptor = Cipher(AES(_key(self._masters[self._first], key)), GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(key.encode())
        text = [encryptor.update(memoryview(part).cast("B")) for part in payload.parts()]
        encryptor.finalize()
        return PartsPayload(MAGIC + self._first + nonce, *text, encryptor.tag)

    def _opened(self, key: str, entry: Entry) -> Entry:
        sealed = memoryview(_whole(entry.payload.parts()))
        head, nonce, text = sealed[:8], sealed[8 : 8 + NONCE], sealed[8 + NONCE :]
        master = self._masters.get(bytes(head[len(MAGIC) :])) if head[: len(MAGIC)] == MAGIC else None
        if len(text) < TAG or master is None:
            raise CorruptPayload(
                f"{key!r} was not encrypted with a key of STATE_ENCRYPTION_KEY",
                "Add the key that it was written with, or start with a new STATE_NAMESPACE",
            )
        try:
            plain = AESGCM(_key(master, key)).decrypt(nonce, text, key.encode())
        except InvalidTag as exc:
            raise CorruptPayload(f"{key!r} was changed, or moved here from another place") from exc
        return replace(entry, payload=BytesPayload(plain))


@lru_cache(4096)
def _key(master: bytes, key: str) -> bytes:
    return blake2b(key.encode(), key=master, digest_size=32).digest()


def _whole(parts: Sequence[Buffer]) -> Buffer:
    return memoryview(parts[0]).cast("B") if len(parts) == 1 else b"".join(parts)
