"""MariaDB 10.6 and MySQL 8.0, and later, through PyMySQL."""

from __future__ import annotations

import binascii
import contextlib
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pymysql
import sqlalchemy as sa
from pymysql.constants import CLIENT, CR, ER
from sqlalchemy.dialects.mysql import insert

from ...errors import BackendError
from . import server
from .batch import Batch
from .dialect import Limits
from .server import Meaning, ServerDialect
from .statements import Values, entries, replaced

__all__ = ["MariadbDialect"]

LIVELY = 8
PIECE = 256 << 10
BUFFER = 8 << 10
MARGIN = 64 << 10
LOCK = "dash_statemanager"
IDLE_TIMEOUT = 10
KEEPALIVE = 30
Driver = pymysql.connections.Connection


class MariadbDialect(ServerDialect):
    """A MariaDB or MySQL server."""

    def __init__(self, url: sa.URL, limits: Limits) -> None:
        super().__init__(url, limits)
        kind: Any = url.get_dialect()()
        _, self._arguments = kind.create_connect_args(url)

    def connect(self) -> Any:
        """A connection that sends several statements at once, and whose transactions are READ COMMITTED."""
        limits = f"innodb_lock_wait_timeout = {max(1, int(self.timeout))}"
        limits += f" /*M! , idle_transaction_timeout = {IDLE_TIMEOUT} */"
        read_committed = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
        fixed = {
            "autocommit": True,
            "charset": "utf8mb4",
            "client_flag": CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,  # a touch may change nothing
            "connect_timeout": self.timeout,
            "read_timeout": self.timeout,
            "write_timeout": self.timeout,
            "init_command": f"{read_committed}; SET SESSION {limits}",
        }
        connection = _Connection(defer_connect=True, **{**self._arguments, **fixed})
        connection.patience = self.timeout
        connection.connect()
        return connection

    def learn(self, connection: sa.Connection) -> None:
        """A statement with a chunk in it, in base64, must be a packet that the server takes."""
        most = int(connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())
        self.chunk = min(type(self).chunk, (most - MARGIN) // 4 * 3)

    def descriptor(self, connection: Any) -> int:
        return int(connection._sock.fileno())

    def is_lost(self, connection: Any) -> bool:
        return not connection.open

    def is_silence(self, exc: BaseException) -> bool:
        return isinstance(exc, _Silence)

    def is_repeatable(self, exc: BaseException) -> bool:
        """After a deadlock."""
        return self.code(exc) == str(ER.LOCK_DEADLOCK)

    def batch(self, connection: Any, most: int) -> Batch:
        return _Statements(connection.driver_connection, most)

    def be_patient(self, connection: Any, seconds: float) -> None:
        connection.driver_connection.patience = seconds

    def upsert(self, table: sa.Table, values: Values = replaced) -> sa.Insert:
        """INSERT ... ON DUPLICATE KEY UPDATE."""
        clause = insert(table)
        return clause.on_duplicate_key_update(values(table, clause.inserted))

    def ping(self, connection: Any, deadline: float) -> None:
        """Asks for the mode of the server."""
        cursor = connection.cursor()
        cursor.execute("SELECT @@read_only")
        if cursor.fetchone()[0]:
            raise server.read_only(self, "read_only is on")

    @contextlib.contextmanager
    def creating(self, connection: sa.Connection, seconds: float) -> Iterator[None]:
        """A named lock: every statement that creates something commits."""
        name = f"{LOCK}.{self.url.database}"[:64]
        if connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (name, seconds)).scalar() != 1:
            raise server.busy(self, "another process creates the tables")
        try:
            yield
        finally:
            connection.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (name,))

    def code(self, exc: BaseException) -> str:
        return str(exc.args[0]) if isinstance(exc, pymysql.Error) and exc.args else ""

    @property
    def meanings(self) -> Mapping[str, Meaning]:
        return _MEANINGS


class _Silence(pymysql.OperationalError):
    """The server did not answer in time."""


