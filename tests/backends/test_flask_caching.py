"""The cache of an app as a backend: how it is found, what it promises, and what it says that it can't."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dash
import memcache
import pandas as pd
import pytest
from flask import Flask
from flask_caching import Cache
from flask_caching.backends.base import BaseCache

from dash_statemanager import configure, ensure_session_context, get_state_manager, get_store, set_store
from dash_statemanager.backends import open_backend
from dash_statemanager.backends.base import BytesPayload, Put
from dash_statemanager.backends.flask_caching import FlaskCachingBackend
from dash_statemanager.config import Settings
from dash_statemanager.errors import BackendError, BackendFull, BackendUnavailable, ConfigError
from dash_statemanager.locks import Locks
from tests.conftest import missing
from tests.servers import memcached
from tests.servers import redis as redis_servers
from tests.servers.base import running

small, large = BytesPayload(b"small"), BytesPayload(bytes(300_000))


class Refusing(BaseCache):
    """A cache without room."""

    def set(self, key, value, timeout=None):
        return False


class Forgetful(BaseCache):
    """A cache that drops what stands beside the rows."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get(self, key):
        return self.kept.get(key)

    def set(self, key, value, timeout=None):
        if "~" not in key:
            self.kept[key] = value
        return True

    def delete(self, key):
        return self.kept.pop(key, None) is not None


REDIS_PREFIX = f"{redis_servers.PREFIX}flask:"


def cache(kind="SimpleCache", **config):
    return Cache(Flask("app"), config={"CACHE_TYPE": kind, "CACHE_THRESHOLD": 0, **config})


def files_of(folder):
    return {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(folder / "cache"), "CACHE_THRESHOLD": 0}


def files(folder):
    return cache(**files_of(folder))


def content(backend, key):
    entry = backend.get(key)
    return entry and bytes(entry.payload.buffer)


@pytest.fixture
def redis_server(tmp_path):
    with running(redis_servers.RedisServer(tmp_path)) as server:
        yield server


@pytest.fixture(scope="module")
def memcached_server(tmp_path_factory):
    if not memcached.executable():
        missing(f"needs memcached: {memcached.GET_MEMCACHED}")
    with running(memcached.Memcached(tmp_path_factory.mktemp("memcached"))) as server:
        yield server


# finding it


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (None, "needs a flask_caching.Cache"),
        ("cache", "does not name one"),
        (42, "does not name one"),
        ("nosuchmodule:cache", "nosuchmodule:cache.*can't be imported"),
        ("os:nosuchname", "os:nosuchname.*can't be imported"),
        ("os:path", "is a module and no flask_caching.Cache"),
    ],
)
def test_a_cache_that_is_not_there_is_an_error_with_the_way_to_set_it(setting, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        open_backend(Settings(backend="flask-caching", flask_cache=setting))

    assert "Pass the Cache" in caught.value.remedy or "module of its own" in caught.value.remedy


def test_a_cache_is_imported_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "my_extensions.py").write_text("from flask_caching import Cache\ncache = Cache()")
    monkeypatch.syspath_prepend(tmp_path)
    backend = open_backend(Settings(backend="flask-caching", flask_cache="my_extensions:cache"))

    sys.modules["my_extensions"].cache.init_app(Flask("app"), {"CACHE_TYPE": "SimpleCache"})

    backend.put("a", small)
    assert content(backend, "a") == b"small"
    backend.close()


def test_a_cache_without_an_app_is_an_error_that_says_what_to_call():
    backend = FlaskCachingBackend(Cache())

    with pytest.raises(BackendError, match=r"cache\.init_app"):
        backend.get("a")


def test_it_needs_no_app_context_in_any_thread():
    backend = FlaskCachingBackend(cache())

    with ThreadPoolExecutor(1) as thread:
        thread.submit(backend.put, "a", small).result()

    assert content(backend, "a") == b"small"
    backend.close()


def test_the_app_keeps_its_own_values_in_it(tmp_path):
    shared = files(tmp_path)
    shared.set("theirs", {"a": 1})
    backend = FlaskCachingBackend(shared)
    backend.put("app/scope/ours", small)

    assert shared.get("theirs") == {"a": 1}
    assert backend.get("theirs") is None
    assert [listing.key for listing in backend.scan("")] == ["app/scope/ours"]
    backend.close()
    assert shared.get("theirs") == {"a": 1}


# what it says


