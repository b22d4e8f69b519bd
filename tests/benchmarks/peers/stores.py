"""`ServerStore` with each backend."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from .base import NAMESPACE, Peer, Place, dash_app, no_package, no_redis, tidied


class Server(Peer):
    """`ServerStore` with some settings."""

    parts = True
    settings: ClassVar[dict[str, Any]]

    def app(self, place: Place) -> Any:
        import dash_statemanager

        dash_statemanager.configure(**{name: self._fill(value, place) for name, value in self.settings.items()})
        return dash_app()

    def store(self, store_id: str) -> Any:
        from dash_statemanager import ServerStore

        return ServerStore(id=store_id)

    def annotation(self) -> Any:
        from dash_statemanager import Stored

        return Stored

    def columns(self, store_id: str, data: Any, names: list[str]) -> Any:
        return data.columns(names)

    def forget(self) -> None:
        from dash_statemanager import get_state_manager

        get_state_manager().versions.cache.discard("")

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


class ServerEncrypted(ServerSqlite):
    name = "encrypted"
    label = "ServerStore, SQLite, encrypted"
    most_rows = 1_000_000
    settings: ClassVar[dict[str, Any]] = {**ServerSqlite.settings, "encryption_key": "a key of the benchmark"}

    def missing(self, place: Place) -> str | None:
        return no_package("cryptography", "'dash-statemanager[encryption]'")


class ServerSql(Server):
    """A database server: that of the tests, started for this if there is none."""

    settings: ClassVar[dict[str, Any]] = {"backend": "database", "namespace": NAMESPACE}
    most_rows = 1_000_000

    @abstractmethod
    def url(self) -> str:
        """Of a database of this process's own."""

    def missing(self, place: Place) -> str | None:
        try:
            self.url()
        except Exception as exc:
            return str(exc)
        return None

    @contextmanager
    def running(self, place: Place) -> Iterator[Mapping[str, str]]:
        yield {"STATE_DATABASE_URL": self.url()}


class ServerPostgreSQL(ServerSql):
    name = "postgresql"
    label = "ServerStore, PostgreSQL"

    def url(self) -> str:
        from tests.servers.databases import postgresql

        return postgresql()


class ServerMariaDB(ServerSql):
    name = "mariadb"
    label = "ServerStore, MariaDB"

    def url(self) -> str:
        from tests.servers.databases import mariadb

        return mariadb()


class ServerRedis(Server):
    name = "redis"
    label = "ServerStore, Redis"
    settings: ClassVar[dict[str, Any]] = {"backend": "redis", "redis_url": "{redis}", "namespace": NAMESPACE}

    def missing(self, place: Place) -> str | None:
        return no_redis(place.redis)

    def running(self, place: Place) -> AbstractContextManager[Mapping[str, str]]:
        return tidied(place.redis, f"*{{{NAMESPACE}/*")


class ServerFlaskCaching(Server):
    name = "flask-caching"
    label = "ServerStore, Flask-Caching, files"
    most_rows = 1_000_000
    settings: ClassVar[dict[str, Any]] = {"backend": "flask-caching"}

    def missing(self, place: Place) -> str | None:
        return no_package("flask_caching", "'dash-statemanager[flask-caching]'")

    def app(self, place: Place) -> Any:
        from flask_caching import Cache

        import dash_statemanager

        folder = str(Path(place.folder) / "cache")
        cache = Cache(config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": folder, "CACHE_THRESHOLD": 0})
        dash_statemanager.configure(**self.settings, flask_cache=cache)
        app = dash_app()
        cache.init_app(app.server)
        return app


class ServerGcs(Server):
    """What the library costs on top of Google's answers, which take tens of milliseconds longer than these."""

    name = "gcs"
    label = "ServerStore, GCS (a stand-in on this machine)"
    most_rows = 1_000_000
    crowd_rows = 100_000
    settings: ClassVar[dict[str, Any]] = {"backend": "gcs", "gcs_bucket": "bucket", "namespace": NAMESPACE}

    def missing(self, place: Place) -> str | None:
        return no_package("google_crc32c", "'dash-statemanager[gcs]'")

    @contextmanager
    def running(self, place: Place) -> Iterator[Mapping[str, str]]:
        from tests.servers.gcs import GcsServer

        server = GcsServer(Path(place.folder))
        server.start()
        try:
            yield server.environ()
        finally:
            server.kill()
