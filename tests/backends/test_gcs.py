"""Google Cloud Storage: conditions, failures and permissions, on a server that enforces what the real one does."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dash_statemanager import configure, ensure_session_context, get_state_manager, get_store, set_store
from dash_statemanager.backends import open_backend
from dash_statemanager.backends.base import ABSENT, BytesPayload, PartsPayload, Put
from dash_statemanager.backends.gcs import GcsBackend, lifecycle_rule
from dash_statemanager.config import Settings
from dash_statemanager.errors import BackendError, BackendUnavailable, ConfigError, Conflict
from tests.backends.memory import peak_of
from tests.backends.programs import COUNT
from tests.servers.base import Proxy, running, wait_until
from tests.servers.gcs import BUCKET, GcsServer

small, large = BytesPayload(b"small"), BytesPayload(bytes(9 << 20))
OPERATIONS = {
    "get": lambda b: b.get("a"),
    "get_many": lambda b: b.get_many("abc"),
    "put": lambda b: b.put("a", small),
    "put, large": lambda b: b.put("a", large),
    "put_many": lambda b: b.put_many([Put("a", small), Put("b", small, expect=ABSENT)], delete=["c"]),
    "delete": lambda b: b.delete("a", "b"),
    "touch": lambda b: b.touch("a", 60),
    "scan": lambda b: list(b.scan("")),
    "purge": lambda b: b.purge(),
    "ping": lambda b: b.ping(),
    "stats": lambda b: b.stats(),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with running(GcsServer(tmp_path_factory.mktemp("gcs"))) as server:
        yield server


@pytest.fixture
def server(shared):
    shared.wipe()
    return shared


@pytest.fixture
def backend(server):
    backend = GcsBackend(BUCKET, endpoint=server.endpoint)
    yield backend
    backend.close()


def content(backend, key):
    entry = backend.get(key)
    return entry and bytes(entry.payload.buffer)


def client(server):
    options = {"client_options": {"api_endpoint": server.endpoint}}
    return storage.Client("project", AnonymousCredentials(), **options)


# settings


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (None, "needs a bucket"),
        ("gs://bucket/folder", "'gs://bucket/folder' is no bucket"),
        ("Bucket", "'Bucket' is no bucket"),
    ],
)
def test_without_a_bucket_it_says_what_to_set(setting, reason):
    with pytest.raises(ConfigError, match=f"{reason}.*Set STATE_GCS_BUCKET"):
        open_backend(Settings(backend="gcs", gcs_bucket=setting))


def test_a_bucket_may_be_written_as_an_address(server, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    backend = open_backend(Settings(backend="gcs", gcs_bucket=f"gs://{BUCKET}/", namespace="app"))

    backend.put("app/a", small)

    assert backend.stats() == {"location": f"gs://{BUCKET}/app/", "entries": 1, "bytes": 5}
    backend.close()


def test_without_credentials_it_says_how_to_get_some(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    with pytest.raises(BackendError, match="gcloud auth application-default login"):
        GcsBackend(BUCKET).get("a")


def test_nothing_is_opened_before_it_is_used(server):
    before = threading.active_count()

    GcsBackend(BUCKET, endpoint=server.endpoint).close()

    assert (threading.active_count(), server.requests()) == (before, [])


# objects


def test_an_object_tells_what_it_is(server, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    configure(backend="gcs", gcs_bucket=BUCKET, ttl_default=60)
    with ensure_session_context("someone"):
        set_store("flights", pd.DataFrame({"a": [1, 2]}))

        assert get_store("flights").a.tolist() == [1, 2]

    blobs = {blob.name.rpartition("/")[2]: blob for blob in client(server).list_blobs(BUCKET, prefix="dash/s")}
    version = next(blob for name, blob in blobs.items() if name != "head")
    assert version.name.count("/") == 3
    assert version.metadata["codec"] == "frame"
    assert float(version.metadata["expires"]) == pytest.approx(version.custom_time.timestamp(), abs=1)
    assert get_state_manager().get_backend_stats()["backend"]["location"] == f"gs://{BUCKET}/dash/"


def test_objects_of_others_are_left_alone(server, backend):
    client(server).bucket(BUCKET).blob("theirs").upload_from_string("data")
    backend.put("ours", small)

    assert [listing.key for listing in backend.scan("")] == ["ours"]
    assert backend.purge() == 0
    assert client(server).bucket(BUCKET).blob("theirs").exists()


def test_a_small_value_is_one_request_each_way(server, backend):
    backend.ping()
    server.requests()

    etag = backend.put("a", small, expect=ABSENT)
    backend.get("a")
    backend.put("a", small, expect=etag)

    assert [request.split(" ")[0] for request in server.requests()] == ["POST", "GET", "POST"]


def test_a_large_value_goes_up_in_pieces_and_comes_down_in_ranges_at_once(server, backend):
    data = os.urandom(40 << 20)
    backend.put("a", BytesPayload(data))
    pieces = [request for request in server.requests() if request.startswith("PUT ")]
    server.faults({"on": "GET /bucket/a.generation", "hang": 0.05, "times": -1})
    server.peak()

    assert content(backend, "a") == data

    ranges = [request for request in server.requests() if request.startswith("GET /bucket/a")]
    assert (len(pieces), len(ranges)) == (3, 5)
    assert all("generation=" in request for request in ranges[1:])
    assert server.peak() > 1


def test_an_upload_takes_memory_for_one_piece(backend):
    parts = [bytes(8 << 20)] * 12
    peak = peak_of(lambda: backend.put("k", PartsPayload(*parts)))
    assert peak < 40 << 20  # a piece has 16 MiB
    assert len(content(backend, "k")) == 96 << 20


def test_ranges_are_asked_for_at_once_and_again_where_the_object_was_replaced_between(server, backend):
    old, new = os.urandom(3 << 20), os.urandom(1 << 20)
    backend.put("a", BytesPayload(old))
    ranges = [(0, 9), (1 << 20, (1 << 20) + 9), (2 << 20, 4 << 20)]
    server.requests()
    assert [bytes(part) for part in backend.get_ranges("a", ranges).parts] == [old[a:b] for a, b in ranges]
    assert len(server.requests()) == 3

    server.faults({"on": "GET /bucket/a", "hang": 0.3, "times": 1})
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(backend.get_ranges, "a", ranges)
        wait_until(lambda: len([each for each in server.requests() if each.startswith("GET /bucket/a")]) > 0)
        backend.put("a", BytesPayload(new))
        found = asked.result()

    assert [bytes(part) for part in found.parts] in ([new[:9], b"", b""], [old[a:b] for a, b in ranges])


@pytest.mark.parametrize("trouble", [{"status": 503}, {"lost": True}], ids=["later", "lost"])
@pytest.mark.parametrize("piece", ["first", "last"])
def test_a_large_upload_goes_on_where_it_was_broken_off(server, backend, trouble, piece):
    data = os.urandom(40 << 20)
    waits = [] if piece == "first" else [{"on": "PUT /upload", "hang": 0, "times": 2}]
    server.faults(*waits, {"on": "PUT /upload", **trouble})

    etag = backend.put("a", BytesPayload(data), expect=ABSENT)

    assert backend.get("a").etag == etag
    assert content(backend, "a") == data


def test_an_empty_object_that_is_overwritten_while_it_is_read_is_not_taken_for_the_new_one(backend, monkeypatch):
    backend.put("a", BytesPayload(b""))
    stat = backend._bucket.stat

    def overwritten(key):
        monkeypatch.undo()
        backend.put(key, small)
        return stat(key)

    monkeypatch.setattr(backend._bucket, "stat", overwritten)

    assert content(backend, "a") == b"small"


def test_what_is_overwritten_while_it_is_read_is_never_mixed(server, backend):
    values = [bytes([number]) * (20 << 20) for number in range(4)]
    backend.put("a", BytesPayload(values[0]))
    server.faults({"on": "GET /bucket/a.generation", "hang": 0.1, "times": -1})

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(lambda: [backend.put("a", BytesPayload(value)) for value in values[1:]])
        seen = [content(backend, "a")]
        while not writing.done():
            seen.append(content(backend, "a"))

    assert all(value in values for value in seen)
    assert content(backend, "a") == values[-1]


def test_many_requests_are_under_way_at_once_but_no_more_than_the_pool_has(server):
    backend = GcsBackend(BUCKET, endpoint=server.endpoint, pool_size=4)
    server.faults({"on": ".*", "hang": 0.02, "times": -1})
    backend.put_many([Put(f"k/{number}", small) for number in range(16)])

    assert len(backend.get_many(f"k/{number}" for number in range(16))) == 16

    assert 2 <= server.peak() <= 4
    backend.close()


# conditions


def test_no_increment_of_two_processes_is_lost(server, backend, start):
    programs = [start(COUNT, server.endpoint) for _ in range(2)]

    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        assert program.wait(60) == 0, program.stderr.read()

    assert content(backend, "counter") == b"1000"


def test_a_write_whose_answer_is_lost_is_no_conflict_with_itself(server, backend):
    server.faults({"on": "POST /upload", "lost": True})
    etag = backend.put("a", small, expect=ABSENT)
    assert backend.get("a").etag == etag

    server.faults({"on": "POST /upload", "lost": True})
    second = backend.put("a", BytesPayload(b"2"), expect=etag)

    assert (backend.get("a").etag, content(backend, "a")) == (second, b"2")


def test_a_write_whose_answer_is_lost_is_a_conflict_where_another_was_before(server, backend):
    etag = backend.put("a", small)
    server.faults({"on": "POST /upload", "status": 503})
    other = GcsBackend(BUCKET, endpoint=server.endpoint)
    other.put("a", BytesPayload(b"other"))

    with pytest.raises(Conflict):
        backend.put("a", small, expect=etag)

    assert content(other, "a") == b"other"
    other.close()


def test_a_large_upload_that_another_overtakes_is_a_conflict(server, backend):
    etag = backend.put("a", small)
    server.faults({"on": "PUT /upload", "hang": 0.5})

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(backend.put, "a", BytesPayload(bytes(20 << 20)), expect=etag)
        wait_until(lambda: any(request.startswith("PUT ") for request in server.requests()))
        backend.put("a", BytesPayload(b"other"), expect=etag)

    with pytest.raises(Conflict):
        writing.result()
    assert content(backend, "a") == b"other"


UPDATE = """
import dash_statemanager as dsm

