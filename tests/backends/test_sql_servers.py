"""PostgreSQL and MariaDB: what several processes, large values, narrow rights and old connections ask of them."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from dash_statemanager.backends.base import ABSENT, BytesPayload, Put
from dash_statemanager.backends.pieces import split
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.backends.sql.database import Database
from dash_statemanager.backends.sql.dialect import Limits
from dash_statemanager.backends.sql.dialects import dialect_for
from dash_statemanager.backends.turns import Turns
from dash_statemanager.errors import BackendBusy, BackendError, BackendFormatError, BackendUnavailable, Conflict
from tests.servers import databases

CHUNK = 8 << 20
SMALL = BytesPayload(b"small")
pytestmark = pytest.mark.parametrize("kind", ["postgresql", "mariadb"])


class Pieces:
    """A payload whose parts have other borders than its chunks."""

    def __init__(self, data: bytes) -> None:
        self.nbytes = len(data)
        self._parts = [memoryview(data)[:64], memoryview(data)[64 : 3 << 20], memoryview(data)[3 << 20 :]]

    def parts(self) -> list[memoryview]:
        return self._parts


@pytest.fixture
def url(kind: str) -> str:
    """Of a database that is empty but for the tables."""
    found = getattr(databases, kind)()
    databases.empty(found)
    return found


@pytest.fixture
def administer(url: str) -> Iterator[Callable[..., Any]]:
    """Executes a statement as the administrator, in the database of the test."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def execute(statement: str) -> list[Any]:
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return list(result) if result.returns_rows else []

    yield execute
    engine.dispose()


@pytest.fixture
def new_url(url: str, administer: Callable[..., Any]) -> Iterator[str]:
    """Of a database without tables."""
    name = f"state_new_{uuid.uuid4().hex[:12]}"
    administer(f"CREATE DATABASE {name}")
    yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    administer(f"DROP DATABASE {name}")


def content(backend: SqlBackend, key: str) -> bytes | None:
    entry = backend.get(key)
    return None if entry is None else bytes(entry.payload.buffer)


def chunks(administer: Callable[..., Any]) -> list[tuple[str, int]]:
    rows = administer("SELECT number, LENGTH(body) FROM dash_statemanager_chunks ORDER BY number")
    return [tuple(row) for row in rows]


# large payloads


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 20_000_000])
def test_a_large_payload_comes_back(backend, administer, size):
    data = os.urandom(size)

    backend.put("a", Pieces(data))

    assert content(backend, "a") == data
    lengths = [length for _, length in chunks(administer)]
    assert sum(lengths) == (size if size > CHUNK else 0)
    assert not lengths or max(lengths) == CHUNK


def test_what_is_read_of_chunks_can_not_be_changed(backend):
    backend.put("a", Pieces(bytes(CHUNK + 1)))

    assert memoryview(backend.get("a").payload.buffer).readonly


@pytest.mark.parametrize(
    "remove",
    [
        lambda backend: backend.put("a", SMALL),
        lambda backend: backend.put("a", SMALL, expect=backend.get_many(["a"])["a"].etag),
        lambda backend: backend.delete("a"),
        lambda backend: backend.put_many([Put("b", SMALL)], delete=["a"]),
        lambda backend: backend.put_many([Put("a", Pieces(bytes(CHUNK + 1)))], delete=["a"]),
    ],
)
def test_chunks_go_with_their_entry(backend, administer, remove):
    backend.put("a", Pieces(bytes(CHUNK + 1)))
    assert len(chunks(administer)) == 2

    remove(backend)

    assert chunks(administer) == []


def test_chunks_of_an_expired_entry_are_purged(url, administer):
    now = [1_000.0]
    backend = SqlBackend(url, lambda: now[0])
    backend.put("a", Pieces(bytes(CHUNK + 1)), 60)
    backend.put("b", Pieces(bytes(CHUNK + 1)), 90)
    now[0] += 61

    assert backend.purge() == 1

    assert len(chunks(administer)) == 2
    assert content(backend, "b") == bytes(CHUNK + 1)
    backend.close()


