"""Who is compared: one class for each way to keep data between callbacks. A further one is an entry of `PEERS`."""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

KEPT_SECONDS = 3600
NAMESPACE = "dash-statemanager-benchmark"
PREFIX = f"{NAMESPACE}/"


@dataclass(frozen=True)
class Place:
    """Where a peer keeps its data.

    Attributes:
        folder: Its own, the same for all its processes.
        redis: URL of a Redis server.
    """

    folder: str
    redis: str


class Peer(ABC):
    """One way to keep data between callbacks. The methods run in the peer's own server process.

    Attributes:
        name: Its word for the command line.
        label: How the tables call it.
        shared: Whether a second process on the same storage is to read what the first one wrote.
        most_rows: The longest frame for which it is of any use.
    """

    name: str
    label: str
    shared: ClassVar[bool] = True
    most_rows: ClassVar[int] = 10_000_000

    def missing(self, place: Place) -> str | None:
        """Why it can't run here and what to do about it, or None."""
        return None

    @abstractmethod
    def app(self, place: Place) -> Any:
        """The Dash app, without layout and callbacks."""

    def tidy(self, place: Place) -> None:
        """Removes what it left outside of its folder."""

    def store(self, store_id: str) -> Any:
        """The component that keeps a value, or what leads to it."""
        from dash import dcc

        return dcc.Store(id=store_id)

    def pack(self, store_id: str, value: Any) -> Any:
        """What the writing callback returns."""
        return value

    def unpack(self, store_id: str, data: Any) -> Any:
        """The value, from what the reading callback receives."""
        return data


class GlobalDict(Peer):
    """The floor: wrong for more than one user or process, and nothing is faster."""

    name = "floor"
    label = "a global dict (the floor)"
    shared = False

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def app(self, place: Place) -> Any:
        return dash_app()

    def pack(self, store_id: str, value: Any) -> int:
        self._values[store_id] = value
        return 0

    def unpack(self, store_id: str, data: Any) -> Any:
        return self._values[store_id]


class PlainStore(Peer):
    """`dcc.Store`, with frames as records, as most apps do it. The browser has the data: all processes are alike."""

    name = "dcc.Store"
    label = "`dcc.Store`"
    shared = False
    most_rows = 1_000_000

    def app(self, place: Place) -> Any:
        return dash_app()

    def pack(self, store_id: str, value: Any) -> Any:
        return value.to_dict("records") if hasattr(value, "columns") else value

    def unpack(self, store_id: str, data: Any) -> Any:
        import pandas as pd

        if not isinstance(data, list):
            return data
        frame = pd.DataFrame(data)
        return frame.assign(when=pd.to_datetime(frame["when"]))


class NoLibrary(PlainStore):
    """`dcc.Store` in a process into which this library never comes."""

    name = "without"
    label = "`dcc.Store` without the library"
    most_rows = 0

    def app(self, place: Place) -> Any:
        from dash._hooks import HooksManager

        HooksManager._registered = True  # entry points would load the library
        return dash_app()


class Extensions(Peer):
    """`Serverside` of dash-extensions."""

    def missing(self, place: Place) -> str | None:
        return None if find_spec("dash_extensions") else "pip install dash-extensions==2.0.6"

    @abstractmethod
    def backend(self, place: Place) -> Any:
        """Its backend."""

    def app(self, place: Place) -> Any:
        from dash_extensions.enrich import DashProxy, ServersideOutputTransform

        return dash_app(DashProxy, transforms=[ServersideOutputTransform(backends=[self.backend(place)])])

    def pack(self, store_id: str, value: Any) -> Any:
        from dash_extensions.enrich import Serverside

        return Serverside(value)


class ExtensionsFiles(Extensions):
    name = "extensions-files"
    label = "dash-extensions, files"

    def backend(self, place: Place) -> Any:
        from dash_extensions.enrich import FileSystemBackend

        return FileSystemBackend(str(Path(place.folder) / "cache"), threshold=1_000_000)


