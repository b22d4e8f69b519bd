"""What is done behind everybody's back: removing what nobody needs any more, and bringing files to the disk."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from .database import Database
from .durability import Settler
from .pace import gently
from .statements import Row, Statement, batches

__all__ = ["Purger"]

FEW = 64
"""How many entries are purged at once, and half as many where all writers wait for it."""
STEPS = 4
"""How often that is done before the database is told to tidy up, which costs whoever commits next a little."""


class _Gone(NamedTuple):
    """What a step removed.

    Attributes:
        number: How many entries.
        last: When the last of them expired; None where there was none.
        elsewhere: Keys of those whose payload is not in their row.
        files: Names of their files.
    """

    number: int
    last: float | None
    elsewhere: Sequence[str]
    files: Sequence[str | None]


class Purger:
    """Keeps a database and the files beside it free of what has expired, broke or was replaced.

    Args:
        database: Where.
        clock: Unix time in seconds.
        boot_id: What tells this run of the machine from all others; None where the system doesn't say.
    """

    def __init__(self, database: Database, clock: Callable[[], float], boot_id: str | None) -> None:
        self._database, self._clock, self._boot_id = database, clock, boot_id
        self._files = database.dialect.files
        self._sql = database.statements
        self._settler = Settler(self._settle)
        self._obsolete: deque[str] = deque()
        self._steps = 0

    def purge(self) -> int:
        """Removes what has expired, what a power cut broke and what dead processes left, a few at a time.

        Returns:
            How many entries and orphans.
        """
        gone = gently(self._expired())
        if self._files is not None:
            gone += self._purge_broken() + self._files.sweep(self._indexed)
            self._settle()
        if self._files is None and self._database.small:
            gently(self._stale_chunks())
        gently(self._reclaim)
        return gone

    def note(self, obsolete: Iterable[str] = ()) -> None:
        """Soon brings to the disk what was written, and removes files that were replaced: nobody waits for it."""
        self._obsolete.extend(obsolete)
        self._settler.note()

    def make_room(self) -> bool:
        """Removes at once the files that were noted as obsolete. False where there was none."""
        if not self._obsolete:
            return False
        self._remove_obsolete()
        return True

    def remove(self, files: Iterable[str | None]) -> None:
        """Removes files that no row names; None stands for no file."""
        if self._files is not None:
            self._files.remove(filter(None, files))

    def finish(self) -> None:
        """Returns when all that was noted is done."""
        self._settler.finish()

    def _expired(self) -> Callable[[], int]:
        """What removes the next few that have expired, in their order: it does not pass again what it removed."""
        few = FEW // 2 if self._database.dialect.one_writer else FEW
        since = 0.0

        def work(cursor: Any) -> _Gone:
            gone = self._remove_expired(cursor, since=since, now=self._clock(), few=few)
            if self._files is None:
                for batch in batches(gone.elsewhere):
                    self._sql.stale_chunks.run(cursor, batch)
            return gone

        def step() -> int:
            nonlocal since
            gone = self._database.write(work)
            self.remove(gone.files)
            self._flush_sometimes()
            since = gone.last or since
            return gone.number

        return step

    def _stale_chunks(self) -> Callable[[], int]:
        """What removes chunks without an entry, in the order of their keys.

        A small put that waits for a large one does not see its chunks: they come after the statement has begun.
        """
        after = ""

        def step() -> int:
            nonlocal after
            keys = [key for (key,) in self._database.fetch(self._sql.chunked.run, after=after)]
            if keys:
                after = keys[-1]
                self._database.write(lambda cursor: self._sql.stale_chunks.run(cursor, keys))
            return len(keys)

        return step

    def _remove_expired(self, cursor: Any, **params: Any) -> _Gone:
        if self._sql.expire is not None:
            [(number, last, elsewhere)] = self._sql.expire.run(cursor, **params).fetchall()
            return _Gone(number, last, elsewhere or (), ())
        rows = self._sql.expired.run(cursor, **params).fetchall()
        for batch in batches(row[0] for row in rows):
            self._sql.delete.run(cursor, batch)
        elsewhere = [key for key, is_elsewhere, _, _ in rows if is_elsewhere]
        return _Gone(len(rows), rows[-1][2] if rows else None, elsewhere, [row[3] for row in rows])

    def _purge_broken(self) -> int:
        broken = [row for row in self._unsettled() if row.boot != self._boot_id]
        self._each(self._sql.delete_same, broken)
        self.remove(row.file for row in broken)
        return len(broken)

    def _settle(self) -> None:
        """Brings files to the disk, those of killed processes too, and says so in their rows; removes obsolete ones."""
        rows = [row for row in self._unsettled() if row.boot == self._boot_id]
        if rows and self._files is not None:
            self._files.sync(row.file for row in rows if row.file)
            self._each(self._sql.settle, rows)
            self._flush()
        self._remove_obsolete()

    def _remove_obsolete(self) -> None:
        """Not while somebody waits: a disk that is told of freed blocks takes longer for it than for a write."""
        with contextlib.suppress(IndexError):
            while True:
                self.remove([self._obsolete.popleft()])

    def _unsettled(self) -> list[Row]:
        return [Row._make(row) for row in self._database.fetch(self._sql.unsettled.run)]

    def _each(self, statement: Statement, rows: Iterable[Row]) -> None:
        """Runs the statement for rows that are still the same, a batch a transaction."""
        for batch in batches({"same_key": row.key, "same_etag": row.etag} for row in rows):
            self._database.write(partial(statement.run_many, rows=batch))

    def _indexed(self, names: Sequence[str]) -> set[str]:
        return {name for (name,) in self._database.fetch(self._sql.files.run, names)}

    def _reclaim(self) -> bool:
        more = self._database.read(self._database.dialect.reclaim)
        self._flush_sometimes()
        return more

    def _flush_sometimes(self) -> None:
        """Often enough that no visitor's commit has to."""
        self._steps += 1
        if self._steps % STEPS == 0:
            self._flush()

    def _flush(self) -> None:
        self._database.read(self._database.dialect.flush)