@pytest.mark.parametrize(
    ("kind", "level", "words"),
    [
        (
            "FileSystemCache",
            logging.WARNING,
            "and beyond 100 items .CACHE_THRESHOLD.*conditional writes.*lists of keys",
        ),
        ("NullCache", logging.ERROR, "keeps nothing"),
    ],
)
@pytest.mark.filterwarnings("ignore:Flask-Caching. CACHE_TYPE is set to NullCache")
def test_what_it_cannot_promise_is_said_once_at_first_use(kind, level, words, tmp_path, caplog):
    backend = FlaskCachingBackend(cache(kind, CACHE_DIR=str(tmp_path / "cache"), CACHE_THRESHOLD=100))
    assert not caplog.records

    for _ in range(2):
        backend.put("a", small)

    (record,) = caplog.records
    assert record.levelno == level
    assert re.search(words, record.message)


@pytest.mark.filterwarnings("ignore:Flask-Caching. CACHE_TYPE is set to NullCache")
def test_a_ping_finds_a_cache_that_keeps_nothing():
    with pytest.raises(BackendUnavailable, match="NullCache does not keep"):
        FlaskCachingBackend(cache("NullCache")).ping()


SIMPLE = """
from flask import Flask
from flask_caching import Cache
from dash_statemanager.backends.flask_caching import FlaskCachingBackend
backend = FlaskCachingBackend(Cache(Flask("app"), config={"CACHE_TYPE": "SimpleCache"}))
backend.put("a", small)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_cache_of_one_process_with_several_workers_is_reported(start):
    first, second = start(SIMPLE), start(SIMPLE)
    for program in (first, second):
        assert program.stdout.readline() == "ready\n"

    _, errors = second.communicate("")
    _, others = first.communicate("")

    assert "SimpleCache of flask-caching keeps data in one process" in errors + others


# what it promises


@pytest.fixture
def in_memcached(memcached_server):
    client = memcache.Client([f"127.0.0.1:{memcached_server.port}"])
    backend = FlaskCachingBackend(cache("MemcachedCache", CACHE_MEMCACHED_SERVERS=client, CACHE_KEY_PREFIX="tests_"))
    yield backend
    backend.delete(*[listing.key for listing in backend.scan("")])
    client.disconnect_all()


@pytest.mark.parametrize("size", [0, 70_000, 5_000_000])
def test_memcached_keeps_values_of_all_sizes(in_memcached, size):
    data, key = os.urandom(size), "app/scope/" + "x" * 190

    etag = in_memcached.put(key, BytesPayload(data), ttl=60)

    assert (content(in_memcached, key), in_memcached.get(key).etag) == (data, etag)
    assert in_memcached.touch(key, 600) is True
    assert (content(in_memcached, key), in_memcached.get(key).etag) == (data, etag)
    assert [listing.nbytes for listing in in_memcached.scan("app/scope/")] == [size]
    assert in_memcached.delete(key) == 1
    assert list(in_memcached.scan("")) == []


def test_memcached_keeps_many_values(in_memcached):
    puts = [Put(f"app/scope-{number % 10}/{number}", BytesPayload(b"%d" % number), 60) for number in range(600)]
    in_memcached.put_many(puts)

    assert len(in_memcached.get_many(put.key for put in puts)) == 600
    assert [listing.key for listing in in_memcached.scan("")] == sorted(put.key for put in puts)
    assert sum(1 for _ in in_memcached.scan("app/scope-3/")) == 60


UWSGI = """
import os, sys
from flask import Flask
from flask_caching import Cache
from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.backends.flask_caching import FlaskCachingBackend
application = Flask("app")
config = {"CACHE_TYPE": "cachelib.UWSGICache", "CACHE_OPTIONS": {"cache": "state"}}
backend = FlaskCachingBackend(Cache(application, config=config))
backend.ping()
large = os.urandom(1_000_000)
backend.put("app/scope/large", BytesPayload(large), 60)
assert backend.touch("app/scope/large", 600)
assert bytes(backend.get("app/scope/large").payload.buffer) == large
print("LISTED", [listing.nbytes for listing in backend.scan("app/scope/")])
try:
    for number in range(40):
        backend.put(f"app/scope/{number}", BytesPayload(large), 60)
except Exception as exc:
    print("FULL", exc)
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no uWSGI here")
def test_uwsgi_keeps_values_in_blocks_and_says_when_it_is_full(tmp_path):
    program = Path(sys.executable).with_name("pyuwsgi")
    if not program.exists():
        missing("needs uWSGI: pip install pyuwsgi")
    (tmp_path / "app.py").write_text(UWSGI)
    options = ["--http-socket", "127.0.0.1:0", "--cache2", "name=state,items=300", "--wsgi-file", tmp_path / "app.py"]

    done = subprocess.run([program, "--need-app", *options], capture_output=True, text=True, timeout=60)

    assert "LISTED [1000000]" in done.stdout + done.stderr
    assert "FULL the UWSGICache refused 60,000 bytes" in done.stdout + done.stderr


