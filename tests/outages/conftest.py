"""Servers of the tests' own, each started once, with a way to them that can be broken."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dash_statemanager.backends import open_backend
from dash_statemanager.backends.base import Backend
from dash_statemanager.config import Settings, load
from tests.servers.base import Proxy, Server
from tests.servers.gcs import GcsServer
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import RedisServer

SERVERS: Mapping[str, Callable[[Path], Server]] = {
    "redis": functools.partial(RedisServer, appendonly="yes", appendfsync="always"),
    "postgresql": PostgreSQL,
    "mariadb": MariaDB,
    "gcs": GcsServer,
}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Starts each server at first use."""

    @functools.cache
    def started(name: str) -> Server:
        server = SERVERS[name](tmp_path_factory.mktemp(name))
        server.start()
        running.append(server)
        return server

    running: list[Server] = []
    yield started
    for server in running:
        server.resume()
        server.kill()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    return servers(request.param)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


Settle = Callable[..., Settings]


@pytest.fixture
def settings(server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Settle:
    """Settings for the server behind the proxy."""
    for name, value in server.environ(proxy.port).items():
        monkeypatch.setenv(name, value)

    def settings(password: str | None = None, **more: Any) -> Settings:
        return load(environ={}, **{**server.settings(proxy.port, password=password), "secret_key": "a key", **more})

    return settings


@pytest.fixture
def connect(settings: Settle) -> Iterator[Callable[..., Backend]]:
    """Opens backends behind the proxy, as an app does."""
    opened: list[Backend] = []

    def connect(**given: Any) -> Backend:
        opened.append(open_backend(settings(**given)))
        return opened[-1]

    yield connect
    for backend in opened:
        backend.close()
