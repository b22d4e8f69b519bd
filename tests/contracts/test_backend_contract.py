"""Every promise of `backends/base.py`, kept by every backend."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from dash_statemanager.backends.base import ABSENT, Append, Backend, BytesPayload, Entry, Listing, Put, Ranges
from dash_statemanager.errors import Conflict

SIZES = [0, 1, 264, 256 << 10, (256 << 10) + 1, 300 << 10, 5_000_000]


class Pieces:
    """A payload in several parts, whose size is an estimate until they are asked for."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    @property
    def nbytes(self) -> int:
        return 1

    def parts(self) -> tuple[Any, ...]:
        return self._parts


def payload(data: bytes = b"data") -> BytesPayload:
    return BytesPayload(data)


def content(entry: Entry | None) -> bytes | None:
    return None if entry is None else b"".join(bytes(memoryview(part)) for part in entry.payload.parts())


def keys(backend: Backend, prefix: str = "") -> list[str]:
    return [listing.key for listing in backend.scan(prefix)]


# get and put


def test_an_unknown_key_is_none(backend):
    assert backend.get("a") is None


@pytest.mark.parametrize("size", SIZES)
def test_what_was_put_comes_back(backend, size):
    data = os.urandom(size)

    etag = backend.put("a/b", payload(data))

    entry = backend.get("a/b")
    assert content(entry) == data
    assert entry.etag == etag
    assert entry.expires_at is None
    assert entry.payload.nbytes == size
    assert [len(memoryview(part)) for part in entry.payload.parts()] in ([size], [64, size - 64])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, pa.py_buffer])
def test_a_part_is_any_buffer(backend, wrap, size):
    data = os.urandom(size)

    backend.put("a", payload(wrap(data)))

    assert content(backend.get("a")) == data


@pytest.mark.parametrize("size", SIZES)
def test_parts_come_back_as_one_payload(backend, size):
    data = os.urandom(size)
    third = size // 3
    parts = data[:third], bytearray(data[third : 2 * third]), b"", memoryview(data)[2 * third :]

    backend.put("a", Pieces(*parts))

    assert content(backend.get("a")) == data


def test_sizes_are_those_of_the_payloads_that_are_there(backend, clock):
    backend.put("a", payload(b"12345"))
    backend.put("big", payload(bytes(300 << 10)))
    backend.put("brief", payload(), ttl=5)
    clock.advance(5)

    assert backend.sizes(["a", "big", "brief", "none"]) == {"a": 5, "big": 300 << 10}
    assert backend.sizes([]) == {}


def test_parts_may_have_items_of_several_bytes(backend):
    numbers = memoryview(os.urandom(800_000)).cast("d")

    backend.put("a", Pieces(b"header", numbers))

    assert content(backend.get("a")) == b"header" + numbers.tobytes()


@pytest.mark.parametrize("size", SIZES)
def test_the_last_put_wins_and_has_another_etag(backend, size):
    first = backend.put("a", payload(os.urandom(300_000)))
    data = os.urandom(size)

    second = backend.put("a", payload(data))

    assert second != first
    assert content(backend.get("a")) == data
    assert backend.get("a").etag == second


def test_the_same_payload_put_again_has_another_etag(backend):
    assert backend.put("a", payload()) != backend.put("a", payload())


def test_an_entry_stays_readable_after_its_key_was_overwritten_and_deleted(backend):
    data = os.urandom(300_000)
    backend.put("a", payload(data))
    entry = backend.get("a")

    backend.put("a", payload(os.urandom(300_000)))
    backend.delete("a")

    assert content(entry) == data


def test_a_key_may_have_200_characters(backend):
    key = "k/" + "x" * 198

    backend.put(key, payload())

    assert keys(backend, "k/") == [key]


# get_ranges

RANGES = [
    (0, 64),
    (10, 10),
    (9_000_000, 9_000_100),
    (8_388_000, 8_389_000),
    (100, 101),
    (0, 2**40),
    (30_000_000, 40_000_000),
]


