"""Payloads in a SQL database; large ones, where the dialect says so, in files beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import BackendFull
from ..base import (
    ANY,
    Backend,
    Buffer,
    BytesPayload,
    Entry,
    Listing,
    Purges,
    Put,
    Range,
    Ranges,
    size_of,
)
from ..disk import read_boot_id
from . import chunks
from .change import Body, Change, expiry
from .database import Database
from .dialect import Limits
from .dialects import dialect_for
from .files import FileStore, StoredFile
from .purger import Purger
from .small import SmallChanges
from .statements import ByKeys, Row, batches

if TYPE_CHECKING:
    from ...config import Settings

__all__ = ["SqlBackend"]

log = logging.getLogger("dash_statemanager")

LARGE = 256 << 10
LAST = "\x7f"  # after every character of a key


class SqlBackend(Backend, Purges):
    """Keeps payloads in a SQL database that several processes share.

    Args:
        url: A SQLAlchemy URL.
        clock: Unix time in seconds.
        boot_id: What tells this run of the machine from all others: a file that an earlier run had
            not brought to the disk may be half there after a power cut, and is taken for missing.
            None where the system doesn't say; every file then waits for the disk.
        limits: What a server may be asked for.

    Raises:
        ConfigError: The URL is none, or names a kind of database that is not supported.
        MissingExtra: The driver is not installed.
    """

    name = "database"
    range_bytes = 4 << 20

    def __init__(
        self,
        url: str = "sqlite:///state.db",
        clock: Callable[[], float] = time.time,
        boot_id: str | None = read_boot_id(),
        limits: Limits | None = None,
    ) -> None:
        self._clock = clock
        self._boot_id = boot_id
        self._database = Database(dialect_for(url, limits))
        self._files = self._database.dialect.files
        self.reach = "network" if self._files is None else "machine"
        self._sql = self._database.statements
        self._purger = Purger(self._database, clock, boot_id)

    @classmethod
    def from_settings(cls, settings: Settings, clock: Callable[[], float] = time.time) -> SqlBackend:
        """The backend of `database_url`."""
        return cls(settings.database_url, clock, limits=Limits(settings.pool_size, settings.timeout))

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries that are there, in the order of the keys, with one SELECT for up to 500 of them.

        A large payload that is a file is a read-only memory map.

        Raises:
            CorruptPayload: A large payload has another size than was written.
        """
        wanted = dict.fromkeys(keys)
        found = {row.key: self._entry(row) for row in self._rows(wanted)}
        return {key: entry for key in wanted if (entry := found.get(key)) is not None}

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        """The ranges: of a file by a memory map, of a server with a SELECT for 16 of them or 8 MiB."""
        if self._files is not None:
            return super().get_ranges(key, ranges)
        for *columns, chunk in self._database.fetch(self._sql.measure.run, of_key=key):
            row = Row._make(columns)
            if not row.is_live(self._clock(), self._boot_id):
                continue
            try:
                found = chunks.read_ranges(self._database, row, chunk, ranges)
            except FileNotFoundError:
                entry = self._look_again(row)
                return None if entry is None else Ranges.of(entry, ranges)
            return Ranges(found, row.nbytes, row.etag, row.expires_at)
        return None

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        """Sizes by key, from the index alone."""
        now = self._clock()
        rows = self._rows(keys, self._sql.look_up)
        return {row.key: row.nbytes for row in rows if row.is_live(now, self._boot_id)}

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """All puts and deletes in one transaction; a `Conflict` leaves everything as it was."""
        parts = [put.payload.parts() for put in puts]
        self._database.open()
        if (small := self._database.small) and small.take(puts, parts, delete):
            etags = self._put_small(small, puts, parts, delete)
            if etags:
                return etags
        bodies: list[Body] = []
        try:
            bodies.extend(map(self._keep, parts))
            change = self._apply([(put, body) for put, body in zip(puts, bodies, strict=True)], delete)
        except Exception:
            self._purger.remove(body.file for body in bodies)
            raise
        if any(body.boot for body in bodies):
            self._purger.note()
        return change.etags

    def delete(self, *keys: str) -> int:
        """Deletes the keys in one transaction and returns how many were there."""
        return self._apply((), keys, count=True).deleted if keys else 0

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        """All in one transaction; one in one statement."""

        def work(cursor: Any) -> set[str]:
            now = self._clock()
            rows = (self._sql.lock.run(cursor, batch).fetchall() for batch in batches(sorted(ttls)))
            found = (row for batch in rows for row in map(Row._make, batch))
            there = {row.key for row in found if row.is_live(now, self._boot_id)}
            self._sql.touch.run_many(cursor, [self._prolonged(key, ttls[key], now) for key in sorted(there)])
            return ttls.keys() - there

        if len(ttls) != 1:
            return self._database.write(work, twice=True) if ttls else set()
        [(key, ttl)] = ttls.items()
        params = self._prolonged(key, ttl, self._clock())
        there = self._database.change(lambda cursor: int(self._sql.touch.run(cursor, **params).rowcount))
        return set() if there else {key}

    def scan(self, prefix: str) -> Iterator[Listing]:
        """The entries in the order of their keys, read 500 at a time."""
        after = ""
        while rows := self._page(prefix, after):
            yield from (Listing(row.key, row.nbytes, row.expires_at) for row in rows)
            after = rows[-1].key

    def purge(self) -> int:
        """Removes what has expired, what a power cut broke and what dead processes left, a few at a time."""
        return self._purger.purge()

    def ping(self) -> None:
        """Raises `BackendUnavailable` within 2 seconds where nothing can be written."""
        self._database.ping()

    def close(self) -> None:
        """Brings files to the disk and closes all connections. A later operation opens them again."""
        self._purger.finish()
        self._database.close()
        if self._files is not None:
            self._files.close()

    def stats(self) -> Mapping[str, object]:
        """Location without credentials, entries, bytes of payload, and how many of them are files."""
        counts = self._database.fetch(self._sql.counts.run, now=self._clock(), boot_id=self._boot_id)
        entries, nbytes, files = map(int, counts[0])
        return {"location": self._database.dialect.location, "entries": entries, "bytes": nbytes, "files": files}

    def _prolonged(self, key: str, ttl: float | None, now: float) -> dict[str, Any]:
        return {"same_key": key, "until": expiry(ttl, now), "now": now, "boot_id": self._boot_id}

    def _rows(self, keys: Iterable[str], statement: ByKeys | None = None) -> Iterator[Row]:
        run = (statement or self._sql.get).run
        for batch in batches(dict.fromkeys(keys)):
            yield from map(Row._make, self._database.fetch(run, batch))

    def _entry(self, row: Row) -> Entry | None:
        if not row.is_live(self._clock(), self._boot_id):
            return None
        if row.body is not None:
            return Entry(BytesPayload(row.body), row.etag, row.expires_at)
        try:
            return Entry(BytesPayload(self._load(row)), row.etag, row.expires_at)
        except FileNotFoundError:
            return self._look_again(row)

    def _load(self, row: Row) -> Buffer:
        if row.file is not None and self._files is not None:
            return self._files.map(row.file, row.nbytes)
        return chunks.read(self._database, row, self.room)

    def _look_again(self, row: Row) -> Entry | None:
        """The file or chunks are gone: the row was replaced since we read it, or somebody removed them."""
        newer = next(self._rows((row.key,)), None)
        if newer is None or newer.etag != row.etag:
            return newer and self._entry(newer)
        log.warning("what was kept for %r in %s is gone: its value is taken for missing", row.key, row.file or "chunks")
        same = {"same_key": row.key, "same_etag": row.etag}
        self._database.write(lambda cursor: self._sql.delete_same.run(cursor, **same))
        return None

    def _keep(self, parts: Sequence[Buffer]) -> Body:
        nbytes = size_of(parts)
        if self._files is None and nbytes > self._database.dialect.chunk:
            return Body(nbytes, None, parts=parts)
        if self._files is None or nbytes <= LARGE:
            return Body(nbytes, memoryview(parts[0]).cast("B") if len(parts) == 1 else b"".join(parts))
        return Body(nbytes, None, self._write(self._files, parts), self._boot_id)

    def _write(self, files: FileStore, parts: Sequence[Buffer]) -> StoredFile:
        try:
            return files.write(parts, sync=self._boot_id is None)
        except BackendFull:
            if not self._purger.make_room():
                raise
        return files.write(parts, sync=self._boot_id is None)

    def _apply(self, puts: Sequence[tuple[Put, Body]], delete: Sequence[str], *, count: bool = False) -> Change:
        """One transaction. Rows are not read where nothing depends on what is there."""
        keys = dict.fromkeys([*(put.key for put, _ in puts), *delete])
        conditional = any(put.expect is not ANY for put, _ in puts)
        appends = [put.key for put, _ in puts if put.append]
        others = [key for key in keys if key not in appends]
        needed = others if self._files is not None or conditional or count else ()

        def work(cursor: Any) -> Change:
            rows = [Row._make(row) for some in batches(needed) for row in self._sql.lock.run(cursor, some).fetchall()]
            for some in batches(appends):
                rows += map(Row._make, self._sql.lock_whole.run(cursor, some).fetchall())
            change = Change(rows, self._clock(), self._boot_id)
            for put, body in puts:
                change.put(put, body)
            for key in delete:
                change.delete(key)
            self._sql.insert.run_many(cursor, change.inserts)
            self._sql.upsert.run_many(cursor, change.upserts)
            for batch in batches(change.deletes):
                self._sql.delete.run(cursor, batch)
            if self._files is None:
                chunks.write(self._database, cursor, change)
            return change

        change = self._database.write(work, twice=not (conditional or count or appends))
        if change.obsolete and self._files is not None:
            self._purger.note(change.obsolete)
        return change

    def _put_small(
        self, small: SmallChanges, puts: Sequence[Put], parts: Sequence[Sequence[Buffer]], delete: Sequence[str]
    ) -> list[str]:
        """All in one statement; nothing where something is not as it is expected."""
        change = Change((), now := self._clock(), self._boot_id)
        for put, pieces in zip(puts, parts, strict=True):
            change.add(put, self._keep(pieces))
        done = self._database.change(lambda cursor: small.run(cursor, puts, change.upserts, delete, now, self._boot_id))
        return change.etags if done else []

    def _page(self, prefix: str, after: str) -> list[Row]:
        place = {"prefix": prefix, "until": prefix + LAST, "after": after}
        rows = self._database.fetch(self._sql.page.run, **place, now=self._clock(), boot_id=self._boot_id)
        return [Row._make(row) for row in rows]
