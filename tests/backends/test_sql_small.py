"""Small writes in one statement: one round trip, all or nothing, and safe to repeat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from dash_statemanager.backends.base import ABSENT, BytesPayload, Put
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.errors import Conflict
from tests.backends.relay import Relay
from tests.servers import databases

SMALL, LARGE = BytesPayload(b"small"), BytesPayload(bytes(9 << 20))


@pytest.fixture
def postgresql() -> str:
    url = databases.postgresql()
    databases.empty(url)
    return url


@pytest.fixture
def relay(postgresql: str) -> Iterator[Relay]:
    with Relay(sa.make_url(postgresql).port or 5432) as relay:
        yield relay


@pytest.fixture
def behind(postgresql: str, relay: Relay) -> Iterator[SqlBackend]:
    """A backend at the end of the relay."""
    url = sa.make_url(postgresql).set(host="127.0.0.1", port=relay.port)
    backend = SqlBackend(url.render_as_string(hide_password=False))
    yield backend
    backend.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlBackend]:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    backend = SqlBackend(url if request.param == "sqlite" else request.getfixturevalue("postgresql"))
    yield backend
    backend.close()


def test_a_small_write_is_one_round_trip(behind: SqlBackend, relay: Relay) -> None:
    etag = behind.put("s/1/head", SMALL, 60)
    trips = []
    for number in range(12):
        before = relay.asked
        puts = [Put(f"s/1/{number}", SMALL, 60), Put("s/1/head", SMALL, 60, etag)]
        _, etag = behind.put_many(puts, delete=[f"s/1/{number - 1}"])
        trips.append(relay.asked - before)
    assert trips[-5:] == [1] * 5
    assert sum(trips) <= 13, "the driver prepares the statement once"
    assert [row.key for row in behind.scan("s/")] == ["s/1/11", "s/1/head"]


def test_a_cold_read_is_one_round_trip(behind: SqlBackend, relay: Relay) -> None:
    behind.put_many([Put(f"s/1/{number}", SMALL) for number in range(3)])
    before = relay.asked
    assert len(behind.get_many(f"s/1/{number}" for number in range(3))) == 3
    assert relay.asked == before + 1


def test_a_write_whose_answer_was_lost_is_done_once_and_no_conflict(behind: SqlBackend, relay: Relay) -> None:
    first = behind.put("s/1/head", SMALL)
    relay.lose = 1
    second = behind.put("s/1/head", BytesPayload(b"next"), expect=first)
    entry = behind.get("s/1/head")
    assert entry is not None
    assert (entry.etag, bytes(entry.payload.parts()[0])) == (second, b"next")


def test_where_one_thing_is_not_as_expected_nothing_is_done(backend: SqlBackend) -> None:
    etags = backend.put_many([Put(key, SMALL) for key in "abc"])
    puts = [Put("a", SMALL, expect=etags[0]), Put("b", SMALL, expect=etags[0]), Put("new", SMALL)]
    with pytest.raises(Conflict):
        backend.put_many(puts, delete=["c"])
    assert {key: entry.etag for key, entry in backend.get_many("abc").items()} == dict(zip("abc", etags, strict=True))
    assert backend.get("new") is None


def test_what_has_expired_is_not_as_expected(backend: SqlBackend) -> None:
    etag = backend.put("a", SMALL, 0)
    with pytest.raises(Conflict):
        backend.put("a", SMALL, expect=etag)
    backend.put("a", SMALL, expect=ABSENT)


def test_a_small_value_takes_the_place_of_a_large_one_and_leaves_nothing_of_it(
    backend: SqlBackend, tmp_path: Path
) -> None:
    etag = backend.put("a", LARGE)
    backend.put("b", LARGE)
    backend.put_many([Put("a", SMALL, None, etag)], delete=["b"])
    assert backend.get("b") is None
    backend.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 1 << 20] == []
    engine = sa.create_engine(backend._database.dialect.url)
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        rows = [connection.exec_driver_sql(f"SELECT count(*) FROM {t}").scalar() for t in tables if "chunks" in t]
    engine.dispose()
    assert rows in ([], [0])


@pytest.mark.parametrize("gone", [False, True])
def test_chunks_of_a_large_put_that_a_small_one_waited_for_are_purged(postgresql: str, gone: bool) -> None:
    engine = sa.create_engine(postgresql)
    with closing(SqlBackend(postgresql)) as backend, ThreadPoolExecutor(1) as threads, engine.connect() as other:
        backend.put_many([Put("a", SMALL), Put("b", LARGE)])
        other.exec_driver_sql("UPDATE dash_statemanager_entries SET etag = 'large', body = NULL WHERE key = 'a'")
        other.exec_driver_sql("INSERT INTO dash_statemanager_chunks VALUES ('a', 'large', 0, 'x')")
        if gone:
            done = threads.submit(backend.put_many, [Put("c", SMALL)], delete=["a"])
        else:
            done = threads.submit(backend.put_many, [Put("a", SMALL)])
        time.sleep(0.3)
        assert not done.done()
        other.commit()
        done.result()

        backend.purge()

        left = other.exec_driver_sql("SELECT DISTINCT key FROM dash_statemanager_chunks").scalars().all()
        assert left == ["b"]
    engine.dispose()


@pytest.mark.parametrize("number", [1, 39, 40, 41, 200])
def test_many_small_values_are_written_together_too(backend: SqlBackend, number: int) -> None:
    etags = backend.put_many([Put(f"k/{i}", SMALL, 60) for i in range(number)])
    puts = [Put(f"k/{i}", BytesPayload(b"%d" % i), 60, etag) for i, etag in enumerate(etags)]
    backend.put_many(puts, delete=[f"other/{i}" for i in range(20)])
    found = backend.get_many(f"k/{i}" for i in range(number))
    assert [bytes(entry.payload.parts()[0]) for entry in found.values()] == [b"%d" % i for i in range(number)]
