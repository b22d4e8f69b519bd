"""PostgreSQL 12 and later, through psycopg 3."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ...errors import BackendError
from . import server
from .batch import Batch
from .dialect import Limits
from .server import Meaning, ServerDialect
from .statements import Values, chunks, entries, replaced

__all__ = ["PostgresqlDialect"]

LIVELY = 8
LOCK = 0x64617368
STATEMENT_TIMEOUT = 30_000
IDLE_TIMEOUT = 10_000
T = TypeVar("T")
_Steps = Generator[Any, Any, T]


class PostgresqlDialect(ServerDialect):
    """A PostgreSQL server.

    What a process that hangs or vanishes leaves behind is ended by the server: a transaction without
    statements after ten seconds, a statement after thirty.
    """

    at_once = True

    def __init__(self, url: sa.URL, limits: Limits) -> None:
        super().__init__(url, limits)
        kind: Any = url.get_dialect()()
        _, self._arguments = kind.create_connect_args(url)
        self._connection: Any = type("Connection", (_Connection,), {"patience": limits.timeout})

    def connect(self) -> Any:
        """Server-side limits travel with the start of the connection; those of the URL come later and win."""
        milliseconds = int(self.timeout * 1000)
        ours = {
            "lock_timeout": int(milliseconds * 0.8),
            "statement_timeout": STATEMENT_TIMEOUT,
            "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
            "default_transaction_isolation": r"read\ committed",
        }
        options = [*(f"-c {name}={value}" for name, value in ours.items()), self._arguments.get("options", "")]
        defaults = {
            "application_name": "dash-statemanager",
            "tcp_user_timeout": 2 * milliseconds,
            "keepalives_idle": 30,
        }
        fixed = {"options": " ".join(options).strip(), "client_encoding": "utf8", "autocommit": True}
        return self._connection.connect(**{**defaults, **self._arguments, **fixed})

    def descriptor(self, connection: Any) -> int:
        return int(connection.pgconn.socket)

    def is_lost(self, connection: Any) -> bool:
        return bool(connection.closed)

    def is_silence(self, exc: BaseException) -> bool:
        return isinstance(exc, _Silence)

    def is_repeatable(self, exc: BaseException) -> bool:
        """After a deadlock, or a failure to serialise."""
        return isinstance(exc, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure)

    def reader(self, connection: Any) -> Any:
        """Payloads come as they are, not in hexadecimal."""
        return connection.cursor(binary=True)

    def batch(self, connection: Any, most: int) -> Batch:
        return _Pipeline(connection.driver_connection, most)

    def be_patient(self, connection: Any, seconds: float) -> None:
        connection.driver_connection.patience = seconds

    def upsert(self, table: sa.Table, values: Values = replaced) -> sa.Insert:
        """INSERT ... ON CONFLICT DO UPDATE."""
        clause = insert(table)
        return clause.on_conflict_do_update(index_elements=list(table.primary_key), set_=values(table, clause.excluded))

    @staticmethod
    def expire(expired: sa.Select[Any]) -> sa.ClauseElement:
        """WITH ... DELETE ... RETURNING: visitors of this process are not held up by a loop over rows."""
        column = entries.c
        keys = sa.func.array(expired.with_only_columns(column.key).scalar_subquery())
        deleted = sa.delete(entries).where(column.key == sa.func.any(keys))
        gone = deleted.returning(column.key, column.expires_at, column.body.is_(None).label("elsewhere")).cte().c
        elsewhere = sa.func.array_agg(gone.key).filter(gone.elsewhere)
        return sa.select(sa.func.count(), sa.func.max(gone.expires_at), elsewhere)

    def ping(self, connection: Any, deadline: float) -> None:
        """Asks for the mode of transactions, which tells replicas from primaries."""
        if connection.cursor().execute("SHOW transaction_read_only").fetchone()[0] == "on":
            raise server.read_only(self, "transaction_read_only is on")

    @contextlib.contextmanager
    def creating(self, connection: sa.Connection, seconds: float) -> Iterator[None]:
        """One transaction, so that a process that is killed leaves nothing half done."""
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{seconds}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        yield
        connection.exec_driver_sql("COMMIT")

    def create(self, connection: sa.Connection) -> None:
        """Payloads are compressed by the codecs already."""
        super().create(connection)
        for table in (entries, chunks):
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ALTER COLUMN body SET STORAGE EXTERNAL")

    def code(self, exc: BaseException) -> str:
        """The SQLSTATE; where a connection fails there is only a message."""
        if not isinstance(exc, psycopg.OperationalError) or exc.sqlstate:
            return getattr(exc, "sqlstate", None) or ""
        return next((code for words, code in _CODES.items() if words in str(exc)), "08")

    @property
    def meanings(self) -> Mapping[str, Meaning]:
        return _MEANINGS


class _Silence(psycopg.OperationalError):
    """The server did not answer in time."""


class _Connection(psycopg.Connection[Any]):
    """A connection that gives up when nothing moves: the driver itself would wait for ever.

    Attributes:
        patience: Seconds of silence.
    """

    patience = 1.5

    def wait(self, gen: _Steps[T], *args: Any, **kwargs: Any) -> T:
        try:
            return super().wait(_watched(gen, self.patience), *args, **kwargs)
        except _Silence:
            self.close()
            raise

    @classmethod
    def _connect_gen(cls, *args: Any, **kwargs: Any) -> _Steps[Any]:
        return _watched(super()._connect_gen(*args, **kwargs), cls.patience)


class _Pipeline(Batch):
    """Statements in psycopg's pipeline mode."""

    def __init__(self, connection: psycopg.Connection[Any], most: int) -> None:
        super().__init__(most)
        self._connection = connection

    def _send(self, statements: Sequence[tuple[Any, Any]]) -> Sequence[Any]:
        cursors = [self._connection.cursor() for _ in statements]
        with self._connection.pipeline() if len(cursors) > 1 else contextlib.nullcontext():
            for cursor, (sql, params) in zip(cursors, statements, strict=True):
                cursor.execute(sql, params or None)
        return cursors[-1].fetchall() if cursors[-1].description else ()