def of_ranges(found: Ranges | None) -> list[bytes]:
    assert found is not None
    return [bytes(memoryview(part)) for part in found.parts]


@pytest.mark.parametrize("size", [*SIZES, 17_000_000])
def test_ranges_are_those_bytes_of_the_payload_cut_at_its_end(backend, size):
    data = os.urandom(size)
    etag = backend.put("a/b", Pieces(data[:64], data[64:]), ttl=60)
    ranges = [*RANGES, (max(size - 1, 0), size), (size, size + 1), (size // 2, size // 2 + 5)]

    found = backend.get_ranges("a/b", ranges)

    assert of_ranges(found) == [data[first:end] for first, end in ranges]
    assert (found.nbytes, found.etag) == (size, etag)
    assert found.expires_at == backend.get("a/b").expires_at is not None


def test_no_ranges_tell_of_the_entry_alone(backend):
    etag = backend.put("a", payload(b"12345"))

    found = backend.get_ranges("a", [])

    assert (of_ranges(found), found.nbytes, found.etag, found.expires_at) == ([], 5, etag, None)


def test_there_are_no_ranges_of_what_is_not_there_or_has_expired(backend, clock):
    backend.put("small", payload(), ttl=5)
    backend.put("large", payload(bytes(9_000_000)), ttl=5)
    clock.advance(5)

    assert [backend.get_ranges(key, [(0, 1)]) for key in ("none", "small", "large")] == [None] * 3


@pytest.mark.parametrize("size", [100, 17_000_000])
def test_the_etag_tells_that_ranges_are_of_another_payload(backend, size):
    first, second = os.urandom(size), os.urandom(size + 5)
    backend.put("a", payload(first))
    before = backend.get_ranges("a", [(0, 50)])
    etag = backend.put("a", payload(second))
    after = backend.get_ranges("a", [(50, 80), (size, size + 9)])

    assert of_ranges(before) == [first[:50]]
    assert of_ranges(after) == [second[50:80], second[size:]]
    assert before.etag != after.etag == etag


def test_ranges_are_never_of_two_payloads(backend):
    datas = [bytes([number]) * (9_000_000 + number) for number in range(3)]
    backend.put("a", payload(datas[0]))
    stop = threading.Event()

    def overwrite() -> None:
        while not stop.is_set():
            for data in datas:
                backend.put("a", payload(data))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(overwrite)
        try:
            seen = [backend.get_ranges("a", [(0, 9), (8_999_000, 8_999_009), (9_000_000, 2**30)]) for _ in range(25)]
        finally:
            stop.set()
        writing.result()
    for found in seen:
        [byte] = set(b"".join(of_ranges(found)) or b"x")
        assert [len(part) for part in found.parts] == [9, 9, byte]
        assert found.nbytes == 9_000_000 + byte


# expiry


def test_an_entry_knows_when_it_expires(backend, clock):
    backend.put("a", payload(), ttl=60)

    assert backend.get("a").expires_at == pytest.approx(clock() + 60)


@pytest.mark.parametrize("size", [0, 300_000])
def test_an_entry_without_a_lifetime_is_over_at_once_and_another_may_come(backend, size):
    etag = backend.put("a", payload(), ttl=60)

    backend.put("a", payload(bytes(size)), ttl=0, expect=etag)

    assert backend.get("a") is None
    assert keys(backend) == []
    backend.put("a", payload(b"next"), ttl=60, expect=ABSENT)
    assert content(backend.get("a")) == b"next"


@pytest.mark.parametrize("size", [4, 300_000])
def test_an_expired_entry_is_nowhere(backend, clock, size):
    backend.put("a", payload(bytes(size)), ttl=60)
    clock.advance(59.9)
    assert backend.get("a") is not None

    clock.advance(0.2)

    assert backend.get("a") is None
    assert backend.get_many(["a"]) == {}
    assert keys(backend) == []
    assert backend.touch("a", 60) is False
    assert backend.delete("a") == 0


def test_without_ttl_it_never_expires(backend, clock):
    backend.put("a", payload(), ttl=None)

    clock.advance(1e9)

    assert backend.get("a") is not None


def test_a_put_without_ttl_ends_the_expiry_of_the_one_before(backend, clock):
    backend.put("a", payload(), ttl=60)
    backend.put("a", payload())

    clock.advance(61)

    assert backend.get("a") is not None


def test_touch_prolongs(backend, clock):
    etag = backend.put("a", payload(b"x"), ttl=60)
    clock.advance(50)

    assert backend.touch("a", 60) is True

    clock.advance(50)
    assert content(backend.get("a")) == b"x"
    assert backend.get("a").etag == etag
    clock.advance(11)
    assert backend.get("a") is None


@pytest.mark.parametrize("size", [1, 300_000])
def test_touch_never_shortens(backend, clock, size):
    backend.put_many([Put("s/1/a", payload(bytes(size)), 60), Put("s/1/b", payload(bytes(size)))])
    clock.advance(10)

    assert backend.touch("s/1/a", 5) is True
    assert backend.touch("s/1/a", 0) is True
    assert backend.touch("s/1/b", 5) is True
    assert backend.touch_many({"s/1/a": 5, "s/1/b": 5, "none": 5}) == {"none"}

    clock.advance(49)
    assert {listing.key: listing.expires_at for listing in backend.scan("s/1/")}["s/1/b"] is None
    assert backend.get_many(["s/1/a", "s/1/b"]).keys() == {"s/1/a", "s/1/b"}
    clock.advance(2)
    assert backend.get("s/1/a") is None
    assert backend.get("s/1/b") is not None


def test_touch_without_ttl_ends_the_expiry(backend, clock):
    backend.put("a", payload(), ttl=60)

    assert backend.touch("a", None) is True

    clock.advance(61)
    assert backend.get("a").expires_at is None


@pytest.mark.parametrize("ttl", [60, None])
def test_touch_finds_what_expires_when_it_did_before(backend, ttl):
    backend.put("a", payload(), ttl=ttl)

    assert backend.touch("a", ttl) is True
    assert backend.touch_many({"a": ttl, "b": ttl}) == {"b"}


def test_touch_of_an_unknown_key_is_false(backend):
    assert backend.touch("a", 60) is False


def test_touch_many_gives_each_its_lifetime_and_names_those_that_are_gone(backend, clock):
    for key, ttl in {"s/1/a": 60, "s/1/b": 60, "s/2/c": 100, "s/1/brief": 5}.items():
        backend.put(key, payload(key.encode()), ttl=ttl)
    clock.advance(50)

    gone = backend.touch_many({"s/1/a": 60, "s/1/b": None, "s/2/c": 70, "s/1/brief": 60, "none": 60})

    assert gone == {"s/1/brief", "none"}
    expiries = {listing.key: listing.expires_at for listing in backend.scan("")}
    after = {key: expires_at and expires_at - clock() for key, expires_at in expiries.items()}
    assert after == {"s/1/a": pytest.approx(60), "s/1/b": None, "s/2/c": pytest.approx(70)}
    assert content(backend.get("s/1/a")) == b"s/1/a"
    assert backend.touch_many({}) == set()


def test_touch_many_takes_as_many_as_there_are(backend, case, clock):
    number = 60 if case.name == "gcs" else 1200
    backend.put_many([Put(f"s/1/{i}", payload(), 60) for i in range(number)])
    clock.advance(50)

    assert backend.touch_many({f"s/1/{i}": 60.0 for i in range(number + 1)}) == {f"s/1/{number}"}

    clock.advance(50)
    assert len(keys(backend, "s/1/")) == number


def test_touch_many_prolongs_large_entries_too(backend, clock):
    backend.put("large", payload(bytes(9 << 20)), ttl=60)
    clock.advance(50)

    assert backend.touch_many({"large": 60}) == set()

    clock.advance(50)
    assert len(content(backend.get("large"))) == 9 << 20


# conditional puts


def test_absent_is_for_new_keys(backend):
    etag = backend.put("a", payload(b"1"), expect=ABSENT)

    with pytest.raises(Conflict):
        backend.put("a", payload(b"2"), expect=ABSENT)

    assert content(backend.get("a")) == b"1"
    assert backend.get("a").etag == etag


@pytest.mark.parametrize("size", [1, 300_000])
def test_an_expired_entry_counts_as_absent(backend, clock, size):
    backend.put("a", payload(bytes(size)), ttl=60)
    clock.advance(61)

    backend.put("a", payload(b"2"), expect=ABSENT)

    assert content(backend.get("a")) == b"2"


def test_a_deleted_entry_counts_as_absent(backend):
    backend.put("a", payload(b"1"))
    backend.delete("a")

    backend.put("a", payload(b"2"), expect=ABSENT)

    assert content(backend.get("a")) == b"2"


@pytest.mark.parametrize("size", [1, 300_000])
def test_an_etag_is_for_what_was_read(backend, size):
    first = backend.put("a", payload(b"1"))
    second = backend.put("a", payload(bytes(size)), expect=first)

    with pytest.raises(Conflict):
        backend.put("a", payload(os.urandom(size)), expect=first)

    assert content(backend.get("a")) == bytes(size)
    assert backend.get("a").etag == second


def test_an_etag_outlives_a_touch(backend):
    etag = backend.put("a", payload(b"1"), ttl=60)
    backend.touch("a", 90)

    backend.put("a", payload(b"2"), expect=etag)

    assert content(backend.get("a")) == b"2"


def test_the_etag_of_an_expired_entry_is_a_conflict(backend, clock):
    etag = backend.put("a", payload(b"1"), ttl=60)
    clock.advance(61)

    with pytest.raises(Conflict):
        backend.put("a", payload(b"2"), expect=etag)

    assert backend.get("a") is None


def test_an_etag_where_nothing_is_is_a_conflict(backend):
    with pytest.raises(Conflict):
        backend.put("a", payload(), expect="etag")

    assert backend.get("a") is None


def test_an_etag_belongs_to_one_key(backend):
    etag = backend.put("a", payload(b"1"))
    backend.put("b", payload(b"2"))

    with pytest.raises(Conflict):
        backend.put("b", payload(b"3"), expect=etag)

    assert content(backend.get("b")) == b"2"


def increment(backend: Backend) -> int:
    """Counts up in the backend; returns how many others were faster."""
    conflicts = 0
    while True:
        entry = backend.get("counter")
        number = int(content(entry) or 0) + 1
        try:
            backend.put("counter", payload(str(number).encode()), expect=entry.etag if entry else ABSENT)
        except Conflict:
            conflicts += 1
        else:
            return conflicts


def test_no_count_of_twenty_threads_is_lost(backend):
    start = threading.Barrier(20)

    def count() -> None:
        start.wait()
        for _ in range(25):
            increment(backend)

    with ThreadPoolExecutor(20) as threads:
        for result in [threads.submit(count) for _ in range(20)]:
            result.result()

    assert content(backend.get("counter")) == b"500"


def test_of_twenty_threads_one_is_first(backend):
    start = threading.Barrier(20)

    def first(name: int) -> int | None:
        start.wait()
        try:
            backend.put("lease", payload(str(name).encode()), expect=ABSENT)
        except Conflict:
            return None
        return name

    with ThreadPoolExecutor(20) as threads:
        winners = [name for name in threads.map(first, range(20)) if name is not None]

    assert [content(backend.get("lease"))] == [str(name).encode() for name in winners]


def test_twenty_threads_read_and_write_values_of_all_sizes(backend):
    def work(number: int) -> bool:
        data = bytes([number]) * (number * 30_000)
        backend.put(f"t/{number}", payload(data))
        same = content(backend.get(f"t/{number}")) == data
        backend.put("t/shared", payload(data))
        shared = content(backend.get("t/shared"))
        return same and len(set(shared)) <= 1 and len(shared) % 30_000 == 0

    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(work, list(range(1, 21)) * 3))


# delete


@pytest.mark.parametrize("size", [1, 300_000])
def test_delete_counts_what_was_there(backend, size):
    for key in "abc":
        backend.put(key, payload(bytes(size)))

    assert backend.delete("a", "c", "unknown", "a") == 2

    assert keys(backend) == ["b"]


def test_delete_of_nothing_is_nothing(backend):
    assert backend.delete() == 0


def test_delete_takes_a_thousand_keys(backend):
    names = [f"k/{number:04}" for number in range(1_234)]
    backend.put_many([Put(name, payload()) for name in names])

    assert backend.delete(*names[:-1]) == 1_233

    assert keys(backend) == names[-1:]


# get_many


def test_get_many_gives_those_that_are_there(backend, clock):
    backend.put("a", payload(b"1"))
    backend.put("b", payload(bytes(300_000)))
    backend.put("c", payload(), ttl=1)
    clock.advance(2)

    found = backend.get_many(key for key in ("a", "b", "c", "unknown", "a"))

    assert {key: content(entry) for key, entry in found.items()} == {"a": b"1", "b": bytes(300_000)}
    assert found["a"] == backend.get("a")


def test_get_many_of_nothing_is_nothing(backend):
    assert backend.get_many([]) == {}


def test_get_many_takes_more_keys_than_a_statement_may_have(backend):
    names = [f"k/{number}" for number in range(1_234)]
    backend.put_many([Put(name, payload(name.encode())) for name in names])

    found = backend.get_many([*names, "unknown"])

    assert {key: content(entry) for key, entry in found.items()} == {name: name.encode() for name in names}


# put_many


def test_put_many_stores_all_and_returns_their_etags(backend, clock):
    big = os.urandom(300_000)
    puts = [Put("a", payload(b"1"), 60), Put("b", Pieces(big[:9], big[9:])), Put("c", payload(b""))]

    etags = backend.put_many(puts)

    found = backend.get_many("abc")
    assert [found[key].etag for key in "abc"] == etags
    assert [content(found[key]) for key in "abc"] == [b"1", big, b""]
    assert [found[key].expires_at for key in "abc"] == [pytest.approx(clock() + 60), None, None]


def test_put_many_deletes_what_it_is_told_to(backend):
    backend.put("old", payload(bytes(300_000)))
    backend.put("other", payload())

    assert len(backend.put_many([Put("new", payload())], delete=["old", "unknown"])) == 1

    assert keys(backend) == ["new", "other"]


def test_put_many_deletes_last(backend):
    backend.put_many([Put("a", payload(bytes(300_000)))], delete=["a"])

    assert backend.get("a") is None


def test_put_many_of_nothing_is_nothing(backend):
    assert backend.put_many([]) == []


def test_put_many_only_deletes(backend):
    backend.put("a", payload())

    assert backend.put_many([], delete=["a"]) == []

    assert backend.get("a") is None


def test_put_many_puts_in_order(backend):
    etags = backend.put_many([Put("a", payload(os.urandom(300_000))), Put("b", payload()), Put("a", payload(b"last"))])

    assert content(backend.get("a")) == b"last"
    assert [backend.get("a").etag, backend.get("b").etag] == [etags[2], etags[1]]
    assert len(set(etags)) == 3


def test_put_many_sees_its_own_puts(backend):
    with pytest.raises(Conflict):
        backend.put_many([Put("a", payload(b"1")), Put("a", payload(b"2"), expect=ABSENT)])

    assert content(backend.get("a")) != b"2"


def test_put_many_fulfils_conditions(backend):
    etag = backend.put("a", payload(b"1"))

    backend.put_many([Put("a", payload(b"2"), expect=etag), Put("b", payload(b"3"), expect=ABSENT)])

    assert [content(entry) for entry in backend.get_many("ab").values()] == [b"2", b"3"]


def test_a_conflict_stops_what_comes_after_it(case, backend):
    backend.put("lease", payload(b"other"))
    backend.put("old", payload())
    big = os.urandom(300_000)
    puts = [Put("before", payload(big)), Put("lease", payload(b"me"), expect=ABSENT), Put("after", payload(big))]

    with pytest.raises(Conflict):
        backend.put_many(puts, delete=["old"])

    stored = [] if case.atomic else ["before"]
    assert keys(backend) == sorted([*stored, "lease", "old"])
    assert content(backend.get("lease")) == b"other"


def test_a_batch_is_seen_as_a_whole(case, backend):
    """Readers never see one key of a batch newer than the other, where batches are atomic."""
    batches = [[Put("a", payload(bytes([n]))), Put("b", payload(bytes([n])))] for n in range(200)]
    done = threading.Event()

    def write() -> None:
        try:
            for batch in batches:
                backend.put_many(batch)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    torn = 0
    while not done.is_set():
        found = backend.get_many("ab")
        torn += len({content(entry) for entry in found.values()}) > 1 or len(found) == 1
    writer.join()

    assert content(backend.get("b")) == bytes([199])
    assert not torn or not case.atomic


# scan


def test_scan_lists_in_the_order_of_keys(backend):
    names = ["b", "a/2", "a/10", "a", "B", "a-1", "a_1", "a/1/x", "_", "~"]
    for name in names:
        backend.put(name, payload())

    assert keys(backend) == sorted(names)


def test_scan_tells_size_and_expiry(backend, clock):
    backend.put("a", payload(bytes(7)), ttl=60)
    backend.put("b", payload(bytes(300_000)))

    assert list(backend.scan("")) == [Listing("a", 7, pytest.approx(clock() + 60)), Listing("b", 300_000, None)]


@pytest.mark.parametrize("prefix", ["a_", "a%", "a/", "a*", "a?", "a[", "a\\", "a", "a.b", "A", "a/b/c", "zz"])
def test_a_prefix_is_literal(backend, prefix):
    names = ["a", "a_b", "axb", "a%b", "a/b", "a/b/c", "a*b", "a?b", "a[b", "a\\b", "a.b", "A/b", "b", "zz~", "z"]
    for name in names:
        backend.put(name, payload())

    assert keys(backend, prefix) == sorted(name for name in names if name.startswith(prefix))


def test_scan_lists_more_than_a_page(backend):
    names = [f"p/{number:05}" for number in range(1_201)]
    backend.put_many([Put(name, payload()) for name in [*names, "o", "q"]])

    assert keys(backend, "p/") == names


def test_what_scan_lists_may_be_deleted_meanwhile(backend):
    names = [f"p/{number:05}" for number in range(1_201)]
    backend.put_many([Put(name, payload()) for name in names])

    assert sum(backend.delete(listing.key) for listing in backend.scan("p/")) == 1_201

    assert keys(backend) == []


# the rest


def test_a_backend_that_works_answers_a_ping(backend):
    backend.ping()
    backend.put("a", payload())
    backend.ping()


def test_a_closed_backend_opens_again(backend):
    backend.put("a", payload(b"1"))
    backend.put("b", payload(bytes(300_000)))

    backend.close()
    backend.close()

    assert content(backend.get("a")) == b"1"
    backend.close()
    backend.put("b", payload(bytes(300_001)))
    assert content(backend.get("b")) == bytes(300_001)


def test_an_entry_stays_readable_after_close(backend):
    backend.put("a", payload(bytes(300_000)))
    entry = backend.get("a")

    backend.close()

    assert content(entry) == bytes(300_000)


def test_stats_are_plain_json_and_count(case, backend, clock):
    backend.put("a", payload(bytes(10)))
    backend.put("b", payload(bytes(300_000)))
    backend.put("gone", payload(bytes(5)), ttl=1)
    clock.advance(2)

    stats = json.loads(json.dumps(dict(backend.stats())))

    assert (stats["entries"], stats["bytes"]) == (2 + case.overhead[0], 300_010 + case.overhead[1])
    assert stats["location"]


def test_instances_share_what_they_keep_or_keep_it_apart(case, backend, tmp_path, clock):
    other = case.make(tmp_path, clock)
    etag = backend.put("a", payload(bytes(300_000)))

    seen = other.get("a")

    assert (seen is not None) == case.shared
    assert seen is None or (seen.etag, content(seen)) == (etag, bytes(300_000))
    other.close()


@pytest.mark.parametrize("count", [0, 3, 1_100])
def test_purge_removes_what_expired_and_nothing_else(purger, clock, count):
    purger.put_many([Put(f"gone/{number}", payload(), 10) for number in range(count)])
    purger.put("gone/big", payload(bytes(300_000)), 10)
    purger.put("stays", payload(bytes(300_000)), 20)
    purger.put("ever", payload())
    clock.advance(11)

    assert purger.purge() == count + 1

    assert keys(purger) == ["ever", "stays"]
    assert purger.purge() == 0
    assert content(purger.get("stays")) == bytes(300_000)


# append


def added(data: bytes, ttl: float | None = None, *, start: int = 1, renew: bool = True, most: int = 1000) -> Put:
    return Put("log", payload(data), ttl, append=Append(start, renew, most))


@pytest.mark.parametrize("renew", [True, False])
def test_an_append_to_nothing_is_put_as_it_is(backend, clock, renew):
    [etag] = backend.put_many([added(b"1ab", 60, renew=renew)])

    entry = backend.get("log")
    assert (content(entry), entry.etag) == (b"1ab", etag)
    assert entry.expires_at == pytest.approx(clock() + 60)


def test_an_append_goes_to_the_end_and_renews_the_start_or_not(backend):
    first = backend.put("log", payload(b"1ab"))
    [second] = backend.put_many([added(b"2cd")])
    [third] = backend.put_many([added(b"3ef", renew=False)])

    entry = backend.get("log")
    assert (content(entry), entry.etag) == (b"2abcdef", third)
    assert len({first, second, third}) == 3
    assert backend.sizes(["log"]) == {"log": 7}
    assert [row.nbytes for row in backend.scan("log")] == [7]


def test_appends_are_of_any_bytes_and_their_start_of_any_length(backend):
    start, more = os.urandom(320), [os.urandom(24) for _ in range(20)]
    for data in more:
        backend.put_many([added(start + data, start=len(start), most=2000)])
    backend.put_many([added(b"\x00\xff'\\", start=0, most=2000)])

    assert content(backend.get("log")) == start + b"".join(more) + b"\x00\xff'\\"


@pytest.mark.parametrize(
    ("before", "given", "after"), [(60, 600, 600), (600, 60, 600), (None, 60, None), (60, None, None)]
)
def test_an_append_prolongs_a_life_and_never_shortens_it(backend, clock, before, given, after):
    backend.put("log", payload(b"1ab"), before)
    backend.put_many([added(b"2cd", given)])

    entry = backend.get("log")
    assert entry.expires_at == (None if after is None else pytest.approx(clock() + after, abs=0.01))
    clock.advance(599)
    assert (content(backend.get("log")) == b"2abcd") == (after != 60)


def test_an_append_to_what_has_expired_begins_anew(backend, clock):
    backend.put("log", payload(b"1ab"), 60)
    clock.advance(61)
    backend.put_many([added(b"2cd", 60)])

    assert content(backend.get("log")) == b"2cd"
    assert backend.get("log").expires_at == pytest.approx(clock() + 60)


def test_an_append_that_finds_no_room_is_a_conflict_and_changes_nothing(case, backend):
    etag = backend.put("log", payload(b"1ab"))
    backend.put("old", payload())
    backend.put_many([added(b"2cd", most=5)])

    with pytest.raises(Conflict):
        backend.put_many([Put("value", payload()), added(b"3e", most=5)], delete=["old"])

    assert content(backend.get("log")) == b"2abcd"
    assert keys(backend) == (["log", "old"] if case.atomic else keys(backend))
    assert backend.get("old") is not None
    backend.put_many([added(b"3", most=5)])
    assert content(backend.get("log")) == b"3abcd"
    with pytest.raises(Conflict):
        backend.put("log", payload(b"late"), expect=etag)


@pytest.mark.parametrize("size", [2000, 60_000])
def test_something_large_has_no_room_at_its_end(backend, size):
    data = os.urandom(size)
    backend.put("log", payload(data))

    with pytest.raises(Conflict):
        backend.put_many([added(b"1ab")])

    assert content(backend.get("log")) == data


@pytest.mark.parametrize("size", [4, 100_000, 9_000_000])
def test_an_append_goes_along_with_other_puts_and_deletes(backend, size):
    etag = backend.put("lease", payload())
    backend.put("log", payload(b"1ab"))
    backend.put("old", payload(bytes(size)))
    data = os.urandom(size)

    puts = [Put("value", payload(data)), Put("lease", payload(b"mine"), expect=etag), added(b"2cd")]
    etags = backend.put_many(puts, delete=["old"])

    found = backend.get_many(["value", "lease", "log", "old"])
    assert {key: content(entry) for key, entry in found.items()} == {"value": data, "lease": b"mine", "log": b"2abcd"}
    assert [found[put.key].etag for put in puts] == etags


@pytest.mark.parametrize("size", [4, 100_000])
def test_an_append_goes_along_also_after_what_is_there_was_replaced(backend, size):
    for number in range(3):
        backend.put_many([Put(f"value/{number}/0", payload(os.urandom(size))), added(b"1ab", 60)])
        backend.put("log", payload(b"2cd"), 60)

    backend.put_many([Put("value/0/1", payload(data := os.urandom(size))), added(b"3ef", 60)])

    assert content(backend.get("value/0/1")) == data
    assert content(backend.get("log")) == b"3cdef"


def test_sixteen_appends_go_along_with_sixteen_values(backend):
    for round_ in range(3):
        puts = [Put(f"s/1/{n}/{round_}", payload(b"value")) for n in range(16)]
        logs = [Put(f"s/1/{n}/log", payload(b"%d%d" % (round_, n % 10)), append=Append(1, True, 9)) for n in range(16)]
        backend.put_many([*puts, *logs])

    found = backend.get_many(f"s/1/{n}/log" for n in range(16))
    assert [content(entry) for entry in found.values()] == [b"2" + b"%d" % (n % 10) * 3 for n in range(16)]


def test_appends_of_several_shapes_go_together(backend):
    puts = [Put(key, payload(b"1" + key.encode()), append=Append(1, key == "a", n)) for n, key in enumerate("abc", 20)]
    for _ in range(2):
        backend.put_many([*puts, Put("d", payload(b"12345"), append=Append(3, False, 30))])

    found = {key: content(entry) for key, entry in backend.get_many("abcd").items()}
    assert found == {"a": b"1aa", "b": b"1bb", "c": b"1cc", "d": b"1234545"}


def test_no_append_of_ten_threads_is_lost_from_the_first_on(case, backend, tmp_path, clock):
    backends = [backend, case.make(tmp_path, clock) if case.shared and backend.exact else backend]
    start = threading.Barrier(10)

    def work(name: int) -> None:
        start.wait()
        for number in range(10):
            data = b"*%d%d" % (name, number)
            for _ in range(50):
                try:
                    backends[name % 2].put_many([Put(f"{name}/{number}", payload()), added(data)])
                    break
                except Conflict:  # another was the first of all, which databases can't add to
                    assert number == 0

    with ThreadPoolExecutor(10) as threads:
        for result in [threads.submit(work, name) for name in range(10)]:
            result.result()
    if backends[1] is not backend:
        backends[1].close()

    log = content(backend.get("log"))
    assert sorted(log[at : at + 2] for at in range(1, len(log), 2)) == [b"%02d" % number for number in range(100)]


def test_many_who_append_at_once_stay_within_the_bound(backend):
    def work(_: int) -> bool:
        try:
            backend.put_many([added(b"*x", most=21)])
        except Conflict:
            return False
        return True

    backend.put_many([added(b"*")])
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(work, range(60)))

    assert sum(done) == 20
    assert content(backend.get("log")) == b"*" + b"x" * 20
