"""What a batch of puts and deletes does to the rows that are there: no database in here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import Conflict
from ..base import ABSENT, ANY, Buffer, BytesPayload, Entry, Put, full
from .files import StoredFile
from .statements import Row

__all__ = ["Body", "Change", "expiry"]


@dataclass(frozen=True)
class Body:
    """A payload on its way into a row.

    Attributes:
        nbytes: Its size.
        small: The bytes, or None where they are in a file or in chunks.
        stored: That file, kept from being taken for an orphan as long as this lives.
        boot: The run of the machine, where the file may not be on the disk yet.
        parts: The bytes in pieces, where they are to be chunks.
    """

    nbytes: int
    small: Buffer | None
    stored: StoredFile | None = None
    boot: str | None = None
    parts: Sequence[Buffer] = ()

    @property
    def file(self) -> str | None:
        """Name of the file."""
        return self.stored.name if self.stored else None


class Change:
    """Applies puts and deletes, in order, to rows that are locked, and collects what to execute.

    Args:
        rows: The rows of all keys, as far as they exist.
        now: Unix time in seconds.
        boot_id: This run of the machine.

    Attributes:
        inserts: Rows that must be new.
        upserts: Rows that may replace others.
        deletes: Keys to delete after that.
        large: What goes into chunks, by key: the etag, and the bytes in pieces.
        obsolete: Names of files that are not needed once all this is committed.
        etags: One for each put.
        deleted: How many of the deleted keys were there.
    """

    def __init__(self, rows: Iterable[Row], now: float, boot_id: str | None) -> None:
        self._now = now
        self._old = {row.key: row for row in rows}
        self._live = {row.key: row.etag for row in self._old.values() if row.is_live(now, boot_id)}
        self._new: dict[str, dict[str, Any]] = {}
        self._fresh: set[str] = set()
        self.obsolete = [row.file for row in self._old.values() if row.file]
        self.deletes: list[str] = []
        self.large: dict[str, tuple[str, Sequence[Buffer]]] = {}
        self.etags: list[str] = []
        self.deleted = 0

    @property
    def inserts(self) -> list[Mapping[str, Any]]:
        return [row for key, row in self._new.items() if key in self._fresh]

    @property
    def upserts(self) -> list[Mapping[str, Any]]:
        return [row for key, row in self._new.items() if key not in self._fresh]

    def put(self, put: Put, body: Body) -> None:
        """Raises `Conflict` where the expectation of the put does not hold, or an append has no room."""
        there = self._live.get(put.key, ABSENT)
        if put.append:
            put = put.onto(self._entry(put.key), self._now)
            whole = b"".join(put.payload.parts())
            body = Body(len(whole), whole)
        if put.expect is not ANY and put.expect != there:
            raise Conflict(f"another was faster to write {put.key!r}", "Read it again and repeat")
        if put.expect is ABSENT and put.key not in self._old:
            self._fresh.add(put.key)
        self.add(put, body)

    def add(self, put: Put, body: Body) -> None:
        """Puts whatever is there."""
        self._supersede(put.key)
        etag = self._live[put.key] = os.urandom(8).hex()
        self.etags.append(etag)
        self._new[put.key] = self._row(put, body, etag)
        if body.parts:
            self.large[put.key] = etag, body.parts

    def delete(self, key: str) -> None:
        """Deletes the key, whether it is there or not."""
        self.deleted += self._live.pop(key, None) is not None
        self._supersede(key)
        self.deletes.append(key)

    def _entry(self, key: str) -> Entry | None:
        """What an append finds."""
        row = self._old.get(key)
        if row is None or key not in self._live:
            return None
        if row.body is None:
            raise full(key)
        return Entry(BytesPayload(row.body), row.etag, row.expires_at)

    def _row(self, put: Put, body: Body, etag: str) -> dict[str, Any]:
        return {
            "key": put.key,
            "etag": etag,
            "expires_at": expiry(put.ttl, self._now),
            "nbytes": body.nbytes,
            "file": body.file,
            "boot": body.boot,
            "body": body.small,
        }

    def _supersede(self, key: str) -> None:
        self.large.pop(key, None)
        earlier = self._new.pop(key, None)
        if earlier and earlier["file"]:
            self.obsolete.append(earlier["file"])


def expiry(ttl: float | None, now: float) -> float | None:
    """Unix time at which something expires that lives `ttl` seconds; None for never."""
    return None if ttl is None else now + ttl
