"""Bodies that many entries share: one copy, as long as somebody holds it, and for nobody else."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dash_statemanager.backends import open_backend, stubs
from dash_statemanager.backends.base import ABSENT, Backend, BytesPayload, Entry, Put
from dash_statemanager.backends.shared import GUESSED, LARGE, TOGETHER, SharedBodies
from dash_statemanager.backends.stubs import HEADER, is_body
from dash_statemanager.backends.wrapper import Wrapper
from dash_statemanager.config import load
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.errors import Conflict
from dash_statemanager.manager import StateManager
from dash_statemanager.session import Session, Visit, enter_visit
from tests.contracts.conftest import CASES, Clock

BODY = os.urandom(1 << 20)
SHARING = [case for case in CASES if case.name in ("sqlite", "redis-cluster", "gcs")]
Open = Callable[..., SharedBodies]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=SHARING, ids=lambda case: case.name)
def another(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Opens the same backend once more, as another process would."""
    opened: list[Backend] = []

    def another(clock: Callable[[], float] = clock) -> SharedBodies:
        opened.append(SharedBodies(request.param.make(tmp_path, clock), lambda: b"key", clock))
        return opened[-1]

    yield another
    for backend in opened:
        backend.close()


@pytest.fixture
def backend(another: Open) -> SharedBodies:
    return another()


def payload(number: int, body: bytes = BODY) -> BytesPayload:
    """A payload whose header differs."""
    return BytesPayload(number.to_bytes(HEADER, "big") + body)


def content(entry: Entry | None) -> bytes | None:
    return None if entry is None else b"".join(entry.payload.parts())


def kept(backend: SharedBodies) -> list[str]:
    """What is really there."""
    return [row.key for row in backend.inner.scan("app/")]


def test_a_body_is_kept_once_however_many_hold_it_and_each_has_its_own_header(backend):
    keys = [f"app/s.{number}/store/version" for number in range(20)]
    for number, key in enumerate(keys):
        backend.put(key, payload(number), ttl=60)

    found = backend.get_many(keys)

    assert [content(found[key]) for key in keys] == [b"".join(payload(number).parts()) for number in range(20)]
    assert sum(row.nbytes for row in backend.inner.scan("app/")) < 1.1 * len(BODY)
    assert {row.nbytes for row in backend.scan("app/s.")} == {HEADER + len(BODY)}
    assert [row.key for row in backend.scan("app/")] == sorted(keys)


def test_another_body_and_a_small_one_are_kept_for_themselves(backend):
    backend.put("app/s.1/store/a", payload(1))
    backend.put("app/s.1/store/b", payload(1, os.urandom(1 << 20)))
    backend.put("app/s.1/store/c", BytesPayload(bytes(LARGE)))

    assert len(kept(backend)) == 3 + 2 * 2
    assert backend.inner.sizes(["app/s.1/store/c"]) == {"app/s.1/store/c": LARGE}


def test_a_body_goes_with_the_last_who_holds_it(another):
    one, other = another(), another()
    one.put("app/s.1/store/version", payload(1))
    other.put("app/s.2/store/version", payload(2))

    assert one.delete("app/s.2/store/version", "app/s.none/store/version") == 1
    assert content(other.get("app/s.1/store/version")) == content_of(1)
    assert other.delete("app/s.1/store/version") == 1

    assert kept(one) == []


def content_of(number: int) -> bytes:
    return b"".join(payload(number).parts())


def test_what_was_put_again_is_gone_when_it_is_deleted_once(backend):
    backend.put("app/s.1/store/version", payload(1))
    backend.put("app/s.1/store/version", payload(1))

    backend.delete("app/s.1/store/version")

    assert kept(backend) == []