def _watched(steps: _Steps[T], patience: float) -> _Steps[T]:
    """The steps of an operation, which the driver also goes on with ten times a second while nothing happens.

    Raises:
        _Silence: The socket did not become ready `LIVELY` times within the patience: a byte now and then is no answer.
    """
    moves, end = 0, time.monotonic() + patience
    try:
        waiting = next(steps)
        while True:
            ready = yield waiting
            waiting = steps.send(ready)
            moves += bool(ready)
            if moves >= LIVELY:
                moves, end = 0, time.monotonic() + patience
            elif time.monotonic() > end:
                raise _Silence(f"no answer within {patience:g} s")
    except StopIteration as done:
        result: T = done.value
        return result


def _not_permitted(dialect: ServerDialect, text: str) -> BackendError:
    names = ", ".join(table.name for table in entries.metadata.sorted_tables)
    remedy = (
        f"GRANT CREATE, USAGE ON SCHEMA public TO {dialect.url.username}; or have another role create the tables, and "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {dialect.url.username}"
    )
    return BackendError(f"{dialect.location} does not permit this: {text}", remedy)


_MEANINGS: dict[str, Meaning] = {
    "25006": server.read_only,
    "28": server.refused,
    "3D": server.refused,
    "42501": _not_permitted,
    "42P01": server.removed,
    "40": server.busy,
    "55": server.busy,
    "57014": server.busy,
    "53300": server.overcrowded,
    "53": server.full,
    "08": server.unavailable,
    "57": server.unavailable,
}
_CODES = {
    "authentication failed": "28P01",
    "does not exist": "3D000",
    "too many clients": "53300",
    "connection slots": "53300",
}