class _Connection(Driver):
    """A connection that gives up when nothing moves, or only a byte now and then.

    Attributes:
        patience: Seconds of silence.
    """

    patience = 1.5
    unix_socket: Any
    connect_timeout: Any
    _secure: bool
    _sock: Any
    _rfile: Any
    _force_close: Any

    def connect(self, sock: Any = None) -> None:
        """A Unix socket is opened here: the driver leaves it open where nobody listens. TCP is kept alive."""
        self._secure = sock is None and bool(self.unix_socket)
        super().connect(_open(self.unix_socket, self.connect_timeout) if self._secure else sock)
        if not self._secure and hasattr(socket, "TCP_KEEPIDLE"):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)

    def close(self) -> None:
        """Also where it is closed already."""
        if self.open:
            super().close()

    def _read_bytes(self, num_bytes: int) -> bytes:
        pieces: list[bytes] = []
        missing, end = num_bytes, time.monotonic() + self.patience
        while missing:
            pieces.append(self._receive(min(missing, PIECE), end))
            missing -= len(pieces[-1])
            if len(pieces) % LIVELY == 0:
                end = time.monotonic() + self.patience
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _receive(self, most: int, end: float) -> bytes:
        self._current_timeout = left = max(0.001, end - time.monotonic())
        self._sock.settimeout(left)
        try:
            if most < BUFFER:
                self._rfile.peek()  # takes in what follows, too: read1() alone asks the system for every small piece
            data: bytes = self._rfile.read1(most)
        except OSError as exc:
            self._force_close()
            kind = _Silence if isinstance(exc, TimeoutError) else pymysql.OperationalError
            raise kind(CR.CR_SERVER_LOST, f"no answer: {exc}") from exc
        if not data:
            self._force_close()
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the server closed the connection")
        return data


def _open(path: str, timeout: float) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    try:
        opened.settimeout(timeout)
        opened.connect(path)
    except OSError as exc:
        opened.close()
        raise pymysql.OperationalError(CR.CR_CONNECTION_ERROR, f"{path}: {exc}") from exc
    return opened


class _Statements(Batch):
    """Several statements in one text."""

    def __init__(self, connection: _Connection, most: int) -> None:
        super().__init__(most)
        self._connection = connection

    def _send(self, statements: Sequence[tuple[str, Any]]) -> Sequence[Any]:
        cursor: Any
        with self._connection.cursor() as cursor:
            cursor.execute(b";".join(map(self._text, statements)))
            rows: Sequence[Any] = cursor.fetchall()
            while cursor.nextset():
                rows = cursor.fetchall()
        return rows

    def _text(self, statement: tuple[str, Any]) -> bytes:
        sql, params = statement
        values = {name.encode(): self._literal(value) for name, value in dict(params).items()}
        return sql.encode() % values if values else sql.encode()

    def _literal(self, value: Any) -> bytes:
        """Bytes in base64, which the server reads twice as fast as quoted ones, and which can't be misread."""
        if value is None or isinstance(value, str | int | float):
            return str(self._connection.escape(value, self._connection.encoders)).encode()
        return b"FROM_BASE64('" + binascii.b2a_base64(value, newline=False) + b"')"


def _not_permitted(dialect: ServerDialect, text: str) -> BackendError:
    where, who = dialect.url.database, dialect.url.username
    names = ", ".join(table.name for table in entries.metadata.sorted_tables)
    remedy = (
        f"GRANT CREATE, INDEX, SELECT, INSERT, UPDATE, DELETE ON {where}.* TO {who}; or have another account create "
        f"the tables, and GRANT SELECT, INSERT, UPDATE, DELETE on {names}"
    )
    return BackendError(f"{dialect.location} does not permit this: {text}", remedy)


def _too_large(dialect: ServerDialect, text: str) -> BackendError:
    return BackendError(
        f"{dialect.location} takes no statement so large: {text}", "Raise its max_allowed_packet to 16M"
    )


_MEANINGS: dict[str, Meaning] = {
    str(code): meaning
    for meaning, codes in {
        server.read_only: (1290, 1792, 1836),
        server.full: (1114, 1021, 3, 1026),
        server.busy: (1205, 1213),
        server.overcrowded: (1040, 1203, 1226),
        server.refused: (1044, 1045, 1049, 1698),
        _not_permitted: (1142, 1143, 1227, 1370),
        server.removed: (1146,),
        _too_large: (1153,),
        server.unavailable: (2002, 2003, 2006, 2013, 1053, 1152, 1158, 1159, 1160, 1161, 1927, 0),
    }.items()
    for code in codes
}