dsm.configure(backend="gcs", gcs_bucket="bucket", secret_key="the same for both")
sys.stdin.readline()
with dsm.ensure_session_context("someone"):
    for _ in range(50):
        dsm.update_store("count", lambda count: count + 1, default=0)
"""


def test_no_change_of_a_store_by_two_processes_is_lost(server, start, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    programs = [start(UPDATE) for _ in range(2)]

    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        assert program.wait(60) == 0, program.stderr.read()

    configure(backend="gcs", gcs_bucket=BUCKET, secret_key="the same for both")
    with ensure_session_context("someone"):
        assert get_store("count") == 100


def test_heads_are_put_after_their_versions_and_not_after_a_conflict(server, backend):
    backend.put("head/2", small)
    server.requests()

    puts = [Put("version/1", small), Put("version/2", small)]
    puts += [Put(f"head/{number}", small, expect=ABSENT) for number in (1, 2, 3)]
    with pytest.raises(Conflict):
        backend.put_many(puts, delete=["version/1"])

    assert sorted(listing.key for listing in backend.scan("")) == ["head/1", "head/2", "version/1", "version/2"]


def test_purge_leaves_what_is_put_meanwhile(server):
    now = [1e9]
    backend = GcsBackend(BUCKET, lambda: now[0], endpoint=server.endpoint)
    backend.put("a", small, ttl=10)
    now[0] += 11
    server.faults({"on": "DELETE ", "hang": 0.3})

    with ThreadPoolExecutor(1) as thread:
        purging = thread.submit(backend.purge)
        wait_until(lambda: any(request.startswith("DELETE") for request in server.requests()))
        backend.put("a", BytesPayload(b"new"), ttl=10)

    assert purging.result() == 0
    assert content(backend, "a") == b"new"
    backend.close()


def test_the_lifecycle_rule_is_told_once(server, caplog):
    caplog.set_level(logging.INFO, "dash_statemanager")
    now = [1e9]
    backend = GcsBackend(BUCKET, lambda: now[0], prefix="app/", endpoint=server.endpoint)
    for _ in range(2):
        backend.put("app/a", small, ttl=10)
        now[0] += 11
        assert backend.purge() == 1

    (record,) = [record for record in caplog.records if "lifecycle" in record.message]
    assert json.loads(record.message.partition(": ")[2]) == lifecycle_rule("app/")
    backend.close()


def test_the_page_shows_the_lifecycle_rule():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "google-cloud-storage.md"
    (shown,) = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)

    assert json.loads(shown) == lifecycle_rule("dash/")


# failures


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_server_that_says_later_is_asked_again(server, backend, operation):
    backend.put("a", small)
    server.faults(*({"on": ".*", "status": status} for status in (429, 503)))

    operation(backend)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_there_are_several_ways_to_say_later(server, backend, status):
    backend.put("a", small)
    server.faults({"on": ".*", "status": status})

    assert content(backend, "a") == b"small"


def test_a_server_that_goes_on_saying_later_is_unavailable(server, backend, monkeypatch):
    monkeypatch.setattr("dash_statemanager.backends.gcs.failures.PATIENCE", 0.2)
    server.faults({"on": ".*", "status": 429, "times": -1})

    with pytest.raises(BackendUnavailable, match="later"):
        backend.put("a", small)


@pytest.mark.parametrize(
    ("mode", "operation"),
    [("refuse", name) for name in OPERATIONS]
    + [(mode, name) for mode in ("hang", "reset") for name in ("get_many", "put", "put, large", "scan")],
)
def test_an_unreachable_server_is_unavailable_within_two_seconds(server, mode, operation):
    with Proxy(server.port) as proxy:
        backend = GcsBackend(BUCKET, endpoint=f"http://127.0.0.1:{proxy.port}", timeout=0.3)
        backend.put("a", small)
        proxy.mode = mode
        begun = time.monotonic()

        with pytest.raises(BackendUnavailable, match=f"gs://{BUCKET}"):
            OPERATIONS[operation](backend)

        assert time.monotonic() - begun < 2
        proxy.mode = "pass"
        wait_until(lambda: content(backend, "a") == b"small", 5)
        backend.close()


def test_with_the_default_timeout_a_silent_server_is_found_out_within_two_seconds(server):
    with Proxy(server.port) as proxy:
        backend = GcsBackend(BUCKET, endpoint=f"http://127.0.0.1:{proxy.port}")
        proxy.mode = "hang"
        for operation in (backend.ping, lambda: backend.put("a", large)):
            begun = time.monotonic()
            with pytest.raises(BackendUnavailable):
                operation()
            assert time.monotonic() - begun < 2
        proxy.mode = "pass"
        backend.close()


@pytest.mark.parametrize("operation", ["get", "put", "delete", "touch", "scan", "ping", "stats"])
def test_an_answer_that_trickles_is_no_answer(server, operation):
    backend = GcsBackend(BUCKET, endpoint=server.endpoint, timeout=0.3)
    backend.put("a", BytesPayload(bytes(1000)))
    server.faults({"on": "(GET|POST|DELETE) ", "pace": 1, "times": -1})
    begun = time.monotonic()

    with pytest.raises(BackendUnavailable, match=f"gs://{BUCKET}"):
        OPERATIONS[operation](backend)

    assert time.monotonic() - begun < 2
    server.faults()
    backend.ping()
    backend.close()


def test_an_answer_that_comes_on_may_take_longer_than_a_silence(server):
    backend = GcsBackend(BUCKET, endpoint=server.endpoint, timeout=0.3)
    backend.put("a", large)
    server.faults({"on": "GET /bucket/a", "pace": 1 << 20, "times": -1})
    begun = time.monotonic()

    assert content(backend, "a") == large.buffer

    assert time.monotonic() - begun > 0.3
    backend.close()


def test_a_ping_has_no_patience_with_a_server_that_says_later(server):
    backend = GcsBackend(BUCKET, endpoint=server.endpoint, timeout=0.3)
    server.faults({"on": ".*", "status": 503, "times": -1})

    with pytest.raises(BackendUnavailable, match="did not answer within"):
        backend.ping()

    server.faults()
    wait_until(lambda: "dash-statemanager-ping" not in {thread.name for thread in threading.enumerate()}, 5)
    backend.close()


def test_damage_on_the_way_is_found(server, backend):
    backend.put("a", small)
    server.faults({"on": "GET /bucket/a", "damaged": True})

    with pytest.raises(BackendUnavailable, match="damaged"):
        backend.get("a")


# permissions


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("get", "storage.objects.get and storage.objects.list"),
        ("put", "storage.objects.create and storage.objects.delete"),
        ("put, large", "storage.objects.list"),
        ("delete", "storage.objects.get"),
        ("touch", "storage.objects.get"),
        ("scan", "storage.objects.list"),
    ],
)
def test_a_refusal_names_the_permission_and_the_role(server, backend, operation, permission):
    server.faults({"on": ".*", "status": 403, "times": -1})

    with pytest.raises(BackendError, match=f"{permission}.*roles/storage.objectUser on gs://{BUCKET}"):
        OPERATIONS[operation](backend)


@pytest.mark.parametrize(
    ("method", "operation", "permission"),
    [
        ("DELETE", "delete", "storage.objects.delete"),
        ("PATCH", "touch", "storage.objects.update"),
    ],
)
def test_who_may_read_may_not_change(server, backend, method, operation, permission):
    backend.put("a", small, 10)
    server.faults({"on": f"{method} ", "status": 403, "times": -1})

    with pytest.raises(BackendError, match=permission):
        OPERATIONS[operation](backend)


def test_a_ping_fails_where_the_bucket_can_not_be_used(server, backend):
    server.faults({"on": ".*", "status": 403})

    with pytest.raises(BackendUnavailable, match=r"storage\.objects\.list"):
        backend.ping()


def test_refused_credentials_are_told_from_a_missing_permission(server, backend):
    server.faults({"on": ".*", "status": 401})

    with pytest.raises(BackendError, match="credentials"):
        backend.put("a", small)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_bucket_that_is_missing_is_made(server, operation):
    backend = GcsBackend("another", endpoint=server.endpoint)

    operation(backend)

    assert any(request.startswith("POST /storage/v1/b?") for request in server.requests())
    backend.put("b", small)
    assert content(backend, "b") == b"small"
    backend.close()


def test_a_bucket_that_may_not_be_made_is_an_error_that_says_how_to_make_it(server):
    backend = GcsBackend("another", endpoint=server.endpoint)
    server.faults({"on": r"POST /storage/v1/b\?", "status": 403, "times": -1})

    for operation in OPERATIONS.values():
        with pytest.raises(BackendError, match=r"storage\.buckets\.create.*gcloud storage buckets create gs://another"):
            operation(backend)
    backend.close()


# processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_has_connections_and_threads_of_its_own(server, backend):
    backend.put_many([Put("a", small), Put("b", large)])
    child = os.fork()
    if not child:
        try:
            found = backend.get_many("ab")
            backend.put_many([Put("c", small), Put("d", small)])
            os._exit(0 if len(found) == 2 else 1)
        finally:
            os._exit(2)

    assert content(backend, "b") == large.buffer
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(backend.get_many("abcd")) == 4
