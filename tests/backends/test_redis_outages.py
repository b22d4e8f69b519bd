"""Redis that refuses, forgets, dies, comes back, or is replaced by another."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from dash_statemanager.backends.base import ABSENT, BytesPayload, MemoryRoom, Put
from dash_statemanager.backends.redis import RedisBackend
from dash_statemanager.backends.redis.layout import CHUNK
from dash_statemanager.errors import (
    BackendError,
    BackendFull,
    BackendReadOnly,
    BackendUnavailable,
    Conflict,
)
from tests.backends import crash
from tests.backends.relay import Relay
from tests.conftest import missing
from tests.servers.base import running, wait_until
from tests.servers.redis import SLOTS, RedisCluster, RedisServer, SentinelGroup, executable, old_executable

MEGABYTE = 1 << 20
KEY = "dash/scope/store/version"
SMALL = BytesPayload(b"small")
LARGE = BytesPayload(os.urandom(9 * MEGABYTE))
BOUND = 2.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with running(RedisServer(tmp_path)) as server:
        yield server


@pytest.fixture
def backend(server: RedisServer) -> Iterator[RedisBackend]:
    backend = RedisBackend(str(server.settings()["redis_url"]))
    yield backend
    backend.close()


def names(server: RedisServer) -> list[bytes]:
    """Names of entries and chunks; indexes are left out."""
    with server.client() as client:
        return sorted(client.scan_iter(_type="string"))


def seconds(what: Callable[[], object]) -> float:
    start = time.monotonic()
    what()
    return time.monotonic() - start


def fails(what: Callable[[], object], word: str, kind: type[BackendError] = BackendUnavailable) -> None:
    """It raises that error with that word in it, and in time where the server is away."""

    def check() -> None:
        with pytest.raises(kind, match=word):
            what()

    assert seconds(check) < BOUND or not issubclass(kind, BackendUnavailable)


# full


def test_a_full_server_keeps_what_it_has_and_can_be_read_prolonged_and_emptied(server, backend):
    backend.put(KEY, LARGE, 60)
    lock = backend.put("dash/~locks/a", SMALL, 60, expect=ABSENT)
    before = names(server)
    server.set_full(True)

    for size in (1, 100_000, 9 * MEGABYTE):
        for key in (KEY, "dash/scope/other"):
            fails(lambda key=key, size=size: backend.put(key, BytesPayload(bytes(size)), 60), "maxmemory", BackendFull)

    assert names(server) == before
    assert bytes(backend.get(KEY).payload.buffer) == LARGE.buffer
    assert backend.touch(KEY, 90)
    backend.put("dash/~locks/a", BytesPayload(b""), 1e-6, expect=lock)
    assert backend.delete(KEY) == 1
    assert names(server) == []


def test_a_server_that_gets_full_during_an_upload_keeps_nothing_of_it(server, backend):
    backend.put(KEY, SMALL)
    with server.client() as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", used + 40 * MEGABYTE)

    fails(lambda: backend.put(KEY, BytesPayload(bytes(60 * MEGABYTE))), "maxmemory", BackendFull)

    assert names(server) == [b"{dash/scope}/store/version"]
    assert bytes(backend.get(KEY).payload.buffer) == b"small"


# answers that get lost


@pytest.mark.parametrize("payload", [SMALL, BytesPayload(bytes(100_000)), LARGE], ids=["small", "medium", "large"])
def test_a_write_whose_answer_is_lost_is_done_once(server, payload):
    with Relay(server.port) as relay:
        backend = RedisBackend(str(server.settings(relay.port)["redis_url"]))
        backend.put("dash/scope/other", SMALL)
        relay.lose = 1

        etag = backend.put(KEY, payload, 60, expect=ABSENT)

        assert relay.lose == 0
        assert backend.get(KEY).etag == etag
        with pytest.raises(Conflict):
            backend.put(KEY, payload, 60, expect=ABSENT)
        assert len(names(server)) == (4 if payload is LARGE else 2)
        backend.close()


def test_a_read_whose_answer_is_lost_is_repeated(server):
    with Relay(server.port) as relay:
        backend = RedisBackend(str(server.settings(relay.port)["redis_url"]))
        backend.put(KEY, LARGE)
        relay.lose = 1

        assert bytes(backend.get(KEY).payload.buffer) == LARGE.buffer

        relay.lose = 100
        fails(lambda: backend.get(KEY), "can't be reached")
        backend.close()


# restarts


def test_a_restarted_server_is_used_at_once(server, backend):
    start = threading.Barrier(8)

    def connect(number: int) -> None:
        start.wait()
        backend.put(f"dash/scope/{number}", SMALL)

    for _ in range(2):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(connect, range(8)))
        server.stop()
        server.start()
    backend.put(KEY, SMALL)

    assert [row.key for row in backend.scan("")] == [KEY]


def test_a_server_that_stands_still_is_reported_in_time_and_used_again_afterwards(server):
    backend = RedisBackend(str(server.settings()["redis_url"]), pool_size=2)
    backend.put(KEY, SMALL)
    server.pause()
    problems: list[str] = []

    def read(_: int) -> None:
        try:
            backend.get(KEY)
        except BackendUnavailable as exc:
            problems.append(exc.what)

    with ThreadPoolExecutor(6) as threads:
        assert seconds(lambda: list(threads.map(read, range(6)))) < BOUND
    server.resume()

    assert len(problems) == 6
    assert backend.get(KEY) is not None
    backend.close()


def test_a_server_that_is_still_loading_is_reported(tmp_path):
    with running(RedisServer(tmp_path)) as server, server.client() as client:
        if not server.knows("loading-process-events-interval-bytes"):
            missing("needs a Redis of version 7")
        for number in range(100):
            client.set(f"key {number}", os.urandom(2000))
        client.save()
    slow = RedisServer(tmp_path, key_load_delay=10_000, loading_process_events_interval_bytes=1024)
    backend = RedisBackend(str(slow.settings()["redis_url"]))
    starting = threading.Thread(target=slow.start)
    starting.start()
    try:
        wait_until(lambda: is_loading(backend))
        wait_until(lambda: backend.put(KEY, SMALL))
    finally:
        starting.join()
        slow.kill()
        backend.close()


def is_loading(backend: RedisBackend) -> bool:
    try:
        backend.get(KEY)
    except BackendUnavailable as exc:
        return "loading" in exc.what
    return False


WRITER = """
from dash_statemanager.backends.redis import RedisBackend
from dash_statemanager.backends.redis.layout import CHUNK
from tests.backends import crash
backend = RedisBackend(sys.argv[1])
for number in range(1, 501):
    crash.do(crash.history(number), backend)
    if number % 50 == 0:
        backend.put("k/large", BytesPayload(crash.content(number, "k/large", 9 << 20)), 3600)
    print(number, flush=True)
