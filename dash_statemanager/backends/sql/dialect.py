"""What one kind of database does differently from the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import sqlalchemy as sa

from ...errors import BackendError, BackendUnavailable
from .files import FileStore

__all__ = ["Dialect"]


class Dialect(ABC):
    """One kind of database behind `SqlBackend`.

    Args:
        url: Where the database is.

    Attributes:
        url: As given.
        files: Keeps large payloads beside the database; None where the database holds all of them.
        timeout: Seconds that an operation waits for others before it gives up.
    """

    files: FileStore | None = None
    timeout: float = 5.0

    def __init__(self, url: sa.URL) -> None:
        self.url = url

    @property
    def location(self) -> str:
        """The place, for people: without credentials."""
        return self.url.render_as_string(hide_password=True)

    @abstractmethod
    def create_engine(self) -> sa.Engine:
        """An engine that has not connected yet."""

    @abstractmethod
    def prepare(self, engine: sa.Engine, deadline: float) -> None:
        """Creates the tables where they are missing, at the same time as other processes.

        Args:
            engine: Of `create_engine`.
            deadline: When to give up, by `time.monotonic()`.

        Raises:
            BackendFormatError: The database is another program's, or of a newer version.
        """

    @abstractmethod
    def upsert(self, table: sa.Table) -> sa.Insert:
        """An insert of one row that replaces the row with the same primary key."""

    def begin(self, cursor: Any) -> None:
        """Starts a writing transaction where the driver does not do so itself."""

    @abstractmethod
    def limit_wait(self, cursor: Any, seconds: float) -> None:
        """Sets how long statements of this connection may wait from now on."""

    def flush(self, cursor: Any) -> None:
        """Brings everything that was committed so far to the disk."""

    def reclaim(self, cursor: Any) -> bool:
        """Gives a little of the freed room back to the system, outside of a transaction; True while there is more."""
        return False

    def translate(self, exc: BaseException) -> BackendError:
        """The error of ours that says what the driver's error means."""
        if isinstance(exc, OSError | sa.exc.TimeoutError):
            return BackendUnavailable(f"{self.location} can't be used: {exc}", "See that it is there and reachable")
        return BackendError(f"{self.location} refused: {exc}")