@pytest.mark.parametrize("ttls", [(5, 60), (60, 5), (5, None), (None, 5)])
def test_a_body_lives_as_long_as_the_longest_lived_of_its_holders(backend, clock, ttls):
    for number, ttl in enumerate(ttls):
        backend.put(f"app/s.{number}/store/version", payload(number), ttl=ttl)
    lasting = 1 if ttls[0] == 5 else 0

    backend.touch(f"app/s.{1 - lasting}/store/version", 5)
    clock.advance(6)

    assert backend.get(f"app/s.{1 - lasting}/store/version") is None
    assert content(backend.get(f"app/s.{lasting}/store/version")) == content_of(lasting)


def test_a_touch_prolongs_the_body_with_its_entry(backend, clock):
    backend.put("app/s.1/store/version", payload(1), ttl=10)
    clock.advance(8)
    assert backend.touch("app/s.1/store/version", 10)
    clock.advance(8)
    assert content(backend.get("app/s.1/store/version")) == content_of(1)
    clock.advance(3)
    assert not backend.touch("app/s.1/store/version", 10)


def test_a_body_that_the_server_dropped_is_missing_and_is_written_again(backend):
    backend.put("app/s.1/store/version", payload(1), ttl=60)
    backend.inner.delete(*[key for key in kept(backend) if is_body(key)])

    assert backend.get("app/s.1/store/version") is None
    backend.put("app/s.2/store/version", payload(2), ttl=60)

    assert content(backend.get("app/s.2/store/version")) == content_of(2)


def test_a_put_that_comes_too_late_leaves_nothing_and_takes_nothing_away(backend):
    backend.put("app/s.1/store/version", payload(1))
    with pytest.raises(Conflict):
        backend.put("app/s.1/store/version", payload(2, os.urandom(1 << 20)), expect=ABSENT)
    with pytest.raises(Conflict):
        backend.put("app/s.1/store/version", payload(2), expect=ABSENT)

    assert content(backend.get("app/s.1/store/version")) == content_of(1)
    assert len(kept(backend)) == 3


def test_a_body_of_very_many_lives_until_it_expires(backend, clock, monkeypatch):
    monkeypatch.setattr(stubs, "MANY", 2)
    keys = [f"app/s.{number}/store/version" for number in range(4)]
    for number, key in enumerate(keys):
        backend.put(key, payload(number), ttl=60)

    backend.delete(*keys[1:])
    assert content(backend.get(keys[0])) == content_of(0)
    backend.delete(keys[0])
    clock.advance(61)

    assert kept(backend) == []


def test_who_writes_and_who_deletes_the_same_at_the_same_time_lose_nothing(another):
    backends = [another() for _ in range(4)]

    def live(number: int) -> int:
        """Writes, reads and deletes; returns how often what was written could not be read."""
        backend, chance = backends[number], random.Random(number)
        lost = 0
        for step in range(25):
            key, which = f"app/s.{number}/store/{step}", chance.randrange(2)
            backend.put(key, payload(step, BODY[which:]), ttl=60)
            lost += content(backend.get(key)) != payload(step, BODY[which:]).buffer
            if chance.random() < 0.8:
                backend.delete(key)
            else:
                kept_by[number].append((key, payload(step, BODY[which:]).buffer))
        return lost

    kept_by: list[list[tuple[str, bytes]]] = [[] for _ in backends]
    with ThreadPoolExecutor(len(backends)) as pool:
        assert list(pool.map(live, range(len(backends)))) == [0] * len(backends)

    remaining = [pair for pairs in kept_by for pair in pairs]
    assert {key: content(backends[0].get(key)) for key, _ in remaining} == dict(remaining)
    backends[0].delete(*[key for key, _ in remaining])
    assert kept(backends[0]) == []


def manager_of(tmp_path: Path, **settings: object) -> StateManager:
    settings = {"database_url": f"sqlite:///{tmp_path / 'state.db'}", "secret_key": "secret", **settings}
    return StateManager(load(environ={}, **settings))