"""


def test_nothing_acknowledged_is_lost_when_writer_and_server_are_killed(start, tmp_path):
    server = RedisServer(tmp_path, appendonly="yes", appendfsync="always")
    url = str(server.settings()["redis_url"])
    with running(server), closing(RedisBackend(url)) as backend:
        writer = start(WRITER, url)
        done = [int(writer.stdout.readline()) for _ in range(250)][-1]
        writer.kill()
        done = int((writer.stdout.read().split() or [str(done)])[-1])
        server.kill()
        server.start()

        expected: dict[str, bytes] = {}
        for number in range(1, done + 1):
            expected = crash.history(number).apply(expected)
        then = crash.history(done + 1).apply(expected)
        found = {key: bytes(entry.payload.buffer) for key, entry in backend.get_many(crash.KEYS).items()}
        assert found in (expected, then)
        large = bytes(backend.get("k/large").payload.buffer)
        assert crash.is_whole(large, "k/large")
        assert int(large[: crash.HEAD]) in (done // 50 * 50, done + 1)
        with server.client() as client:
            assert all(client.pttl(name) > 0 for name in client.scan_iter())


# replicas


def test_a_replica_is_reported(server, backend):
    backend.put(KEY, SMALL, 30)
    server.set_read_only(True)

    fails(lambda: backend.put(KEY, SMALL), "read-only replica", BackendReadOnly)
    fails(lambda: backend.put(KEY, LARGE), "read-only replica", BackendReadOnly)
    fails(lambda: backend.delete(KEY), "read-only replica", BackendReadOnly)
    fails(lambda: backend.touch(KEY, 60), "read-only replica", BackendReadOnly)
    fails(backend.ping, "read-only replica", BackendReadOnly)
    assert backend.get(KEY) is not None

    with server.client() as client:
        client.config_set("replica-serve-stale-data", "no")
    fails(lambda: backend.get(KEY), "without its primary")

    server.set_read_only(False)
    backend.put(KEY, SMALL)


@pytest.mark.parametrize("program", [executable, old_executable])
def test_a_new_primary_at_the_same_address_is_found_though_the_old_one_is_still_connected(tmp_path, program):
    """As in a planned failover of a managed Redis; a script's refusal has other words before version 7."""
    folders = tmp_path / "old", tmp_path / "new"
    for folder in folders:
        folder.mkdir()
    old, new = (RedisServer(folder, program=program()) for folder in folders)
    with running(old), running(new), Relay(old.port) as relay:
        backend = RedisBackend(str(old.settings(relay.port)["redis_url"]))
        backend.put(KEY, SMALL)
        relay.target = new.port
        old.set_read_only(True)

        backend.put(KEY, SMALL)

        assert backend.touch(KEY, 60)
        assert names(new) == [b"{dash/scope}/store/version"]
        backend.close()


