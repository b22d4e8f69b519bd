"""The backends that must keep the contract. A new one is one line in CASES."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

import pytest

from dash_statemanager.backends.base import Backend, Purges
from dash_statemanager.backends.breaker import Breaker
from dash_statemanager.backends.client import ClientBackend
from dash_statemanager.backends.encrypted import Encrypted
from dash_statemanager.backends.local import LocalFiles, LocalTier
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.shared import SharedBodies
from dash_statemanager.backends.sql import SqlBackend
from tests.conftest import Clock
from tests.servers import databases
from tests.servers import redis as redis_servers
from tests.servers.base import lasting


@dataclass(frozen=True)
class Case:
    """A backend and what it can do beyond the minimum.

    Attributes:
        make: Opens one; two with the same folder share their data where `shared`.
        atomic: `put_many` is one transaction.
        shared: Instances see each other's data.
        purges: It must be told to remove what has expired.
        overhead: Entries and bytes of its own that it keeps for one large payload.
    """

    name: str
    make: Callable[[Path, Clock], Backend]
    atomic: bool = True
    shared: bool = True
    purges: bool = True
    overhead: tuple[int, int] = (0, 0)


def sqlite(folder: Path, clock: Clock) -> SqlBackend:
    return SqlBackend(f"sqlite:///{folder / 'state.db'}", clock)


@cache
def gcs_endpoint() -> str:
    """One server for all tests; each has a bucket of its own in it."""
    from tests.servers.gcs import GcsServer

    return lasting(GcsServer(Path(tempfile.mkdtemp(prefix="gcs-")))).endpoint


def gcs(folder: Path, clock: Clock) -> Backend:
    from dash_statemanager.backends.gcs import GcsBackend

    bucket = "bucket-" + blake2b(str(folder).encode(), digest_size=8).hexdigest()
    patient = 15.0  # twenty threads may keep this server, one process in Python, silent for longer than Google is
    return GcsBackend(bucket, clock, endpoint=gcs_endpoint(), timeout=patient)


def database(url: Callable[[], str]) -> Callable[[Path, Clock], Backend]:
    """A database for all tests, which the first backend of each finds empty."""

    def make(folder: Path, clock: Clock) -> Backend:
        try:
            (folder / "emptied").mkdir()
        except FileExistsError:
            pass
        else:
            databases.empty(url())
        return SqlBackend(url(), clock)

    return make


def redis(url: Callable[[], str]) -> Callable[[Path, Clock], Backend]:
    """A server for all tests; the names of each start with its folder."""

    def make(folder: Path, clock: Clock) -> Backend:
        from dash_statemanager.backends.redis import RedisBackend

        return RedisBackend(url(), clock, prefix=f"{redis_servers.PREFIX}{folder}:")

    return make


def shared(make: Callable[[Path, Clock], Backend]) -> Callable[[Path, Clock], Backend]:
    return lambda folder, clock: SharedBodies(make(folder, clock), lambda: b"key", clock)


def local_tier(folder: Path, clock: Clock) -> Backend:
    return LocalTier(redis(redis_servers.url)(folder, clock), LocalFiles(folder / "tier", 1 << 30))


def flask_caching(config: Callable[[Path], dict[str, object]]) -> Callable[[Path, Clock], Backend]:
    """The cache of an app, which may drop nothing for want of room."""

    def make(folder: Path, clock: Clock) -> Backend:
        from flask import Flask
        from flask_caching import Cache

        from dash_statemanager.backends.flask_caching import FlaskCachingBackend

        return FlaskCachingBackend(Cache(Flask("app"), config={"CACHE_THRESHOLD": 0, **config(folder)}), clock)

    return make


def files(folder: Path) -> dict[str, object]:
    return {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(folder / "cache")}


def redis_cache(folder: Path) -> dict[str, object]:
    prefix = f"{redis_servers.PREFIX}{folder}:cache:"
    return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_servers.url(), "CACHE_KEY_PREFIX": prefix}


STUB = 2, 100
"""A body that is shared leaves its header with its entry, beside where it is, and has a list of who holds it."""

CASES = [
    Case("memory", lambda folder, clock: MemoryBackend(clock), shared=False),
    Case("client", lambda folder, clock: ClientBackend(clock), shared=False),
    Case("sqlite", sqlite),
    Case("postgresql", database(databases.postgresql)),
    Case("mariadb", database(databases.mariadb)),
    Case(
        "encrypted",
        lambda folder, clock: Encrypted(sqlite(folder, clock), ["a key for the tests"], clock),
        purges=False,
    ),
    Case(
        "shared",
        lambda folder, clock: SharedBodies(sqlite(folder, clock), lambda: b"key", clock),
        purges=False,
        overhead=STUB,
    ),
    Case("shared-in-cluster", shared(redis(redis_servers.cluster_url)), atomic=False, purges=False, overhead=STUB),
    Case("local-tier", shared(local_tier), purges=False, overhead=STUB),
    Case("breaker", lambda folder, clock: Breaker(sqlite(folder, clock)), purges=False),
    Case("redis", redis(redis_servers.url), purges=False),
    Case("redis-cluster", redis(redis_servers.cluster_url), atomic=False, purges=False),
    Case("gcs", gcs, atomic=False),
    Case("shared-in-gcs", shared(gcs), atomic=False, purges=False, overhead=STUB),
    Case("flask-caching-files", flask_caching(files), atomic=False, purges=False),
    Case("flask-caching-redis", flask_caching(redis_cache), atomic=False, purges=False),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def backend(case: Case, tmp_path: Path, clock: Clock) -> Iterator[Backend]:
    backend = case.make(tmp_path, clock)
    yield backend
    backend.close()


@pytest.fixture(params=[case for case in CASES if case.purges], ids=lambda case: case.name)
def purger(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Purges]:
    backend = request.param.make(tmp_path, clock)
    yield backend
    backend.close()
