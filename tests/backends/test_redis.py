"""What is particular to Redis: round trips, chunks, names, expiry, users, encryption, processes."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis

from dash_statemanager.backends import open_backend
from dash_statemanager.backends.base import ABSENT, BytesPayload, Put
from dash_statemanager.backends.redis import RedisBackend
from dash_statemanager.backends.redis.layout import CHUNK
from dash_statemanager.config import Settings
from dash_statemanager.errors import (
    BackendError,
    BackendFormatError,
    BackendUnavailable,
    ConfigError,
    Conflict,
    CorruptPayload,
)
from tests.conftest import ROOT, missing
from tests.servers.base import running, wait_until
from tests.servers.redis import PASSWORD, RedisServer

MEGABYTE = 1 << 20
KEY = "dash/scope/store/version"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    """Finds the server empty."""
    with server.client() as client:
        for name in client.scan_iter():
            client.unlink(name)
        yield client


@pytest.fixture
def url(server: RedisServer, client: Redis) -> str:
    return str(server.settings()["redis_url"])


@pytest.fixture
def backend(url: str) -> Iterator[RedisBackend]:
    backend = RedisBackend(url)
    yield backend
    backend.close()


def payload(size: int) -> BytesPayload:
    return BytesPayload(os.urandom(size))


def names(client: Redis) -> list[bytes]:
    """Names of entries and chunks."""
    return sorted(client.scan_iter(_type="string"))


def chunks(client: Redis) -> list[bytes]:
    return [name for name in names(client) if name.startswith(b"#")]


def calls(client: Redis, what: Callable[[], object]) -> dict[str, int]:
    """How often each command was called meanwhile, also by scripts."""
    client.config_resetstat()
    what()
    stats = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items() if "config" not in name}


# round trips


def sent(client: Redis, what: Callable[[], object]) -> dict[str, int]:
    """The commands that came over a connection: those of scripts are left out."""
    with client.monitor() as monitor:
        client.echo("start")
        what()
        client.echo("end")
        found: dict[str, int] = {}
        for event in monitor.listen():
            word, *rest = event["command"].lower().split()
            if word == "echo" and rest == ["end"]:
                return found
            if word == "echo":
                found.clear()
                continue
            if event["client_type"] != "lua":
                found[word] = found.get(word, 0) + 1
    raise AssertionError("unreachable")


@pytest.fixture
def warm(backend: RedisBackend) -> RedisBackend:
    """Has a connection, and the server has its scripts."""
    backend.put("dash/warm", payload(1))
    backend.touch("dash/warm", 60)
    return backend


def test_a_small_write_is_one_command(warm, client):
    puts = [Put(KEY, payload(1000), 60), Put("dash/scope/store/head", payload(100), 60, ABSENT)]

    assert sent(client, lambda: warm.put_many(puts, delete=["dash/scope/store/old"])) == {"evalsha": 1}


def test_a_cold_read_is_one_command(warm, client):
    warm.put_many([Put(f"dash/scope/{number}", payload(7 * MEGABYTE if number == 3 else 10)) for number in range(16)])

    assert sent(client, lambda: warm.get_many(f"dash/scope/{number}" for number in range(16))) == {"mget": 1}
    assert sent(client, lambda: warm.touch("dash/scope/1", 60)) == {"evalsha": 1}
    assert sent(client, lambda: warm.delete("dash/scope/1", "dash/scope/2")) == {"evalsha": 1}


def test_a_large_payload_is_written_in_one_pipeline_and_read_in_a_few_commands(warm, client):
    value = payload(5 * CHUNK)

    written = calls(client, lambda: warm.put(KEY, value))
    assert (written["set"], written["evalsha"]) == (5 + 1, 1)
    assert calls(client, lambda: warm.get(KEY)) == {"mget": 1 + 2}
    assert warm.get(KEY).payload.buffer == value.buffer


def test_a_script_that_the_server_forgot_is_sent_again(warm, client):
    client.script_flush()

    warm.put(KEY, payload(10))

    assert warm.get(KEY) is not None


# chunks


@pytest.mark.parametrize("size", [CHUNK, CHUNK + 1, 2 * CHUNK, 17 * MEGABYTE])
def test_large_payloads_come_back_whole(backend, client, size):
    data = os.urandom(size)

    backend.put(KEY, BytesPayload(data), 60)

    assert bytes(backend.get(KEY).payload.buffer) == data
    assert backend.sizes([KEY, "dash/scope/none"]) == {KEY: size}
    assert [(row.key, row.nbytes) for row in backend.scan("dash/")] == [(KEY, size)]
    assert len(chunks(client)) == (0 if size == CHUNK else -(-size // CHUNK))
    assert all(50_000 < client.pttl(name) <= 60_000 for name in [*chunks(client), b"{dash/scope}/store/version"])


def test_what_is_overwritten_or_deleted_leaves_no_chunks(backend, client):
    backend.put(KEY, payload(9 * MEGABYTE))
    backend.put(KEY, payload(9 * MEGABYTE))
    assert len(chunks(client)) == 2

    backend.put(KEY, payload(1))
    assert chunks(client) == []

    backend.put_many([Put(KEY, payload(9 * MEGABYTE)), Put(KEY, payload(9 * MEGABYTE))])
    assert len(chunks(client)) == 2
    backend.delete(KEY)
    assert client.dbsize() == 0


@pytest.mark.parametrize("size", [100_000, 9 * MEGABYTE])
def test_a_conflict_leaves_nothing_of_what_was_sent(backend, client, size):
    backend.put(KEY, payload(1))

    with pytest.raises(Conflict):
        backend.put_many([Put("dash/scope/other", payload(size)), Put(KEY, payload(size), expect=ABSENT)])

    assert names(client) == [b"{dash/scope}/store/version"]


def test_touch_prolongs_the_chunks_too(backend, client):
    backend.put(KEY, payload(9 * MEGABYTE), 60)

    backend.touch(KEY, 1000)
    assert [client.pttl(name) > 900_000 for name in client.scan_iter()] == [True] * 4

    backend.touch(KEY, None)
    assert [client.pttl(name) for name in client.scan_iter()] == [-1] * 4


def test_an_upload_that_was_given_up_expires_by_itself(client, server):
    """The writer gets as far as the script, which it may not run."""
    client.execute_command("ACL SETUSER", "half", "reset", "on", ">half", "~*", "+set", "+select")
    writer = RedisBackend(f"redis://half:half@127.0.0.1:{server.port}/0")

    with pytest.raises(BackendError):
        writer.put(KEY, payload(20 * MEGABYTE))

    assert sorted(client.keys()) == sorted(chunks(client))
    assert [0 < client.pttl(name) <= 600_000 for name in chunks(client)] == [True] * 3
    writer.close()


def test_a_reader_sees_one_value_or_the_other_while_they_are_replaced(backend):
    values = [bytes([number]) * (9 * MEGABYTE) for number in (1, 2)]
    backend.put(KEY, BytesPayload(values[0]))
    done = threading.Event()

    def write() -> None:
        for number in range(20):
            backend.put(KEY, BytesPayload(values[number % 2]))
        done.set()

    with ThreadPoolExecutor() as threads:
        writing = threads.submit(write)
        while not done.is_set():
            assert bytes(backend.get(KEY).payload.buffer) in values
        writing.result()


def test_a_value_that_lost_a_chunk_is_missing_and_reported(backend, client, caplog):
    backend.put(KEY, payload(9 * MEGABYTE))
    client.delete(chunks(client)[0])

    assert backend.get(KEY) is None

    assert "chunks of '{dash/scope}/store/version' are gone" in caplog.text


@pytest.mark.parametrize("change", [lambda chunk: chunk + bytes(8), lambda chunk: chunk[:-8]], ids=["more", "less"])
def test_chunks_of_another_size_are_a_corrupt_payload_and_the_connection_goes_on(backend, client, change):
    backend.put(KEY, payload(2 * CHUNK), ttl=60)
    last = chunks(client)[-1]
    client.set(last, change(client.get(last)))

    with pytest.raises(CorruptPayload, match=r"the chunks of .* have"):
        backend.get(KEY)

    backend.put(KEY, put := payload(2 * CHUNK), ttl=60)
    entry = backend.get(KEY)
    assert entry is not None
    assert bytes(entry.payload.parts()[0]) == put.buffer


def test_ranges_take_two_round_trips_and_no_chunk_that_they_are_not_in(warm, client):
    data = os.urandom(20 * MEGABYTE)
    warm.put(KEY, BytesPayload(data))
    client.delete(f"#{{dash/scope}}/store/version#{warm.get(KEY).etag}/2")
    ranges = [(0, 100), (CHUNK - 10, CHUNK + 10)]

    found = []
    commands = sent(client, lambda: found.append(warm.get_ranges(KEY, ranges)))

    assert [bytes(part) for part in found[0].parts] == [data[first:end] for first, end in ranges]
    assert commands == {"getrange": 1 + 3 + 1}


def test_ranges_of_a_value_that_lost_their_chunk_are_missing(backend, client):
    backend.put(KEY, payload(9 * MEGABYTE))
    client.delete(chunks(client)[0])

    assert backend.get_ranges(KEY, [(0, 9 * MEGABYTE)]) is None


# names and expiry


def test_all_keys_of_a_scope_have_one_hash_tag(backend, client):
    for key in ("dash/scope/store/head", "dash/scope/~patches/a", "dash/~stores/x", "dash/~secret"):
        backend.put(key, payload(1))

    tags = [b"{dash/scope}/store/head", b"{dash/scope}/~patches/a", b"{dash/~stores}/x", b"{dash/~secret}"]
    assert names(client) == sorted(tags)
    assert set(client.keys()) - set(tags) == {b"#{dash/scope}", b"#{dash/~stores}"}


def test_redis_forgets_by_itself_what_has_expired(backend, client):
    backend.put(KEY, payload(10), 0.05)
    backend.put("dash/scope/large", payload(9 * MEGABYTE), 0.05)

    wait_until(lambda: not client.keys())


def test_a_lifetime_below_a_millisecond_is_over_at_once(backend, client):
    """That is how a lock is freed, also where Redis is full."""
    etag = backend.put(KEY, payload(1), 60, expect=ABSENT)

    backend.put(KEY, payload(0), 1e-6, expect=etag)

    assert client.dbsize() == 0
    backend.put(KEY, payload(1), 60, expect=ABSENT)


def test_what_others_keep_is_left_alone(backend, client):
    client.set("dash/scope/store/version", "theirs")
    client.set("{theirs", "theirs")
    client.hset("{dash/scope}/hash", "a", "b")
    backend.put(KEY, payload(1))

    assert [row.key for row in backend.scan("")] == [KEY]
    assert backend.stats()["entries"] == 1


def test_something_else_under_a_key_is_an_error_and_not_missing(backend, client):
    client.set("{dash/scope}/store/version", "theirs")

    with pytest.raises(BackendFormatError, match="STATE_NAMESPACE"):
        backend.get(KEY)


def test_stats_name_the_server_without_the_password(backend, server):
    assert backend.stats()["location"] == f"redis://127.0.0.1:{server.port}/0"


def test_databases_of_one_server_are_apart(backend, url):
    other = RedisBackend(url.removesuffix("0") + "5")

    backend.put(KEY, payload(1))

    assert other.get(KEY) is None
    other.close()


# the index of a scope


def members(client: Redis) -> list[bytes]:
    return client.zrange("#{dash/scope}", 0, -1)


def test_a_scope_is_listed_without_a_look_at_what_others_hold(backend, client):
    foreign = client.pipeline(transaction=False)
    for number in range(100_000):
        foreign.set(f"{{dash/s.{number}}}/store/version", b"")
    foreign.execute()
    backend.put_many([Put(f"dash/scope/{store}/version", payload(10)) for store in "ab"])

    def look() -> None:
        assert [row.key for row in backend.scan("dash/scope/")] == ["dash/scope/a/version", "dash/scope/b/version"]
        assert [row.key for row in backend.scan("dash/scope/a")] == ["dash/scope/a/version"]

    assert calls(client, look) == {"zrange": 2, "getrange": 3}


def test_the_index_follows_puts_touches_and_deletes(client, url):
    now = [1000.0]
    backend = RedisBackend(url, lambda: now[0])
    backend.put_many([Put(f"dash/scope/store/{name}", payload(10), 60) for name in "abcd"])
    now[0] += 50
    backend.touch_many({"dash/scope/store/a": 60, "dash/scope/store/d": 0})
    backend.put_many(
        [Put(f"dash/scope/store/{name}", payload(10), 0) for name in "bc"], delete=["dash/scope/store/none"]
    )
    assert members(client) == [b"/store/d", b"/store/a"]
    now[0] += 20
    backend.put("dash/scope/store/e", payload(10))
    assert members(client) == [b"/store/a", b"/store/e"]
    assert [row.key for row in backend.scan("dash/scope/")] == ["dash/scope/store/a", "dash/scope/store/e"]
    backend.delete("dash/scope/store/a", "dash/scope/store/e")
    assert client.exists("#{dash/scope}") == 0
    backend.close()


def test_the_index_lasts_as_long_as_what_lasts_longest(backend, client):
    backend.put_many([Put("dash/scope/store/brief", payload(10), 60), Put("dash/scope/store/long", payload(10), 600)])
    assert 590 < client.ttl("#{dash/scope}") <= 602
    backend.put("dash/scope/store/long", payload(10), 30)
    assert 50 < client.ttl("#{dash/scope}") <= 62
    backend.touch("dash/scope/store/brief", None)
    assert client.ttl("#{dash/scope}") == -1
    backend.put("dash/scope/store/brief", payload(10), 60)
    assert client.ttl("#{dash/scope}") > 0


# settings


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:6379", "unknown scheme"),
        ("http://:secret@host", "unknown scheme"),
        ("redis+cloud://:secret@host", "unknown scheme"),
        ("redis://:secret@", "no host"),
        ("redis://:secret@host:port", "malformed"),
        ("redis://:sec/ret@host", "no host"),
        ("redis://:secret@host:99999", "malformed"),
        ("redis://:secret@host/one", "number of a database"),
        ("redis://:secret@host/1/2", "number of a database"),
        ("redis://:secret@host,other", "several hosts"),
        ("redis://:secret@host?secret=1", "unknown option"),
        ("redis+cluster://:secret@host/1", "only number 0"),
        ("redis+sentinel://:secret@host", "no service"),
        ("redis+sentinel://:secret@host/service/x", "number of a database"),
        ("rediss://:secret@host?ssl_cert_reqs=secret", "ssl_cert_reqs"),
        ("rediss://:secret@host?ssl_check_hostname=secret", "ssl_check_hostname"),
        ("redis://[::1:6379", "malformed"),
    ],
)
def test_a_malformed_url_is_an_error_without_the_password(url, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        RedisBackend(url)

    assert "STATE_REDIS_URL" in str(caught.value)
    assert "sec" not in str(caught.value).partition("known are")[0].replace("percent-encoded", "")


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://me:p%40ss@host:1234/7", "redis://host:1234/7"),
        ("rediss://[::1]:6380", "rediss://[::1]:6380/0"),
        ("redis+cluster://me:pass@a,b:7000", "redis+cluster://a:6379,b:7000"),
        ("redis+sentinel://:pass@a,b:1/service/2", "redis+sentinel://a:26379,b:1/service/2"),
        ("redis+sentinel://a/service", "redis+sentinel://a:26379/service/0"),
    ],
)
def test_a_url_names_its_servers(url, location):
    assert RedisBackend(url)._servers.location == location


def test_it_is_opened_by_its_name(url):
    backend = open_backend(Settings(backend="redis", redis_url=url), clock=lambda: 100.0)

    backend.put(KEY, payload(1), ttl=5)

    assert backend.name == "redis"
    assert backend.get(KEY).expires_at == 105.0
    backend.close()


def test_without_redis_py_the_error_is_the_command_to_get_it(run):
    code = """