def test_who_holds_equal_data_can_still_not_read_what_another_session_holds(tmp_path):
    manager, store = manager_of(tmp_path), StoreDefinition("data")
    with enter_visit(Visit(Session("mine"))):
        (mine,) = manager.write_many([(store, BODY)])
    with enter_visit(Visit(Session("yours"))):
        (yours,) = manager.write_many([(store, BODY)])
        assert manager.read(mine, store) is None
        manager.clear_session()
        assert manager.read(yours, store) is None
    with enter_visit(Visit(Session("mine"))):
        assert manager.read(mine, store) == BODY


def test_each_session_is_charged_for_what_it_holds(tmp_path):
    manager = manager_of(tmp_path)
    for name in ("mine", "yours"):
        with enter_visit(Visit(Session(name))):
            manager.set_store_data("data", BODY)
            assert manager.get_backend_stats()["session"]["bytes"] > len(BODY)
    assert manager.get_backend_stats()["backend"]["bytes"] < 1.1 * len(BODY)


def test_versions_that_are_pushed_out_leave_no_body_behind(tmp_path):
    manager = manager_of(tmp_path, max_versions=2)
    with enter_visit(Visit(Session("mine"))):
        for _ in range(5):
            manager.set_store_data("data", os.urandom(1 << 20))
    assert manager.get_backend_stats()["backend"]["bytes"] < 2.1 * len(BODY)


def test_equal_data_is_kept_once_under_encryption_too(tmp_path):
    manager = manager_of(tmp_path, encryption_key="a key that is long enough")
    for name in ("mine", "yours"):
        with enter_visit(Visit(Session(name))):
            manager.set_store_data("data", BODY)
            assert manager.get_store_data("data") == BODY
    assert manager.get_backend_stats()["backend"]["bytes"] < 1.1 * len(BODY)
    assert BODY[:100] not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_it_can_be_turned_off(tmp_path):
    manager = manager_of(tmp_path, deduplicate=False)
    for name in ("mine", "yours"):
        with enter_visit(Visit(Session(name))):
            manager.set_store_data("data", BODY)
    assert manager.get_backend_stats()["backend"]["bytes"] > 2 * len(BODY)


@pytest.mark.parametrize("settings", [{"backend": "memory"}, {"backend": "client"}])
def test_what_never_becomes_bytes_on_this_machine_is_not_hashed(settings):
    assert not isinstance(open_backend(load(environ={}, **settings), content_key=lambda: b"key"), SharedBodies)