class ExtensionsRedis(Extensions):
    name = "extensions-redis"
    label = "dash-extensions, Redis"

    def missing(self, place: Place) -> str | None:
        return super().missing(place) or no_redis(place.redis)

    def backend(self, place: Place) -> Any:
        from dash_extensions.enrich import RedisBackend
        from redis import Redis

        return RedisBackend(host=Redis.from_url(place.redis), key_prefix=PREFIX, default_timeout=KEPT_SECONDS)

    def tidy(self, place: Place) -> None:
        delete(place.redis, f"{PREFIX}*")


class Server(Peer):
    """`ServerStore` with some settings."""

    settings: dict[str, Any]

    def app(self, place: Place) -> Any:
        import dash_statemanager

        dash_statemanager.configure(**{name: self._fill(value, place) for name, value in self.settings.items()})
        return dash_app()

    def store(self, store_id: str) -> Any:
        from dash_statemanager import ServerStore

        return ServerStore(id=store_id)

    @staticmethod
    def _fill(value: Any, place: Place) -> Any:
        return value.format(folder=place.folder, redis=place.redis) if isinstance(value, str) else value


class ServerMemory(Server):
    name = "memory"
    label = "ServerStore, memory"
    shared = False
    settings: ClassVar[dict[str, Any]] = {"backend": "memory"}


class ServerSqlite(Server):
    name = "sqlite"
    label = "ServerStore, SQLite"
    settings: ClassVar[dict[str, Any]] = {"backend": "database", "database_url": "sqlite:///{folder}/state.db"}


class ServerRedis(Server):
    name = "redis"
    label = "ServerStore, Redis"
    settings: ClassVar[dict[str, Any]] = {"backend": "redis", "redis_url": "{redis}", "namespace": NAMESPACE}

    def missing(self, place: Place) -> str | None:
        return no_redis(place.redis)

    def tidy(self, place: Place) -> None:
        delete(place.redis, f"*{{{NAMESPACE}/*")


class ServerSql(Server):
    """A database server: that of an environment variable of the tests, else a local one."""

    def __init__(self, name: str, label: str, variable: str, default: str) -> None:
        self.name, self.label = name, label
        url = os.environ.get(variable, default)
        self.settings = {"backend": "database", "database_url": url, "namespace": NAMESPACE}

    def missing(self, place: Place) -> str | None:
        try:
            with self._backend() as backend:
                backend.ping()
        except Exception as exc:
            return str(exc)
        return None

    def tidy(self, place: Place) -> None:
        with self._backend() as backend:
            keys = [row.key for row in backend.scan(f"{NAMESPACE}/")]
            for first in range(0, len(keys), 500):
                backend.delete(*keys[first : first + 500])

    def _backend(self) -> Any:
        from dash_statemanager.backends.sql import SqlBackend

        return closing(SqlBackend(self.settings["database_url"]))


def dash_app(kind: Any = None, **options: Any) -> Any:
    """A Dash app that runs callbacks as `pip install dash` does: where `dash[async]` is there it adds an event loop."""
    from dash import Dash

    if "use_async" in signature(Dash).parameters:
        options["use_async"] = False
    return (kind or Dash)(__name__, **options)


def delete(url: str, pattern: str) -> None:
    """Deletes what a peer left in Redis."""
    from redis import Redis

    with Redis.from_url(url) as client:
        for name in client.scan_iter(match=pattern):
            client.delete(name)


def no_redis(url: str) -> str | None:
    """Where there is no Redis, or no client for it: what to do."""
    if not find_spec("redis"):
        return "pip install redis"
    parsed = urlsplit(url)
    try:
        socket.create_connection((parsed.hostname or "localhost", parsed.port or 6379), timeout=1).close()
    except OSError:
        return f"start a Redis server at {url}, or name one with --redis"
    return None


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        GlobalDict(),
        PlainStore(),
        NoLibrary(),
        ExtensionsFiles(),
        ExtensionsRedis(),
        ServerMemory(),
        ServerSqlite(),
        ServerRedis(),
        ServerSql(
            "postgresql",
            "ServerStore, PostgreSQL",
            "STATE_TEST_POSTGRESQL_URL",
            "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
        ),
        ServerSql(
            "mariadb", "ServerStore, MariaDB", "STATE_TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"
        ),
    )
}
FLOOR = GlobalDict.name
