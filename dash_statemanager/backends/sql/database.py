"""Connections and transactions: opened late, never shared with a child, errors in our own words."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ...errors import BackendUnavailable, Conflict
from ..forks import gate, tell_child
from .dialect import Dialect
from .statements import Statements, entries

__all__ = ["Database"]

PING = 1.5
_abandoned: list[object] = []
"""Engines of a parent: closing their connections in a child would pull the parent's from under it."""


class Database:
    """One database as one process sees it.

    Args:
        dialect: Its kind and place.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        kind: Any = dialect.url.get_dialect()
        driver = kind.import_dbapi()
        self.statements = Statements(kind(dbapi=driver), dialect.upsert(entries))
        self._failures: tuple[type[Exception], ...] = (driver.Error, sa.exc.SQLAlchemyError, OSError)
        self._twice: type[Exception] = driver.IntegrityError
        self._engine: sa.Engine | None = None
        self._begin_process()
        tell_child(self)

    def after_fork(self) -> None:
        """Starts anew in a child, without touching what the parent opened."""
        if self._engine is not None:
            _abandoned.append(self._engine)
        self._engine = None
        self._begin_process()

    def open(self) -> None:
        """Connects if that was not done yet, and sees that the place is ours."""
        if self._engine is None:
            with self._errors():
                self._open(self._patience())

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """A cursor without a transaction: each statement sees the newest committed state."""
        with self._errors(), gate, self._connection() as connection:
            yield connection.cursor()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """A cursor in a transaction that commits at the end, or with an error leaves everything as it was.

        Threads of one process take turns here, which is quicker than letting the database make them wait.
        """
        with self._errors(), self._alone(self._turn, self._patience()), gate, self._connection() as connection:
            cursor = connection.cursor()
            self.dialect.begin(cursor)
            yield cursor
            connection.commit()

    def ping(self) -> None:
        """Raises `BackendUnavailable` within two seconds where nothing can be written."""
        deadline = time.monotonic() + PING
        with self._errors(), gate, self._connection(deadline) as connection:
            cursor = connection.cursor()
            self.dialect.limit_wait(cursor, max(0, deadline - time.monotonic()))
            try:
                self.dialect.begin(cursor)
            finally:
                connection.rollback()
                self.dialect.limit_wait(cursor, self.dialect.timeout)

    def close(self) -> None:
        """Closes all connections that no thread is using, and the others when they come back."""
        with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _patience(self) -> float:
        return time.monotonic() + self.dialect.timeout

    def _begin_process(self) -> None:
        self._opening = threading.Lock()
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def _connection(self, deadline: float | None = None) -> Iterator[Any]:
        connection = (self._engine or self._open(deadline or self._patience())).raw_connection()
        try:
            yield connection
        except BaseException:
            with contextlib.suppress(*self._failures):  # the first error is the one to tell
                connection.rollback()
            raise
        finally:
            connection.close()

    def _open(self, deadline: float) -> sa.Engine:
        with self._alone(self._opening, deadline):
            if self._engine is None:
                engine = self.dialect.create_engine()
                try:
                    self.dialect.prepare(engine, deadline)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine

    @contextlib.contextmanager
    def _alone(self, lock: threading.Lock, deadline: float) -> Iterator[None]:
        if not lock.acquire(timeout=max(0, deadline - time.monotonic())):
            raise BackendUnavailable(f"{self.dialect.location} stayed busy with other threads", "Try again later")
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._twice as exc:
            raise Conflict("another was faster to insert the same key", "Read it again and repeat") from exc
        except self._failures as exc:
            raise self.dialect.translate(exc) from exc
