"""What one kind of database does differently from the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import BackendError, BackendUnavailable
from .files import FileStore
from .statements import Expire, Values, replaced

__all__ = ["Dialect", "Limits"]


@dataclass(frozen=True)
class Limits:
    """What a server may be asked for.

    Attributes:
        pool_size: Most connections of this process.
        timeout: Seconds that it may stay silent.
    """

    pool_size: int = 16
    timeout: float = 1.5


class Dialect(ABC):
    """One kind of database behind `SqlBackend`.

    Args:
        url: Where the database is.
        limits: What it may be asked for, where it is a server.

    Attributes:
        url: As given.
        files: Keeps large payloads beside the database; None where the database holds all of them, in chunks.
        chunk: Most bytes of a row; larger payloads are split.
        timeout: Seconds that an operation waits for others before it gives up.
        at_once: Whether a small change can be one statement.
        one_writer: Whether one thread writes at a time; else as many work as there are connections.
        expire: Makes of a select of `entries` a statement that deletes these, and tells how many they were, when the
            last of them expired, and the keys of those without a body; None where that takes more than one statement.
    """

    files: FileStore | None = None
    chunk: int = 8 << 20
    timeout: float = 5.0
    at_once = False
    one_writer = False
    expire: Expire | None = None

    def __init__(self, url: sa.URL, limits: Limits) -> None:
        self.url = url
        self.limits = limits

    @property
    def location(self) -> str:
        """The place, for people: without credentials."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    @abstractmethod
    def create_engine(self) -> sa.Engine:
        """An engine that has not connected yet."""

    def after_fork(self) -> None:
        """In a child, closes connections of the parent that can't be left alone there."""

    @abstractmethod
    def prepare(self, engine: sa.Engine, deadline: float) -> None:
        """Creates the tables where they are missing, at the same time as other processes.

        Args:
            engine: Of `create_engine`.
            deadline: When to give up, by `time.monotonic()`.

        Raises:
            BackendFormatError: The database is another program's, or of a newer version.
        """

    def is_gone(self) -> bool:
        """Whether what was prepared is no longer where others look for it; asked before each use, so it is quick."""
        return False

    @abstractmethod
    def upsert(self, table: sa.Table, values: Values = replaced) -> sa.Insert:
        """An insert of one row that changes the row with the same primary key, if there is one.

        Args:
            table: The table.
            values: Gives that row's new values, by column, from the table and the row that was to be inserted.
        """

    @abstractmethod
    def ping(self, connection: Any, deadline: float) -> None:
        """Raises an error of the driver or of ours where nothing can be written."""

    def reader(self, connection: Any) -> Any:
        """A cursor whose every statement sees the newest committed state."""
        return connection.cursor()

    @abstractmethod
    def begin(self, connection: Any) -> Any:
        """Starts a writing transaction and returns its cursor."""

    @abstractmethod
    def commit(self, connection: Any, cursor: Any) -> None:
        """Ends the transaction of `begin`."""

    def is_lost(self, connection: Any) -> bool:
        """Whether the connection can't be used any more."""
        return False

    def note_loss(self) -> None:
        """A connection was lost, and the others that are idle may be, too."""

    def is_repeatable(self, exc: BaseException) -> bool:
        """Whether the server took a transaction back that it would do if it were asked again."""
        return False

    def is_silence(self, exc: BaseException) -> bool:
        """Whether the server did not answer in time."""
        return False

    def flush(self, cursor: Any) -> None:
        """Brings everything that was committed so far to the disk."""

    def reclaim(self, cursor: Any) -> bool:
        """Gives a little of the freed room back to the system, outside of a transaction; True while there is more."""
        return False

    def crowded(self) -> BackendError:
        """The error of a thread whose turn did not come in time."""
        return BackendUnavailable(f"{self.location} stayed busy with other threads", "Try again later")

    def translate(self, exc: BaseException) -> BackendError:
        """The error of ours that says what the driver's error means."""
        if isinstance(exc, OSError | sa.exc.TimeoutError):
            return BackendUnavailable(f"{self.location} can't be used: {exc}", "See that it is there and reachable")
        return BackendError(f"{self.location} refused: {exc}")