def test_a_primary_that_wants_more_replicas_takes_no_writes(server, backend):
    backend.put(KEY, SMALL, 30)
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)

    fails(lambda: backend.put(KEY, BytesPayload(b"2")), "wants more replicas", BackendReadOnly)
    fails(lambda: backend.put(KEY, LARGE), "wants more replicas", BackendReadOnly)
    fails(lambda: backend.touch(KEY, 60), "wants more replicas", BackendReadOnly)

    assert bytes(backend.get(KEY).payload.buffer) == b"small"


def test_the_new_primary_is_found_through_sentinels(tmp_path):
    with running(SentinelGroup(tmp_path)) as group, closing(RedisBackend(group.url)) as backend:
        backend.put(KEY, LARGE, 60)
        with group.primary.client() as client:
            assert client.wait(1, 5000) == 1
        group.primary.kill()

        wait_until(lambda: backend.put("dash/scope/new", SMALL))

        assert bytes(backend.get(KEY).payload.buffer) == LARGE.buffer
        assert b"{dash/scope}/new" in names(group.replica)
        backend.close()
        wait_until(group.agrees_on_replica)
        group.sentinels[0].pause()
        wait_until(lambda: backend.get(KEY))  # on a busy machine Sentinels miss a primary for half a second


def test_sentinels_that_are_away_or_know_no_such_service_are_reported(tmp_path):
    with running(SentinelGroup(tmp_path)) as group:
        fails(RedisBackend(group.url.replace("/state/", "/other/")).ping, "no primary that a Sentinel knows")
        for sentinel in group.sentinels:
            sentinel.pause()
        fails(RedisBackend(group.url).ping, "does not answer|no primary")


# clusters


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with running(RedisCluster(tmp_path_factory.mktemp("cluster"))) as cluster:
        yield cluster


@pytest.fixture
def clustered(cluster: RedisCluster) -> Iterator[RedisBackend]:
    backend = RedisBackend(cluster.url)
    yield backend
    backend.delete(*(row.key for row in backend.scan("")))
    backend.close()