class Counting(Wrapper):
    """Notes what is asked of the backend."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self.calls: list[str] = []

    def get(self, key: str) -> Entry | None:
        self.calls.append("get")
        return self.inner.get(key)

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        self.calls.append(f"put {len(puts)}")
        return self.inner.put_many(puts, delete=delete)


SIZES = [(GUESSED // 2, ["put 4"]), (GUESSED, ["get", "put 4"]), (TOGETHER + 1, ["get", "put 2", "put 3"])]


@pytest.mark.parametrize(("size", "calls"), SIZES)
def test_a_new_body_goes_along_with_the_rest_unless_it_is_so_large_that_that_would_wait(backend, size, calls):
    backend.inner = counting = Counting(backend.inner)
    puts = [Put("app/s.1/store/a", payload(1, os.urandom(size)), 60), Put("app/s.1/store/head", BytesPayload(b"1"), 60)]

    etags = backend.put_many(puts)

    assert counting.calls == calls
    assert [backend.get(put.key).etag for put in puts] == etags


def test_what_this_process_never_met_is_put_without_a_look_and_joins_who_holds_it_all_the_same(another):
    first, second = another(), another()
    body = os.urandom(GUESSED // 2)
    first.put("app/s.1/store/a", payload(1, body), 60)
    second.inner = counting = Counting(second.inner)

    second.put("app/s.2/store/a", payload(2, body), 60)
    assert counting.calls[0].startswith("put")
    del counting.calls[:]
    second.put("app/s.3/store/a", payload(3, body), 60)

    assert counting.calls[0] == "get"
    assert sum(is_body(key) for key in kept(first)) == 1
    for number in (1, 2, 3):
        key = f"app/s.{number}/store/a"
        assert content(another().get(key)) == payload(number, body).buffer
        assert first.delete(key) == 1
    assert kept(first) == []


@pytest.mark.parametrize("size", [1 << 20, TOGETHER + 1])
def test_equal_bodies_of_one_batch_are_kept_once(backend, clock, size):
    body = os.urandom(size)
    keys = ["app/s.1/store/a", "app/s.1/store/b"]
    backend.put_many([Put(keys[0], payload(0, body), 5), Put(keys[1], payload(1, body), 60)])

    assert sum(is_body(key) for key in kept(backend)) == 1
    clock.advance(6)
    assert content(backend.get(keys[1])) == payload(1, body).buffer
    assert backend.delete(*keys) == 1
    clock.advance(60)
    assert kept(backend) == []


@pytest.mark.parametrize("size", [1 << 20, TOGETHER + 1])
def test_what_comes_too_late_for_another_put_of_its_batch_leaves_no_body(backend, size):
    backend.put("app/s.1/store/head", BytesPayload(b"1"))
    head = Put("app/s.1/store/head", BytesPayload(b"2"), expect=ABSENT)

    with pytest.raises(Conflict):
        backend.put_many([head, Put("app/s.1/store/a", payload(1, os.urandom(size)))])

    assert kept(backend) == ["app/s.1/store/head"]


def test_who_meets_another_that_writes_the_same_joins_it(another):
    """Whatever it expected of other puts: these did not come too late."""
    slow, quick = another(), another()

    class Meeting(Wrapper):
        def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
            if not kept(quick):
                quick.put("app/s.2/store/a", payload(2), 60)
            return self.inner.put_many(puts, delete=delete)

    slow.inner = Meeting(slow.inner)
    slow.put_many([Put("app/s.1/store/a", payload(1), 60, ABSENT), Put("app/s.1/store/head", BytesPayload(b"1"), 60)])

    assert content(slow.get("app/s.1/store/a")) == content_of(1)
    assert sum(is_body(key) for key in kept(quick)) == 1
    quick.delete("app/s.2/store/a")
    assert content(slow.get("app/s.1/store/a")) == content_of(1)


class Meeting(Wrapper):
    """Lets another do something once, before or after a part of what is asked for."""

    def __init__(self, inner: Backend, other: Callable[[], object], when: str) -> None:
        super().__init__(inner)
        self.other: Callable[[], object] | None = other
        self.when = when

    def meet(self, when: str) -> None:
        if self.other and when == self.when:
            other, self.other = self.other, None
            other()

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        own = [put for put in puts if "/=" not in put.key]
        if not own:
            return self.inner.put_many(puts, delete=delete)
        self.meet("before")
        if self.when == "between":  # as where there is no transaction
            etags = self.inner.put_many([put for put in puts if put not in own])
            self.meet("between")
            etags += self.inner.put_many(own, delete=delete)
        else:
            etags = self.inner.put_many(puts, delete=delete)
        self.meet("after")
        return etags

    def delete(self, *keys: str) -> int:
        count = self.inner.delete(*keys)
        self.meet("deleted")
        return count


KEY, HEAD = "app/s.1/store/version", "app/s.1/store/head"


@pytest.mark.parametrize("when", ["before", "between"])
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("size", [1 << 20, TOGETHER + 1])
def test_who_comes_too_late_leaves_a_body_to_another_with_the_same_key(another, when, is_there, size):
    slow, quick = another(), another()
    body = os.urandom(size)
    if is_there:
        quick.put("app/s.2/store/version", payload(2, body), 60)
    etag = quick.put(HEAD, BytesPayload(b"1"), 60)

    def puts(what: bytes) -> list[Put]:
        return [Put(KEY, payload(1, body), 60), Put(HEAD, BytesPayload(what), 60, etag)]

    slow.inner = Meeting(slow.inner, lambda: quick.put_many(puts(b"quick")), when)
    with pytest.raises(Conflict):
        slow.put_many(puts(b"slow"))

    assert content(another().get(KEY)) == payload(1, body).buffer
    quick.delete(KEY, HEAD, "app/s.2/store/version")
    assert kept(quick) == []


@pytest.mark.parametrize("is_there", [False, True])
def test_who_comes_too_late_for_another_key_leaves_nothing_though_others_joined(another, is_there):
    slow, quick = another(), another()
    if is_there:
        quick.put("app/s.2/store/version", payload(2), 60)

    def join() -> None:
        quick.put("app/s.3/store/version", payload(3), 60)
        quick.put(HEAD, BytesPayload(b"1"), 60)

    slow.inner = Meeting(slow.inner, join, "between")
    with pytest.raises(Conflict):
        slow.put_many([Put(HEAD, BytesPayload(b"2"), 60, ABSENT), Put(KEY, payload(1), 60)])

    assert content(another().get("app/s.3/store/version")) == content_of(3)
    quick.delete(HEAD, "app/s.2/store/version", "app/s.3/store/version")
    assert kept(quick) == []


@pytest.mark.parametrize("ttls", [(60, 5), (None, 5)])
def test_who_comes_too_late_does_not_shorten_the_life_of_a_body(another, clock, ttls):
    slow, quick = another(), another()
    quick.put("app/s.2/store/version", payload(2), 5)
    slow.get("app/s.2/store/version")

    def prolong() -> None:
        quick.put(KEY, payload(1), ttls[0], expect=ABSENT)
        slow.inner.touch(next(key for key in kept(quick) if is_body(key)), ttls[1])  # as what was on its way

    slow.inner = Meeting(slow.inner, prolong, "before")
    with pytest.raises(Conflict):
        slow.put(KEY, payload(1), ttls[1], expect=ABSENT)
    clock.advance(10)

    assert content(another().get(KEY)) == content_of(1)


def test_what_is_written_again_while_it_is_deleted_stays(another):
    one, other = another(), another()
    one.put(KEY, payload(1), 60)
    one.inner = Meeting(one.inner, lambda: other.put(KEY, payload(1), 60), "deleted")
    one.delete(KEY)
    assert content(another().get(KEY)) == content_of(1)

    other.inner = Meeting(other.inner, lambda: one.delete(KEY), "before")
    other.put(KEY, payload(1), 60)
    assert content(another().get(KEY)) == content_of(1)
    one.delete(KEY)
    assert kept(one) == []


def test_what_a_put_deletes_leaves_its_body_unless_it_is_written_again(another):
    one, other = another(), another()
    one.put(KEY, payload(1), 60)
    one.put_many([Put(HEAD, BytesPayload(b"1"))], delete=[KEY])
    assert kept(one) == [HEAD]

    one.put(KEY, payload(1), 60)
    plain = one.inner
    one.inner = Meeting(plain, lambda: other.put(KEY, payload(1), 60), "after")
    one.put_many([Put(HEAD, BytesPayload(b"2"))], delete=[KEY])
    assert content(another().get(KEY)) == content_of(1)

    one.inner = plain
    other.inner = Meeting(other.inner, lambda: one.put_many([Put(HEAD, BytesPayload(b"3"))], delete=[KEY]), "before")
    other.put(KEY, payload(1), 60)
    assert content(another().get(KEY)) == content_of(1)
    one.put_many([], delete=[KEY, HEAD])
    assert kept(one) == []


@pytest.mark.parametrize("met", [False, True])
def test_a_clock_that_is_behind_may_still_see_holders_of_which_the_last_one_went(another, clock, met):
    ahead, behind = another(), another(lambda: clock() - 0.5)
    ahead.put(KEY, payload(1), 60)
    if met:
        behind.get(KEY)
    ahead.delete(KEY)

    behind.put("app/s.2/store/version", payload(2), 60)
    assert content(behind.get("app/s.2/store/version")) == content_of(2)
    ahead.delete("app/s.2/store/version")
    clock.advance(1)
    assert kept(behind) == []
