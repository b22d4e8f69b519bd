"""SQLite: the embedded default, in WAL mode, for all processes of one machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ...errors import BackendError, BackendFormatError, BackendFull, BackendUnavailable, ConfigError
from . import place
from .dialect import Dialect, Limits
from .files import FileStore
from .statements import SCHEMA_VERSION, Values, entries, metadata, replaced, schema

__all__ = ["SqliteDialect"]

IDLE_CONNECTIONS = 16
WAL_KEPT = 16 << 20
PAGES_KEPT = 64
PAGES_A_STEP = 100
INCREMENTAL = 2
NO_ROOM = 1 << 20


class SqliteDialect(Dialect):
    """One database file and, beside it, the folder `<file>-files` of large payloads.

    `?timeout=` in the URL is how many seconds to wait for other processes; default 5.
    """

    at_once = True
    one_writer = True

    def __init__(self, url: sa.URL, limits: Limits) -> None:
        super().__init__(url, limits)
        if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            what = f"STATE_DATABASE_URL = {url} names no file, which all processes could share"
            raise ConfigError(what, "Write it as sqlite:///state.db, or set STATE_BACKEND=memory")
        self.path = Path(url.database).resolve()
        self.timeout = float(str(url.query.get("timeout", self.timeout)))
        self.files = FileStore(self.path.with_name(self.path.name + "-files"))
        self._opened: weakref.WeakSet[Any] = weakref.WeakSet()
        self._file: place.Identity | None = None

    @property
    def location(self) -> str:
        """The path of the database file."""
        return str(self.path)

    def create_engine(self) -> sa.Engine:
        """A pool of connections without a limit: whoever waits, waits for the write lock."""
        engine = sa.create_engine(
            self.url.set(query={}),
            creator=self._connect,
            poolclass=sa.QueuePool,
            pool_size=IDLE_CONNECTIONS,
            max_overflow=-1,
            pool_use_lifo=True,
            pool_reset_on_return=None,
        )
        sa.event.listen(engine, "connect", self._set_up)
        sa.event.listen(engine, "connect", lambda _, record: self._opened.add(record))
        return engine

    def after_fork(self) -> None:
        """Closes what the parent has open: beside that, SQLite would take the parent's locks for those of the child.

        Except what a thread of the parent was using: its transaction goes on there, and SQLite waits for the thread.
        """
        for record in list(self._opened):
            if not record.in_use:
                record.close()

    def prepare(self, engine: sa.Engine, deadline: float) -> None:
        """Creates file and tables, or checks that those that are there are ours."""
        self._find_file()
        while not self._prepared(engine, deadline):
            time.sleep(0.01)
        sa.event.listen(engine, "connect", self._wait, insert=True)

    def is_gone(self) -> bool:
        """Whether the file was removed or replaced: the system keeps it for who has it open, and for nobody else."""
        return place.identify(self.path) != self._file

    def upsert(self, table: sa.Table, values: Values = replaced) -> sa.Insert:
        """INSERT ... ON CONFLICT DO UPDATE."""
        clause = insert(table)
        return clause.on_conflict_do_update(index_elements=list(table.primary_key), set_=values(table, clause.excluded))

    def begin(self, connection: Any) -> Any:
        """Takes the write lock at once, so that what is read stays true until the commit."""
        return connection.cursor().execute("BEGIN IMMEDIATE")

    def commit(self, connection: Any, cursor: Any) -> None:
        """COMMIT."""
        connection.commit()

    def ping(self, connection: Any, deadline: float) -> None:
        """Takes the write lock for a moment."""
        cursor = connection.cursor()
        _limit_wait(cursor, deadline - time.monotonic())
        try:
            cursor.execute("BEGIN IMMEDIATE")
        finally:
            connection.rollback()
            _limit_wait(cursor, self.timeout)

    def flush(self, cursor: Any) -> None:
        """A checkpoint, which syncs the log first."""
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def reclaim(self, cursor: Any) -> bool:
        """Cuts free pages off the end of the file, but keeps a few for the next puts."""
        spare = cursor.execute("PRAGMA freelist_count").fetchone()[0] - PAGES_KEPT
        if spare <= 0 or cursor.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
            return False
        # execute() stops after the first page, since the pragma has rows without columns
        cursor.executescript(f"PRAGMA incremental_vacuum({min(spare, PAGES_A_STEP)})")
        return bool(spare > PAGES_A_STEP)

    def translate(self, exc: BaseException) -> BackendError:
        """By the text of the message: Python 3.10 has no error codes."""
        text = str(exc).lower()
        for words, meaning in _MEANINGS.items():
            if words in text:
                return meaning(self.path)
        return super().translate(exc)

    def _find_file(self) -> None:
        with contextlib.suppress(OSError):  # SQLite's own attempt tells what is wrong
            place.create(self.path)
        self._file = place.identify(self.path)

    def _prepared(self, engine: sa.Engine, deadline: float) -> bool:
        """False where others were at it: neither opening nor the switch to WAL waits for them by itself.

        Or where somebody removed the file meanwhile.
        """
        try:
            with engine.connect() as connection:
                _limit_wait(connection.connection, deadline - time.monotonic())
                if not _is_ours(connection, self.path):
                    _create(connection, self.path)
                _limit_wait(connection.connection, self.timeout)
        except sa.exc.OperationalError as exc:
            if time.monotonic() > deadline or not ("locked" in str(exc) or self.is_gone()):
                raise
            if self.is_gone():
                engine.dispose()
                self._find_file()
            return False
        return True

    def _wait(self, connection: Any, _: Any) -> None:
        """Before all else: who closes last locks out those who open, for a moment."""
        _limit_wait(connection, self.timeout)

    def _connect(self) -> sqlite3.Connection:
        """Without making the file, which takes more care where one was removed."""
        where = f"{self.path.as_uri()}?mode=rw"
        return sqlite3.connect(where, timeout=0, uri=True, isolation_level=None, check_same_thread=False)

    def _set_up(self, connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute(f"PRAGMA journal_size_limit = {WAL_KEPT}")
        cursor.execute("PRAGMA schema_version").fetchone()
        if self.is_gone():  # the log, which is opened when first something is read, may be that of the new file
            raise sqlite3.OperationalError("replaced")
        cursor.close()


def _limit_wait(connection: Any, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(1000 * max(0, seconds))}")


def _is_ours(connection: sa.Connection, path: Path) -> bool:
    tables = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    names = set(tables.scalars())
    if names and schema.name not in names:
        what = f"{path} is the database of another program (it has the table {sorted(names)[0]!r})"
        raise BackendFormatError(what, "Name another file in STATE_DATABASE_URL")
    return bool(names) and _is_known(connection, path)


def _is_known(connection: sa.Connection, path: Path) -> bool:
    version = connection.scalar(sa.select(sa.func.max(schema.c.version)))
    if version != SCHEMA_VERSION:
        what = f"{path} has format {version}, and this version of dash-statemanager knows {SCHEMA_VERSION}"
        raise BackendFormatError(what, "Upgrade dash-statemanager, or name another file in STATE_DATABASE_URL")
    return True


def _create(connection: sa.Connection, path: Path) -> None:
    connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if not _is_ours(connection, path):
        metadata.create_all(connection, tables=[schema, entries])
        connection.execute(sa.insert(schema).values(version=SCHEMA_VERSION))
    connection.commit()


def _not_a_database(path: Path) -> BackendError:
    remedy = "Name another file in STATE_DATABASE_URL, or move this one away"
    return BackendFormatError(f"{path} is not a SQLite database, or is damaged", remedy)


def _full(path: Path) -> BackendError:
    return BackendFull(f"there is no room left for {path}", "Free some disk space; what was stored is still there")


def _locked(path: Path) -> BackendError:
    remedy = "End the program that holds it, or wait longer with ?timeout= in STATE_DATABASE_URL"
    return BackendUnavailable(f"{path} stayed locked by another process", remedy)


def _cannot_open(path: Path) -> BackendError:
    if _is_missing(path.parent):
        return BackendUnavailable(f"{path} can't be opened: its folder does not exist", f"Create {path.parent}")
    if os.path.isdir(path):
        return BackendUnavailable(f"{path} can't be opened: it is a folder", "Name a file in STATE_DATABASE_URL")
    if _is_full(path):
        return _full(path)
    remedy = "Give this user read and write permission to the file and its folder"
    return BackendUnavailable(f"{path} can't be opened: permission denied", remedy)


def _read_only(path: Path) -> BackendError:
    remedy = "Give this user write permission to the file and its folder"
    return BackendUnavailable(f"{path} is read-only", remedy)


def _failed_disk(path: Path) -> BackendError:
    if _is_full(path):
        return _full(path)
    return BackendUnavailable(f"{path} can't be read or written: disk I/O error", "Check the disk and its messages")


def _replaced(path: Path) -> BackendError:
    return BackendUnavailable(f"{path} is removed or replaced again and again", "See who does that")


def _removed(path: Path) -> BackendError:
    return BackendUnavailable(f"{path} lost its tables while in use", "Restart the server")


def _is_missing(folder: Path) -> bool:
    try:
        return not folder.is_dir()
    except PermissionError:
        return False


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < NO_ROOM
    except OSError:
        return False


_MEANINGS: dict[str, Callable[[Path], BackendError]] = {
    "not a database": _not_a_database,
    "malformed": _not_a_database,
    "is full": _full,
    "no space left": _full,
    "quota exceeded": _full,
    "file too large": _full,
    "locked": _locked,
    "unable to open": _cannot_open,
    "readonly": _read_only,
    "disk i/o error": _failed_disk,
    "replaced": _replaced,
    "no such table": _removed,
}
assert sqlite3.sqlite_version_info >= (3, 24), "upserts"