FIRST = """
from flask import Flask
from flask_caching import Cache
from dash_statemanager.backends.flask_caching import FlaskCachingBackend
import json
backend = FlaskCachingBackend(Cache(Flask("app"), config=json.loads(sys.argv[1])))
backend.ping()
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    try:
        backend.put(f"app/lease/{number}", small, 60, expect=ABSENT)
        print(number)
    except Conflict:
        pass
"""


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_of_several_processes_one_is_first_where_the_cache_can_add(kind, request, start):
    config = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_servers.url(), "CACHE_KEY_PREFIX": REDIS_PREFIX}
    if kind == "memcached":
        config = dict(request.getfixturevalue("memcached_server").settings())
    programs = [start(FIRST, json.dumps(config)) for _ in range(2)]
    for program in programs:
        assert program.stdout.readline() == "ready\n"

    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    winners = [int(line) for program in programs for line in program.communicate(timeout=60)[0].split()]

    assert sorted(winners) == list(range(200))


def test_what_the_cache_dropped_in_part_is_not_there():
    backend = FlaskCachingBackend(cache(f"{__name__}.Forgetful"))
    backend.put("small", small)
    backend.put("large", large)

    assert backend.get_many(["small", "large"]).keys() == {"small"}
    assert backend.touch("large", 60) is False


def test_a_value_that_is_overwritten_leaves_nothing_behind(tmp_path):
    backend = FlaskCachingBackend(files(tmp_path))
    for _ in range(5):
        backend.put("a", large)
    before = len(list((tmp_path / "cache").iterdir()))

    for _ in range(5):
        backend.put("a", large)

    assert len(list((tmp_path / "cache").iterdir())) == before
    backend.delete("a")
    assert sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) < 1000


def test_the_list_of_a_scope_forgets_what_is_gone(tmp_path):
    now = [1e9]
    backend = FlaskCachingBackend(files(tmp_path), lambda: now[0])
    for number in range(600):
        backend.put(f"app/scope/{number}", small, ttl=10)
        now[0] += 1

    (lists,) = [entry for entry in [backend.get("app/scope/~index")] if entry]
    assert len(json.loads(bytes(lists.payload.buffer))) < 300


def test_what_has_no_room_is_an_error_that_says_what_to_raise():
    backend = FlaskCachingBackend(cache(f"{__name__}.Refusing"))

    with pytest.raises(BackendFull, match=r"Refusing refused .* Raise its limits"):
        backend.put("a", small)


@pytest.mark.parametrize("operation", ["get", "put", "scan", "delete", "touch", "ping"])
def test_a_server_that_is_gone_is_unavailable(redis_server, operation):
    backend = FlaskCachingBackend(cache("RedisCache", CACHE_REDIS_URL=redis_server.settings()["redis_url"]))
    backend.put("a", small)
    redis_server.kill()

    with pytest.raises(BackendUnavailable, match="Check the cache server"):
        {
            "get": lambda: backend.get("a"),
            "put": lambda: backend.put("a", small),
            "scan": lambda: list(backend.scan("")),
            "delete": lambda: backend.delete("a"),
            "touch": lambda: backend.touch("a", 60),
            "ping": lambda: backend.ping(),
        }[operation]()


def test_a_ping_ends_within_two_seconds_though_the_cache_waits_for_ever(redis_server):
    backend = FlaskCachingBackend(cache("RedisCache", CACHE_REDIS_URL=redis_server.settings()["redis_url"]))
    backend.ping()
    redis_server.pause()
    begun = time.monotonic()

    with pytest.raises(BackendUnavailable, match="the cache did not answer"):
        backend.ping()

    assert time.monotonic() - begun < 2
    redis_server.resume()


# in an app


def test_stores_live_in_it(tmp_path):
    app = dash.Dash(__name__)
    configure(backend="flask-caching", flask_cache=Cache(app.server, config=files_of(tmp_path)))
    frame = pd.DataFrame({"a": range(50_000)})

    with ensure_session_context("someone"):
        set_store("flights", frame)
        set_store("filters", {"month": 1})
        get_state_manager().rotate_session()

        pd.testing.assert_frame_equal(get_store("flights"), frame)
        stats = get_state_manager().get_backend_stats()
        assert stats["backend"]["location"] == "flask-caching FileSystemCache"
        assert [store["id"] for store in stats["session"]["stores"]] == ["filters", "flights"]
        assert get_state_manager().clear_session() == 4
        assert get_store("flights") is None


def test_locks_hold_between_threads(tmp_path):
    backend = FlaskCachingBackend(files(tmp_path))
    locks, counter = Locks(lambda: backend, "app"), [0]

    def count():
        for _ in range(10):
            with locks.lock("door"):
                seen = counter[0]
                time.sleep(0.001)
                counter[0] = seen + 1

    with ThreadPoolExecutor(5) as threads:
        for result in [threads.submit(count) for _ in range(5)]:
            result.result()

    assert counter == [50]