def scope_of(cluster: RedisCluster, number: int) -> str:
    """A scope that the node of that number holds."""
    slots = range(number * SLOTS // 3, (number + 1) * SLOTS // 3)
    return next(scope for scope in map("dash/{}".format, range(1000)) if key_slot(f"{{{scope}}}".encode()) in slots)


def test_a_scope_is_changed_as_a_whole_and_scopes_one_after_the_other(cluster, clustered):
    first, second, third = (scope_of(cluster, number) for number in range(3))
    clustered.put(f"{second}/head", SMALL)
    puts = [
        Put(f"{first}/version", LARGE),
        Put(f"{second}/version", LARGE),
        Put(f"{third}/version", LARGE),
        Put(f"{second}/head", SMALL, expect=ABSENT),
        Put(f"{first}/head", SMALL, expect=ABSENT),
    ]

    with pytest.raises(Conflict):
        clustered.put_many(puts)

    assert {row.key for row in clustered.scan("")} == {f"{first}/version", f"{first}/head", f"{second}/head"}


def test_what_moves_to_another_node_is_found_there(cluster, clustered):
    scope = scope_of(cluster, 0)
    slot = key_slot(f"{{{scope}}}".encode())
    etag = clustered.put(f"{scope}/version", LARGE, 60)
    cluster.move(slot, *cluster.nodes[:2])
    try:
        assert clustered.get(f"{scope}/version").etag == etag
        clustered.put(f"{scope}/version", SMALL, expect=etag)
        assert [row.key for row in clustered.scan("")] == [f"{scope}/version"]
    finally:
        cluster.move(slot, cluster.nodes[1], cluster.nodes[0])


def test_a_scope_is_read_while_its_slot_is_moving_and_written_after_that(cluster, clustered):
    scope = scope_of(cluster, 0)
    slot = key_slot(f"{{{scope}}}".encode())
    clustered.put(f"{scope}/old", SMALL)
    with cluster.moving(slot, *cluster.nodes[:2]):
        assert clustered.get(f"{scope}/old") is not None
        assert clustered.get(f"{scope}/new") is None
        with pytest.raises(BackendUnavailable, match="slots"):
            clustered.put(f"{scope}/new", LARGE, 60)
    try:
        clustered.put(f"{scope}/new", SMALL)
        assert [row.key for row in clustered.scan(scope)] == [f"{scope}/new", f"{scope}/old"]
    finally:
        cluster.move(slot, cluster.nodes[1], cluster.nodes[0])


def test_a_cluster_is_asked_anew_for_its_slots_while_a_large_value_is_received(cluster, clustered):
    """What it says then is not taken for the value."""
    key, large = f"{scope_of(cluster, 0)}/a", os.urandom(3 * CHUNK)
    clustered.put(key, BytesPayload(large), 60)
    asked: list[int] = []

    def room(nbytes: int) -> MemoryRoom:
        asked.append(nbytes)
        clustered._servers._topology.forget()
        return MemoryRoom(nbytes)

    clustered.room = room

    assert bytes(clustered.get(key).payload.buffer) == large
    assert asked == [3 * CHUNK]


def test_a_cluster_without_one_of_its_nodes_is_reported(tmp_path):
    with running(RedisCluster(tmp_path, patience=0.5)) as cluster, closing(RedisBackend(cluster.url)) as backend:
        lost, kept = scope_of(cluster, 0), scope_of(cluster, 1)
        backend.put(f"{lost}/a", SMALL)
        cluster.nodes[0].kill()
        fails(lambda: backend.get(f"{lost}/a"), "can't be reached|does not answer|slots")
        fails(backend.ping, "can't be reached|does not answer|slots")
        wait_until(lambda: says(backend, kept, "slots"))

        cluster.nodes[0].start()
        wait_until(lambda: backend.put(f"{lost}/a", SMALL) and backend.put(f"{kept}/a", SMALL), 10)
        wait_until(lambda: backend.ping() is None, 60)


def test_the_replica_of_a_lost_node_takes_over(tmp_path):
    with running(RedisCluster(tmp_path, patience=0.5)) as cluster, closing(RedisBackend(cluster.url)) as backend:
        key = f"{scope_of(cluster, 0)}/a"
        replica = cluster.add_replica(cluster.nodes[0])
        backend.put(key, LARGE, 60)
        with cluster.nodes[0].client() as client:
            assert client.wait(1, 5000) == 1
        cluster.nodes[0].pause()

        wait_until(lambda: backend.put(key, SMALL, 60), 60)

        assert bytes(backend.get(key).payload.buffer) == b"small"
        wait_until(lambda: backend.ping() is None, 60)
        with replica.client() as client:
            assert client.role()[0] == b"master"


def says(backend: RedisBackend, scope: str, word: str) -> bool:
    try:
        backend.get(f"{scope}/a")
    except BackendUnavailable as exc:
        return word in exc.what
    return False


def test_the_wrong_kind_of_url_is_an_error_that_says_so(cluster, server):
    url: Any = cluster.nodes[0].settings()["redis_url"]
    single = RedisBackend(url)
    fails(lambda: [single.get(f"dash/{number}") for number in range(100)], "redis\\+cluster://")
    single.close()

    url = server.settings()["redis_url"]
    fails(RedisBackend(url.replace("redis:", "redis+cluster:").removesuffix("/0")).ping, "redis://", BackendError)