from dash_statemanager.backends import open_backend
from dash_statemanager.config import Settings
sys.modules["redis"] = None
try:
    open_backend(Settings(backend="redis"))
except MissingExtra as exc:
    print(exc)
"""
    assert "pip install 'dash-statemanager[redis]'" in run(code)


@pytest.mark.parametrize(("policy", "warnings"), [("noeviction", 0), ("volatile-lru", 0), ("allkeys-lru", 1)])
def test_a_server_that_may_drop_sessions_is_reported_once(url, client, caplog, policy, warnings):
    client.config_set("maxmemory-policy", policy)
    backend = RedisBackend(url)
    try:
        with caplog.at_level(logging.WARNING):
            backend.put(KEY, payload(1))
            backend.get(KEY)
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        backend.close()

    assert [record.levelname for record in caplog.records] == ["WARNING"] * warnings


# threads and processes


def test_connections_are_no_more_than_the_pool_may_have(url, client):
    backend = RedisBackend(url, pool_size=3)
    others = int(client.info("clients")["connected_clients"])
    start = threading.Barrier(12)

    def work(name: int) -> None:
        start.wait()
        for number in range(50):
            backend.put(f"dash/{name}/{number}", payload(100))
            assert backend.get(f"dash/{name}/{number}")

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, range(12)))

    assert int(client.info("clients")["connected_clients"]) - others <= 3
    backend.close()


# users and encryption

COMMANDS = (
    "+evalsha +eval +mget +getrange +set +setrange +rename +unlink +exists +pexpire +persist +scan +select +zadd +zrem "
    "+zrange +zremrangebyscore"
)


def test_a_user_needs_few_commands_and_only_the_keys_of_its_namespace(client, server):
    user = ["app", "reset", "on", ">pass word/@", "~{dash/*", "~#{dash/*", "~dash-statemanager-nothing"]
    client.execute_command("ACL SETUSER", *user, *COMMANDS.split())
    backend = RedisBackend(f"redis://app:pass%20word%2F%40@127.0.0.1:{server.port}/0")

    assert COMMANDS in (ROOT / "docs" / "how-to" / "redis.md").read_text(encoding="utf-8")
    for size in (10, 100_000, 9 * MEGABYTE):
        etag = backend.put(KEY, payload(size), 60)
        backend.put_many([Put(KEY, payload(size), None, etag)], delete=["dash/scope/old"])
        assert backend.touch(KEY, 60)
        assert backend.get(KEY).payload.nbytes == size
    assert [row.key for row in backend.scan("dash/")] == [KEY]
    assert backend.stats()["entries"] == 1
    backend.ping()
    assert backend.delete(KEY) == 1

    with pytest.raises(BackendError, match="ACL"):
        backend.put("other/scope/a", payload(1))
    backend.close()


def test_the_wrong_password_is_an_error_that_names_the_setting(server):
    for url in (server.settings(password="wrong")["redis_url"], f"redis://127.0.0.1:{server.port}/0"):
        backend = RedisBackend(str(url))
        with pytest.raises(BackendUnavailable, match="STATE_REDIS_URL") as caught:
            backend.get(KEY)
        assert "wrong" not in str(caught.value)


@pytest.fixture(scope="module")
def certificate(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, and a certificate for 127.0.0.1 that signed itself."""
    if not server.knows("tls-port"):
        missing("needs a redis-server that was built with TLS")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - hour, now + hour)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    file.write_bytes(key.private_bytes(*form) + certificate.public_bytes(Encoding.PEM))
    return file


