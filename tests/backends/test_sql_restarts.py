"""PostgreSQL and MariaDB that are stopped, killed and started, and their clients too: what was acknowledged stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.errors import BackendError, BackendUnavailable
from tests.backends import crash
from tests.backends.writers import Writers, values, write_for_a_moment
from tests.servers.base import running, wait_until
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

WRITES = 500
THREADS = 5
RECOVERY = 5
PATIENCE = 60
KILLS = {"postgresql": 15, "mariadb": 6}
OTHERS = {
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()",
}


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL | MariaDB]:
    kind = {"postgresql": PostgreSQL, "mariadb": MariaDB}[request.param]
    with running(kind(tmp_path_factory.mktemp(request.param))) as server:
        yield server


@pytest.fixture
def url(server: PostgreSQL | MariaDB) -> str:
    return str(server.settings()["database_url"])


@pytest.fixture
def backend(url: str) -> Iterator[SqlBackend]:
    backend = SqlBackend(url)
    backend.delete(*[listing.key for listing in backend.scan("")])
    yield backend
    backend.close()


def content(number: int) -> bytes:
    return f"{number:06}".encode() * (1 + number % 7 * 10_000)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_amid_five_hundred_writes_loses_nothing_that_was_acknowledged(server, backend, how):
    acknowledged = dict.fromkeys(range(THREADS), 0)
    enough = threading.Event()
    back = [0.0]
    end = time.monotonic() + PATIENCE

    def write(thread: int) -> None:
        for number in range(1, WRITES // THREADS + 1):
            while not _put(backend, thread, number):
                assert time.monotonic() < (back[0] + RECOVERY if back[0] else end)
                time.sleep(0.02)
            acknowledged[thread] = number
            if sum(acknowledged.values()) > WRITES // 4:
                enough.set()

    def restart() -> None:
        assert enough.wait(30)
        getattr(server, how)()
        before = dict(acknowledged)
        server.start()
        back[0] = time.monotonic()
        fresh = SqlBackend(str(server.settings()["database_url"]))
        for thread, number in before.items():
            found = bytes(fresh.get(f"t/{thread}").payload.buffer)
            assert int(found[:6]) >= number
            assert found == content(int(found[:6]))
        fresh.close()

    with ThreadPoolExecutor(THREADS + 1) as threads:
        for result in [threads.submit(restart), *(threads.submit(write, thread) for thread in range(THREADS))]:
            result.result()

    found = {key: bytes(entry.payload.buffer) for key, entry in backend.get_many(f"t/{n}" for n in range(5)).items()}
    assert found == {f"t/{thread}": content(WRITES // THREADS) for thread in range(THREADS)}


def _put(backend: SqlBackend, thread: int, number: int) -> bool:
    try:
        backend.put(f"t/{thread}", BytesPayload(content(number)), 3600)
    except BackendUnavailable:
        return False
    return True


@pytest.fixture
def writers(url: str) -> Iterator[Writers]:
    writers = Writers(url)
    yield writers
    writers.close()


def test_killed_clients_lose_nothing_and_leave_nothing(server, backend, url, writers):
    """Each goes on where the one before was killed; the write under way is there as a whole or not at all."""
    expected: dict[str, bytes] = {}
    number = 1
    kind = {PostgreSQL: "postgresql", MariaDB: "mariadb"}[type(server)]
    for _ in range(KILLS[kind]):
        for done in write_for_a_moment(backend, writers, number):
            assert done == number
            expected = crash.history(number).apply(expected)
            number += 1
        _wait_for_the_server_to_notice(url)
        found = values(backend)
        if found != expected:
            expected = crash.history(number).apply(expected)
            number += 1
        assert found == expected
    assert number > KILLS[kind]
    backend.delete(*crash.KEYS)
    with _engine(url).connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM dash_statemanager_chunks").scalar() == 0


def _wait_for_the_server_to_notice(url: str) -> None:
    """What a client sent before it was killed may still be under way: it is over when only we are connected."""
    engine = _engine(url)
    with engine.connect() as connection:
        wait_until(lambda: connection.exec_driver_sql(OTHERS[engine.name]).scalar() <= 2)


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")


def test_a_url_in_the_form_of_cloud_sql_leads_through_a_unix_socket(server, tmp_path):
    """With a folder `project:region:instance`, in which PostgreSQL's socket has a name of its own."""
    short = (server.socket_folder if isinstance(server, PostgreSQL) else server.socket.parent) / "project:region:one"
    if isinstance(server, PostgreSQL):
        short.mkdir()
        (short / ".s.PGSQL.5432").symlink_to(server.socket_folder / f".s.PGSQL.{server.port}")
        backend = SqlBackend(f"postgresql+psycopg://state:let-me-in@/state?host={short}")
    else:
        short.symlink_to(server.socket)
        backend = SqlBackend(f"mysql+pymysql://state:let-me-in@/state?unix_socket={short}")

    backend.put("a", BytesPayload(b"through a socket"))

    assert bytes(backend.get("a").payload.buffer) == b"through a socket"
    assert str(short) in str(backend.stats()["location"])
    assert "let-me-in" not in str(backend.stats()["location"])
    backend.close()


def test_a_unix_socket_where_nobody_listens_is_an_error_that_names_it(server, tmp_path):
    form = {
        PostgreSQL: f"postgresql+psycopg://state:secret@/state?host={tmp_path}",
        MariaDB: f"mysql+pymysql://state:secret@/state?unix_socket={tmp_path / 'nothing'}",
    }
    backend = SqlBackend(form[type(server)])

    with pytest.raises(BackendUnavailable) as caught:
        backend.get("a")

    assert str(tmp_path) in str(caught.value)
    assert "secret" not in str(caught.value)
    backend.close()


def test_a_wrong_password_is_an_error_that_names_the_setting_and_not_the_password(server):
    backend = SqlBackend(str(server.settings(password="s3cr3t")["database_url"]))

    with pytest.raises(BackendError, match=r"refused the connection.*user, password.*STATE_DATABASE_URL") as caught:
        backend.get("a")

    assert "s3cr3t" not in str(caught.value)
    backend.close()


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_what_the_server_takes_in_one_statement_limits_the_chunks(server, backend):
    with server.administer() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL max_allowed_packet = 1048576")
    small = SqlBackend(str(server.settings()["database_url"]))

    small.put("a", BytesPayload(bytes(5_000_000)))

    assert bytes(small.get("a").payload.buffer) == bytes(5_000_000)
    small.close()
    with server.administer() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL max_allowed_packet = 16777216")