def test_a_conflict_leaves_no_chunks(backend, administer):
    backend.put("a", SMALL)

    with pytest.raises(Conflict):
        backend.put_many([Put("b", Pieces(bytes(CHUNK + 1))), Put("a", SMALL, expect=ABSENT)])

    assert chunks(administer) == []
    assert content(backend, "b") is None


def test_readers_never_see_half_a_large_value(backend, administer):
    """While a writer replaces it by others of other sizes, and now and then by a small one."""
    sizes = [CHUNK + 1, 2 * CHUNK + 5, 100]
    backend.put("a", Pieces(bytes(sizes[0])))
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(12):
                backend.put("a", Pieces(bytes([number]) * sizes[number % 3]))
        finally:
            done.set()

    with ThreadPoolExecutor(1) as threads:
        written = threads.submit(write)
        seen = set()
        while not done.is_set():
            data = content(backend, "a")
            assert len(data) in sizes
            assert data.count(data[:1]) == len(data)
            seen.add(len(data))
        written.result()

    assert len(seen) > 1
    assert len(chunks(administer)) == 0


def test_a_large_value_without_its_chunks_is_missing_and_said_so(backend, administer, caplog):
    backend.put("a", Pieces(bytes(CHUNK + 1)))
    administer("DELETE FROM dash_statemanager_chunks WHERE number = 1")

    assert backend.get("a") is None

    assert "'a' in chunks is gone" in caplog.text
    assert list(backend.scan("")) == []


def test_ranges_need_no_chunk_that_they_are_not_in(backend, administer, caplog):
    data = os.urandom(20_000_000)
    backend.put("a", BytesPayload(data))
    administer("DELETE FROM dash_statemanager_chunks WHERE number = 1")

    found = backend.get_ranges("a", [(5, 9), (19_000_000, 19_000_009)])

    assert [bytes(part) for part in found.parts] == [data[5:9], data[19_000_000:19_000_009]]
    assert backend.get_ranges("a", [(9_000_000, 9_000_001)]) is None
    assert "'a' in chunks is gone" in caplog.text


def test_many_ranges_come_as_few(backend):
    data = os.urandom(9_000_000)
    backend.put("a", BytesPayload(data))
    ranges = [(start, start + 7) for start in range(0, 9_000_000, 100_000)]

    assert [bytes(part) for part in backend.get_ranges("a", ranges).parts] == [data[a:b] for a, b in ranges]


# several processes

CREATE = """
def work(number):
    backend = SqlBackend(sys.argv[1])
    backend.put(f"k/{number}", small)
    backend.close()

print(at_once(10, work))
"""


def test_ten_processes_create_the_tables_at_once(run, new_url):
    assert run(CREATE, new_url) == f"{[0] * 10}\n"

    backend = SqlBackend(new_url)
    assert [listing.key for listing in backend.scan("k/")] == [f"k/{number}" for number in range(10)]
    backend.close()


HOLD = {
    "postgresql": "SELECT pg_advisory_lock(1684108136)",
    "mariadb": "SELECT GET_LOCK(CONCAT('dash_statemanager.', DATABASE()), 10)",
}


def test_who_comes_while_another_creates_the_tables_waits_longer_than_the_timeout(new_url, kind):
    backend = SqlBackend(new_url, limits=Limits(timeout=1))
    engine = sa.create_engine(new_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with ThreadPoolExecutor(1) as threads:
        with engine.connect() as other:
            other.exec_driver_sql(HOLD[kind])
            written = threads.submit(backend.put, "a", SMALL)
            time.sleep(1.7)
            assert not written.done()
        assert written.result()

    backend.close()


def test_two_purges_share_the_work(url):
    """Neither waits for the other, nor for a writer that holds an expired row."""
    now = [1_000.0]
    backends = [SqlBackend(url, lambda: now[0]) for _ in range(2)]
    backends[0].put_many([Put(f"k/{number:04}", SMALL, 60) for number in range(1_500)])
    now[0] += 61

    with ThreadPoolExecutor(2) as threads:
        purged = list(threads.map(lambda backend: backend.purge(), backends))

    assert sum(purged) == 1_500
    assert backends[0].purge() == 0
    for backend in backends:
        backend.close()


# the pool


CONNECTIONS = {
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mariadb": "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()",
}


def test_a_process_has_no_more_connections_than_it_may(url, administer, kind):
    before = administer(CONNECTIONS[kind])[0][0]
    backend = SqlBackend(url, limits=Limits(pool_size=3))

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda number: backend.put(f"k/{number}", SMALL), range(100)))

    assert administer(CONNECTIONS[kind])[0][0] == before + 3
    backend.close()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """With one connection."""
    database = Database(dialect_for(url, Limits(pool_size=1, timeout=1)))
    database.open()
    yield database
    database.close()


