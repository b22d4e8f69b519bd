"""Connections and transactions: opened late, never shared with a child, errors in our own words."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from ...errors import Conflict, StateError
from ..forks import gate, tell_child
from ..turns import Turns
from .dialect import Dialect
from .small import SmallChanges
from .statements import Statements, entries

__all__ = ["Database"]

log = logging.getLogger("dash_statemanager")

PING = 1.5
REPEATS = 10
PAUSE = 0.005
T = TypeVar("T")
_abandoned: list[object] = []
"""Engines of a parent: closing connections to a server in a child would pull the parent's from under it."""


class Database:
    """One database as one process sees it.

    Args:
        dialect: Its kind and place.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        kind: Any = dialect.url.get_dialect()
        driver = kind.import_dbapi()
        self.statements = Statements(kind(dbapi=driver), dialect.upsert(entries), dialect.expire)
        server = dialect.files is None
        self.small = SmallChanges(kind(dbapi=driver), dialect.upsert, server=server) if dialect.at_once else None
        self._failures: tuple[type[Exception], ...] = (driver.Error, sa.exc.SQLAlchemyError, OSError)
        self._twice: type[Exception] = driver.IntegrityError
        self._engine: sa.Engine | None = None
        self._begin_process()
        tell_child(self)

    def after_fork(self) -> None:
        """Starts anew in a child, and leaves alone what the parent opened, unless the dialect can't."""
        self.dialect.after_fork()
        if self._engine is not None:
            _abandoned.append(self._engine)
        self._engine = None
        self._begin_process()

    def open(self) -> None:
        """Connects if that was not done yet, and sees that the place is ours."""
        if self._engine is None:
            self._repeat(_Attempt(safe=True), lambda connection: None)

    def read(self, work: Callable[[Any], T]) -> T:
        """What `work` makes of a cursor without a transaction: each statement sees the newest committed state.

        It is called again on a new connection where the server has closed the one that it had.
        """
        return self._repeat(_Attempt(safe=True), lambda connection: work(self.dialect.reader(connection)))

    def fetch(self, run: Callable[..., Any], *args: Any, **params: Any) -> Sequence[Any]:
        """As `read`, for one statement: all its rows.

        Args:
            run: What executes the statement with a cursor.
            args: What else `run` gets.
            params: And by name.
        """
        rows: Sequence[Any] = self.read(lambda cursor: run(cursor, *args, **params).fetchall())
        return rows

    def write(self, work: Callable[[Any], T], *, twice: bool = False) -> T:
        """Calls `work` with a cursor in a transaction, which commits at the end, or with an error leaves all as it was.

        It is called again where the server took the transaction back for the sake of another, or closed
        the connection before it was told to commit.

        Args:
            work: What to do; it may be called several times.
            twice: Whether it does no harm to commit it a second time.
        """
        attempt = _Attempt(safe=twice, writing=True)
        return self._repeat(attempt, lambda connection: self._commit(work, connection, attempt))

    def change(self, work: Callable[[Any], T]) -> T:
        """As `write`, for one statement that may be executed twice, and is a transaction by itself."""
        attempt = _Attempt(safe=True, writing=True)
        return self._repeat(attempt, lambda connection: work(self.dialect.reader(connection)))

    def ping(self) -> None:
        """Raises `BackendUnavailable` within two seconds where nothing can be written."""
        deadline = time.monotonic() + PING
        self._repeat(_Attempt(safe=True), lambda connection: self.dialect.ping(connection, deadline), deadline)

    def close(self) -> None:
        """Closes all connections that no thread is using, and the others when they come back."""
        with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            _dispose(engine)

    def _commit(self, work: Callable[[Any], T], connection: Any, attempt: _Attempt) -> T:
        cursor = self.dialect.begin(connection)
        result = work(cursor)
        attempt.committing = True
        self.dialect.commit(connection, cursor)
        return result

    def _repeat(self, attempt: _Attempt, work: Callable[[Any], T], deadline: float | None = None) -> T:
        while True:
            try:
                return self._use(attempt, work, deadline or self._patience())
            except self._failures as exc:
                attempt.moved = attempt.engine is not self._engine or self.dialect.is_gone()
                if not attempt.may_repeat(exc, self.dialect):
                    raise self._translated(exc) from exc

    def _use(self, attempt: _Attempt, work: Callable[[Any], T], deadline: float) -> T:
        """Calls `work` with a connection; written out, since contexts would cost as much as a statement.

        Threads of one process take turns where that is quicker than letting the database make them wait.
        """
        turns = self._turns if attempt.writing or not self.dialect.one_writer else None
        if turns is not None and not turns.acquire(timeout=max(0, deadline - time.monotonic())):
            raise self.dialect.crowded()
        try:
            with gate:
                attempt.engine = engine = self._engine
                if engine is None or self.dialect.is_gone():
                    attempt.engine = engine = self._open(deadline)
                connection = engine.raw_connection()
                try:
                    return work(connection)
                except BaseException as exc:
                    attempt.lost = not self._cleaned(connection, exc)
                    raise
                finally:
                    connection.close()
        finally:
            if turns is not None:
                turns.release()

    def _patience(self) -> float:
        return time.monotonic() + self.dialect.timeout

    def _begin_process(self) -> None:
        self._opening = threading.Lock()
        self._turns = threading.Lock() if self.dialect.one_writer else Turns(self.dialect.limits.pool_size)

    def _cleaned(self, connection: Any, exc: BaseException) -> bool:
        """Takes back what was done, or throws the connection away: then False. The first error is the one to tell."""
        if isinstance(exc, Exception) and not self.dialect.is_lost(connection):
            with contextlib.suppress(*self._failures):
                connection.rollback()
                return True
        connection.invalidate(exc)
        self.dialect.note_loss()
        return False

    def _open(self, deadline: float) -> sa.Engine:
        if not self._opening.acquire(timeout=max(0, deadline - time.monotonic())):
            raise self.dialect.crowded()
        try:
            if self._engine is not None and self.dialect.is_gone():
                log.warning("%s was removed or replaced: what is there now is used", self.dialect.location)
                _dispose(self._engine)
                self._engine = None
            if self._engine is None:
                engine = self.dialect.create_engine()
                try:
                    self.dialect.prepare(engine, deadline)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine
        finally:
            self._opening.release()

    def _translated(self, exc: Exception) -> StateError:
        if isinstance(exc, self._twice):
            return Conflict("another was faster to insert the same key", "Read it again and repeat")
        return self.dialect.translate(exc)


def _dispose(engine: sa.Engine) -> None:
    """Closes the connections that no thread is using, and the others when they come back: no pool keeps them."""
    sa.event.listen(engine, "checkin", _close_at_last)
    engine.dispose()


def _close_at_last(connection: Any, record: Any) -> None:
    if connection is not None:
        record.invalidate()


class _Attempt:
    """How an operation goes, and whether it may be tried again.

    Attributes:
        writing: Whether it changes anything.
        lost: The connection broke.
        committing: It did so after the commit was sent.
        engine: Whose connection it used.
        moved: Others use another by now.
    """

    def __init__(self, *, safe: bool, writing: bool = False) -> None:
        self.writing = writing
        self.engine: sa.Engine | None = None
        self.lost = self.committing = self.moved = False
        self._safe = safe
        self._failures = 0

    def may_repeat(self, exc: Exception, dialect: Dialect) -> bool:
        self._failures += 1
        if self.lost:
            again = self._failures == 1 and (self._safe or not self.committing) and not dialect.is_silence(exc)
        else:
            again = self._failures <= REPEATS and (self.moved or dialect.is_repeatable(exc))
            time.sleep(random.uniform(0, PAUSE * self._failures) if again else 0)
        self.lost = self.committing = self.moved = False
        return again