def test_connections_are_encrypted_and_the_server_is_checked(tmp_path, certificate):
    server = RedisServer(tmp_path, certificate)
    place = f"rediss://:{PASSWORD}@127.0.0.1:{server.port}/0"
    backend = RedisBackend(f"{place}?ssl_ca_certs={certificate}")
    unchecked = RedisBackend(f"{place}?ssl_cert_reqs=none")
    with running(server), closing(backend), closing(unchecked):
        data = os.urandom(9 * MEGABYTE)
        backend.put(KEY, BytesPayload(data))
        assert bytes(backend.get(KEY).payload.buffer) == data
        assert unchecked.sizes([KEY]) == {KEY: len(data)}

        with pytest.raises(BackendUnavailable, match=r"(?i)certificate"):
            RedisBackend(place).get(KEY)
        with pytest.raises(BackendUnavailable):
            RedisBackend(place.replace("rediss:", "redis:")).get(KEY)


def test_the_name_in_the_certificate_must_be_the_servers(tmp_path, certificate):
    with running(RedisServer(tmp_path, certificate)) as server:
        place = f"rediss://:{PASSWORD}@localhost:{server.port}/0?ssl_ca_certs={certificate}"
        with pytest.raises(BackendUnavailable, match=r"(?i)hostname|localhost"):
            RedisBackend(place).get(KEY)
        backend = RedisBackend(f"{place}&ssl_check_hostname=false")
        assert backend.get(KEY) is None
        backend.close()