def test_one_thread_after_another_uses_the_same_connection(database, kind):
    def identify(cursor: Any) -> int:
        cursor.execute({"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}[kind])
        return cursor.fetchone()[0]

    used = set()
    for _ in range(20):
        with ThreadPoolExecutor(1) as threads:
            used.add(threads.submit(database.read, identify).result())

    assert len(used) == 1


def test_a_thread_that_gets_no_connection_in_time_is_told_so(database):
    entered, leave = threading.Event(), threading.Event()

    def stay(_: object) -> None:
        entered.set()
        leave.wait(10)

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(database.read, stay)
        entered.wait(10)
        with pytest.raises(BackendBusy, match=r"all 1 connections.*STATE_POOL_SIZE"):
            database.read(lambda _: None)
        leave.set()
        held.result()

    assert database.read(lambda _: "free") == "free"


def test_a_connection_that_is_in_use_while_it_is_closed_is_closed_when_it_comes_back(database, kind):
    entered, leave = threading.Event(), threading.Event()
    used: list[Any] = []

    def stay(cursor: Any) -> None:
        used.append(cursor.connection)
        entered.set()
        leave.wait(10)

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(database.read, stay)
        entered.wait(10)
        database.close()
        assert not database.dialect.is_lost(used[0])
        leave.set()
        held.result()

    assert database.dialect.is_lost(used[0])


KILL_OTHERS = {
    "postgresql": """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """,
    "mariadb": """
        SELECT CONCAT('KILL ', id) FROM information_schema.processlist
        WHERE db = DATABASE() AND id <> CONNECTION_ID()
    """,
}


@pytest.mark.parametrize("operation", ["get", "put", "increment", "delete", "touch", "scan", "purge", "stats", "ping"])
def test_connections_that_the_server_closed_are_replaced_unnoticed(backend, administer, kind, operation):
    etag = backend.put("a", SMALL)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(backend.get, "a" * 40))
    for (command,) in administer(KILL_OTHERS[kind]):
        if kind == "mariadb":
            administer(command)
    operations = {
        "get": lambda: content(backend, "a") == b"small",
        "put": lambda: backend.put("b", SMALL),
        "increment": lambda: backend.put("a", SMALL, expect=etag),
        "delete": lambda: backend.delete("a") == 1,
        "touch": lambda: backend.touch("a", 60),
        "scan": lambda: [listing.key for listing in backend.scan("")] == ["a"],
        "purge": lambda: backend.purge() == 0,
        "stats": lambda: backend.stats()["entries"] == 1,
        "ping": lambda: backend.ping() is None,
    }

    assert operations[operation]()


# the tables


def test_a_database_of_a_newer_format(new_url):
    engine = sa.create_engine(new_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    backend = SqlBackend(new_url)
    backend.put("a", SMALL)
    backend.close()
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE dash_statemanager_schema SET version = 99")

    with pytest.raises(BackendFormatError, match=r"has format 99.*Upgrade dash-statemanager"):
        backend.get("a")

    backend.close()


def test_tables_that_a_killed_process_left_half_made_are_completed(new_url):
    engine = sa.create_engine(new_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE dash_statemanager_schema (version INTEGER PRIMARY KEY)")
    backend = SqlBackend(new_url)

    backend.put("a", Pieces(bytes(CHUNK + 1)))

    assert content(backend, "a") == bytes(CHUNK + 1)
    backend.close()


def test_keys_are_compared_by_their_bytes(backend):
    for key in ("a", "A", "a_", "aA", "b"):
        backend.put(key, BytesPayload(key.encode()))

    assert [content(backend, key) for key in ("a", "A", "a_", "aA", "b")] == [b"a", b"A", b"a_", b"aA", b"b"]
    assert backend.delete("A") == 1
    assert content(backend, "a") == b"a"


@pytest.fixture
def humble(kind: str, new_url: str) -> Iterator[tuple[Callable[[str], None], str]]:
    """An account without rights, and a way to give it some."""
    engine = sa.create_engine(new_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    name = f"humble_{uuid.uuid4().hex[:8]}"
    secret = "do-not-tell"

    def execute(statement: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    if kind == "postgresql":
        execute(f"CREATE ROLE {name} LOGIN PASSWORD '{secret}'")
        execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    else:
        execute(f"CREATE USER {name}@'%%' IDENTIFIED BY '{secret}'")
        execute(f"GRANT SELECT ON {engine.url.database}.* TO {name}@'%%'")
    yield execute, engine.url.set(username=name, password=secret).render_as_string(hide_password=False)
    if kind == "postgresql":
        execute(f"DROP OWNED BY {name}")
    execute(f"DROP ROLE {name}" if kind == "postgresql" else f"DROP USER {name}@'%%'")


def test_an_account_that_may_not_create_tables_is_told_which_grant_it_needs(kind, humble, new_url):
    execute, url = humble
    backend = SqlBackend(url)
    name = sa.make_url(url).username

    with pytest.raises(BackendError, match=rf"permit.*GRANT CREATE.*TO {name}.*GRANT SELECT, INSERT") as caught:
        backend.put("a", SMALL)
    assert "do-not-tell" not in str(caught.value)

    owner = SqlBackend(new_url)
    owner.ping()
    owner.close()
    for table in ("entries", "chunks", "schema"):
        account = name if kind == "postgresql" else f"{name}@'%%'"
        execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON dash_statemanager_{table} TO {account}")
    backend.put("a", Pieces(bytes(CHUNK + 1)))
    assert content(backend, "a") == bytes(CHUNK + 1)
    backend.close()


def test_a_wrong_password_or_database_is_an_error_that_names_the_setting(url, kind):
    wrong = sa.make_url(url).set(username="nobody_here", password="s3cr3t", database="nowhere")
    backend = SqlBackend(wrong.render_as_string(hide_password=False))

    with pytest.raises(BackendUnavailable, match=r"refused the connection.*STATE_DATABASE_URL") as caught:
        backend.ping()

    assert "s3cr3t" not in str(caught.value)
    backend.close()


# what they are made of


def test_who_waits_longest_is_served_first(kind):
    turns = Turns(1)
    assert turns.acquire(0)
    served: list[int] = []

    def take(number: int) -> None:
        assert turns.acquire(10)
        served.append(number)
        turns.release()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=take, args=(number,)))
        threads[-1].start()
        while turns.waiting <= number:
            time.sleep(0.001)
    assert not turns.acquire(0.01)
    turns.release()
    for thread in threads:
        thread.join()

    assert served == [0, 1, 2, 3, 4]
    assert turns.acquire(0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no alarms here")
@pytest.mark.parametrize("given", [False, True])
def test_who_is_interrupted_while_it_waits_takes_no_turn_along(kind, given):
    """Also where it was given the turn in the moment of the interruption."""
    turns = Turns(1)
    assert turns.acquire(0)

    def interrupt(*_: Any) -> None:
        if given:
            turns.release()
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            turns.acquire(10)
    finally:
        signal.signal(signal.SIGALRM, usual)
    if not given:
        turns.release()

    assert turns.waiting == 0
    assert turns.acquire(0)
    assert not turns.acquire(0)


@pytest.mark.parametrize("size", [1, 3, 4, 10, 11])
def test_pieces_have_the_bytes_of_the_parts(kind, size):
    parts = [b"abc", bytearray(b"d"), b"", memoryview(b"efghij")]

    pieces = list(split(parts, size))

    assert b"".join(pieces) == b"abcdefghij"
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert len(pieces[-1]) <= size
