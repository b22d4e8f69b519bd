"""What the databases that are servers have in common: a pool, tables that come into being, errors by their codes."""

from __future__ import annotations

import contextlib
import select
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from ...errors import BackendBusy, BackendError, BackendFormatError, BackendFull, BackendReadOnly, BackendUnavailable
from .batch import Batch
from .dialect import Dialect, Limits
from .statements import SCHEMA_VERSION, metadata, schema

__all__ = ["Meaning", "ServerDialect"]

CREATION = 10
TOGETHER = 1 << 20
RATE = 16 << 20
"""Bytes a second that even a slow disk takes: so much longer a large transaction may be silent."""
Meaning = Callable[["ServerDialect", str], BackendError]


class ServerDialect(Dialect):
    """A server, reached through at most `limits.pool_size` connections of this process."""

    def __init__(self, url: sa.URL, limits: Limits) -> None:
        super().__init__(url, limits)
        self.timeout = limits.timeout
        self._suspicious = False

    @property
    def location(self) -> str:
        """The URL without credentials and options, but with the socket where one is named."""
        host = self.url.query.get("unix_socket") or self.url.query.get("host")
        query = {"host": host} if host else {}
        shown = sa.URL.create(
            self.url.drivername, host=self.url.host, port=self.url.port, database=self.url.database, query=query
        )
        return unquote(shown.render_as_string())

    def create_engine(self) -> sa.Engine:
        """A bounded pool, whose connections are replaced as soon as the server has closed one of them."""
        engine = sa.create_engine(
            self.url.set(query={}),
            creator=self.connect,
            poolclass=sa.QueuePool,
            pool_size=self.limits.pool_size,
            max_overflow=0,
            pool_timeout=self.timeout,
            pool_use_lifo=True,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
        )
        sa.event.listen(engine, "checkout", self._replace_closed)
        return engine

    @abstractmethod
    def connect(self) -> Any:
        """A new connection of the driver's, in autocommit mode."""

    @abstractmethod
    def descriptor(self, connection: Any) -> int:
        """The file descriptor of the connection's socket."""

    @abstractmethod
    def batch(self, connection: Any, most: int) -> Batch:
        """A cursor that sends statements together, up to that many bytes."""

    @abstractmethod
    def be_patient(self, connection: Any, seconds: float) -> None:
        """Sets how long the server may be silent from now on."""

    @abstractmethod
    def creating(self, connection: sa.Connection, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Keeps other processes from creating tables for the time of the block."""

    @abstractmethod
    def code(self, exc: BaseException) -> str:
        """The code of a driver's error."""

    @property
    @abstractmethod
    def meanings(self) -> Mapping[str, Meaning]:
        """What codes mean, or the first two characters of them."""

    def prepare(self, engine: sa.Engine, deadline: float) -> None:
        """Creates the tables once, under a lock that ends with the connection."""
        with engine.connect() as connection:
            self.learn(connection)
            if not self._is_known(connection):
                self._create_once(connection)

    def learn(self, connection: sa.Connection) -> None:
        """Asks the server about its limits."""

    def create(self, connection: sa.Connection) -> None:
        """Creates what is missing; the version comes last, and says that all is there."""
        metadata.create_all(connection)
        connection.execute(sa.insert(schema).values(version=SCHEMA_VERSION))

    def note_loss(self) -> None:
        """None of the connections that are open is used again."""
        self._suspicious = True

    def begin(self, connection: Any) -> Batch:
        """Takes a BEGIN along with the first statements."""
        batch = self.batch(connection, min(TOGETHER, self.chunk))
        batch.execute("BEGIN")
        return batch

    def commit(self, connection: Any, cursor: Batch) -> None:
        """Sends the rest with a COMMIT."""
        cursor.execute("COMMIT")
        self.be_patient(connection, self.timeout + cursor.nbytes / RATE)
        cursor.flush()
        self.be_patient(connection, self.timeout)

    def crowded(self) -> BackendError:
        """All connections are taken."""
        what = f"all {self.limits.pool_size} connections to {self.location} stayed busy"
        return BackendBusy(what, "Raise STATE_POOL_SIZE, or try again later")

    def translate(self, exc: BaseException) -> BackendError:
        """By the code of the driver's error."""
        if isinstance(exc, sa.exc.DBAPIError) and exc.orig is not None:
            return self.translate(exc.orig)
        code, text = self.code(exc), _one_line(exc)
        meaning = self.meanings.get(code) or self.meanings.get(code[:2])
        return meaning(self, text) if meaning else super().translate(exc)

    def _create_once(self, connection: sa.Connection) -> None:
        """Whoever comes while another creates the tables waits longer than for anything else."""
        self.be_patient(connection.connection, CREATION + self.timeout)
        with self.creating(connection, CREATION):
            if not self._is_known(connection):
                self.create(connection)
        self.be_patient(connection.connection, self.timeout)

    def _is_known(self, connection: sa.Connection) -> bool:
        if not sa.inspect(connection).has_table(schema.name):
            return False
        version = connection.scalar(sa.select(sa.func.max(schema.c.version)))
        if version not in (None, SCHEMA_VERSION):
            what = f"{self.location} has format {version}, and this version of dash-statemanager knows {SCHEMA_VERSION}"
            raise BackendFormatError(what, "Upgrade dash-statemanager, or name another database in STATE_DATABASE_URL")
        return version is not None

    def _replace_closed(self, connection: Any, *_: Any) -> None:
        """A server has nothing to say to a connection that asks nothing, except that it is over."""
        if self._suspicious or self.is_lost(connection) or _is_readable(self.descriptor(connection)):
            self._suspicious = False
            raise sa.exc.InvalidatePoolError("the server has closed the connection")


def unavailable(dialect: ServerDialect, text: str) -> BackendError:
    """The server is not there, or not in time."""
    return BackendUnavailable(
        f"{dialect.location} can't be reached: {text}", "See that it runs, and that STATE_DATABASE_URL is right"
    )


def refused(dialect: ServerDialect, text: str) -> BackendError:
    """It does not let us in."""
    remedy = "Correct the user, password and database in STATE_DATABASE_URL"
    return BackendUnavailable(f"{dialect.location} refused the connection: {text}", remedy)


def overcrowded(dialect: ServerDialect, text: str) -> BackendError:
    """It has no connection left for us."""
    remedy = "Lower STATE_POOL_SIZE, which counts for every process, or raise max_connections of the server"
    return BackendBusy(f"{dialect.location} has too many connections: {text}", remedy)


def full(dialect: ServerDialect, text: str) -> BackendError:
    """It has no room."""
    return BackendFull(
        f"there is no room left in {dialect.location}: {text}",
        "Give the server more disk; what was stored is still there",
    )


def read_only(dialect: ServerDialect, text: str) -> BackendError:
    """It takes no writes."""
    remedy = "Name the primary server in STATE_DATABASE_URL, or end its read-only mode"
    return BackendReadOnly(f"{dialect.location} is read-only: {text}", remedy)


def busy(dialect: ServerDialect, text: str) -> BackendError:
    """Others held a lock for too long."""
    return BackendBusy(f"{dialect.location} stayed busy: {text}", "Try again later, or raise STATE_TIMEOUT")


def removed(dialect: ServerDialect, text: str) -> BackendError:
    """The tables went away under us."""
    return BackendUnavailable(f"the tables in {dialect.location} were removed: {text}", "Restart the app")


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())


def _is_readable(descriptor: int) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])
