"""Touches: none in the request's path, all of them sent, in batches."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dash_statemanager.api import ensure_session_context
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.backends.wrapper import Wrapper
from dash_statemanager.cache import Cached, ProcessCache
from dash_statemanager.codecs import Codecs
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.errors import BackendError, BackendReadOnly, BackendUnavailable
from dash_statemanager.touches import BATCH, Toucher
from tests.servers.base import wait_until

FROZEN = Codecs(compression="none", keys=[b"k"]).freeze("value")
THREAD = "dash-statemanager-touch"
READ_AT_THE_END = """
import sys, time
from dash_statemanager.config import load
from dash_statemanager.manager import StateManager
from dash_statemanager.session import Session, Visit, enter_visit
now = [1000.0]
manager = StateManager(load(environ={}, database_url=sys.argv[1], secret_key="k", ttl_default=100), lambda: now[0])
enter_visit(Visit(Session("me")))
manager.set_store_data("sales", 1)
now[0] += 50
assert manager.get_store_data("sales") == 1
"""


class Recorder(Wrapper):
    """Keeps in memory, notes what is touched, and fails when it is told to."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(MemoryBackend(clock))
        self.batches: list[dict[str, float | None]] = []
        self.error: BackendError | None = None
        self.seconds = 0.0

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        time.sleep(self.seconds)
        try:
            if self.error:
                raise self.error
            return super().touch_many(ttls)
        finally:
            self.batches.append(dict(ttls))


class Room:
    """A toucher and what is around it; versions are read by naming them."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.backend = clock, Recorder(clock)
        self.cache = ProcessCache(1 << 20, clock)
        self.toucher = Toucher(self.backend, self.cache, clock)

    def put(self, key: str, ttl: float | None = 100) -> None:
        self.backend.put(key, FROZEN_PAYLOAD, ttl)
        self.cache.put(key, Cached(FROZEN, ttl, self.clock()))

    def read(self, *keys: str) -> None:
        self.toucher.see(self.cache.fetch(keys, lambda keys: {}))

    def threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == THREAD]


FROZEN_PAYLOAD = Codecs(compression="none", keys=[b"k"]).payload(FROZEN, created=0.0, ttl=100)


@pytest.fixture
def room(clock: Any) -> Iterator[Room]:
    wait_until(lambda: THREAD not in {thread.name for thread in threading.enumerate()}, 5)
    room = Room(clock)
    yield room
    room.backend.error = None
    room.toucher.close()


def test_a_read_waits_for_no_touch_and_the_touch_is_sent_by_itself(room: Room) -> None:
    room.put("s/a/1")
    room.clock.advance(20)
    room.read("s/a/1")
    room.read("s/a/1")
    assert room.backend.batches == []
    wait_until(lambda: room.backend.batches == [{"s/a/1": 100, "s/a/head": 100}], 5)
    assert room.backend.get("s/a/1").expires_at == room.clock() + 100
    assert not room.cache.get("s/a/1").needs_touch(room.clock() + 9)


def test_the_thread_begins_with_the_first_touch_and_ends_with_the_last(room: Room) -> None:
    room.put("s/a/1")
    room.read("s/a/1")
    assert room.threads() == []
    room.clock.advance(20)
    room.read("s/a/1")
    assert len(room.threads()) == 1
    room.toucher.flush()
    wait_until(lambda: not room.threads(), 5)


def test_what_is_soon_over_is_touched_at_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dash_statemanager.touches.DELAY", 30)
    room.put("s/a/1")
    room.clock.advance(99)
    room.read("s/a/1")
    wait_until(lambda: len(room.backend.batches) == 1, 5)


def test_what_is_gone_leaves_the_process_and_its_neighbours_are_prolonged(room: Room) -> None:
    room.put("s/a/1")
    room.put("s/a/2")
    room.clock.advance(20)
    room.backend.delete("s/a/1")
    room.read("s/a/1", "s/a/2")
    room.toucher.flush()
    assert room.cache.get("s/a/1") is None
    assert room.cache.get("s/a/2") is not None
    assert [row.expires_at for row in room.backend.scan("s/a/2")] == [room.clock() + 100]


def test_a_head_lives_as_long_as_the_longest_of_its_versions(room: Room) -> None:
    for number, ttl in enumerate([50, 100, 20]):
        room.put(f"s/a/{number}", ttl)
    room.clock.advance(15)
    room.read("s/a/0", "s/a/1", "s/a/2")
    room.toucher.flush()
    assert room.backend.batches[0]["s/a/head"] == 100


def test_a_head_that_lives_longer_is_not_shortened_by_the_reader_of_an_older_version(
    make_manager: Any, clock: Any
) -> None:
    manager = make_manager(backend="database", ttl_default=60)
    with ensure_session_context("me"):
        [older] = manager.write_many([(StoreDefinition("kept"), "older")])
        manager.set_store_data("kept", "newer", ttl=86400)
        clock.advance(30)
        assert manager.read(older) == "older"
        manager.flush()
        clock.advance(1000)
        assert manager.get_store_data("kept") == "newer"


def test_what_was_written_anew_keeps_its_new_lifetime(room: Room) -> None:
    room.put("s/a/1", 20)
    room.clock.advance(10)
    room.read("s/a/1")
    room.put("s/a/1", None)
    room.toucher.forget(["s/a/1"])
    room.toucher.flush()
    assert room.backend.batches == []
    assert room.backend.get("s/a/1").expires_at is None


def test_many_are_sent_in_several_batches(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"s/{number}/1" for number in range(BATCH + 1)]
    for key in keys:
        room.put(key)
    room.clock.advance(20)
    room.read(*keys)
    room.toucher.flush()
    assert [len(batch) for batch in room.backend.batches] == [2 * BATCH, 2]


def test_no_more_is_noted_than_there_is_room_for_and_the_rest_comes_with_the_next_read(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dash_statemanager.touches.KNOWN", 2)
    keys = ["s/a/1", "s/b/1", "s/c/1"]
    for key in keys:
        room.put(key)
    room.clock.advance(20)
    for expected in (2, 3):
        room.read(*keys)
        room.toucher.flush()
        touched = {key for batch in room.backend.batches for key in batch if key in keys}
        assert len(touched) == expected


def test_while_the_backend_is_away_values_are_served_and_touched_when_it_is_back(room: Room) -> None:
    room.put("s/a/1")
    room.clock.advance(20)
    room.backend.error = BackendUnavailable("the line is cut")
    room.read("s/a/1")
    with pytest.raises(BackendUnavailable):
        room.toucher.flush()
    assert room.cache.get("s/a/1") is not None
    room.backend.error = None
    wait_until(lambda: room.backend.get("s/a/1").expires_at == room.clock() + 100, 20)


def test_what_a_flush_takes_back_is_touched_though_nothing_is_read_any_more(room: Room) -> None:
    room.put("s/a/1")
    room.clock.advance(20)
    room.backend.error, room.backend.seconds = BackendUnavailable("the line is cut"), 0.1
    room.read("s/a/1")
    with pytest.raises(BackendUnavailable):
        room.toucher.flush()  # before the thread, which has just started, has looked
    room.backend.error = None
    wait_until(lambda: room.backend.get("s/a/1").expires_at == room.clock() + 100, 20)


def test_a_value_whose_touch_never_arrived_ends_with_its_lifetime(room: Room) -> None:
    room.put("s/a/1")
    room.backend.error = BackendUnavailable("the line is cut")
    room.clock.advance(99)
    room.read("s/a/1")
    room.toucher.close()
    room.clock.advance(1)
    assert room.cache.get("s/a/1") is None


def test_another_failure_is_told_once(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    room.put("s/a/1")
    room.backend.error = BackendReadOnly("a replica")
    room.clock.advance(99)
    for number in range(1, 4):
        room.read("s/a/1")
        wait_until(lambda: len(room.backend.batches) >= number, 5)  # noqa: B023
    assert [record.message for record in caplog.records] == [
        "values that are used can't be kept from expiring, which is tried again: a replica."
    ]


def test_closing_a_manager_touches_what_was_read(make_manager: Any, clock: Any) -> None:
    manager = make_manager(backend="database", ttl_default=100, secret_key="k")
    initial, write_initial = manager.exchange.prepare_initial(manager.definitions.by_name("sales"), 1)
    write_initial()
    clock.advance(50)
    assert manager.read(initial) == 1
    manager.close()
    expiries = [row.expires_at for row in make_manager(backend="database").backend.scan("dash/a")]
    assert clock() + 100 in expiries


def test_the_end_of_the_process_touches_what_was_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    subprocess.run([sys.executable, "-c", READ_AT_THE_END, url], env=os.environ, check=True, timeout=60)
    backend = SqlBackend(url, lambda: 1100.0)
    assert [row.expires_at for row in backend.scan("dash/s.")] == [1150.0, 1150.0]
    backend.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_leaves_the_parents_touches_to_the_parent_and_sends_its_own(room: Room) -> None:
    room.put("s/a/1")
    room.clock.advance(20)
    room.read("s/a/1")
    child = os.fork()
    if not child:
        room.backend.inner._pid = os.getpid()
        room.toucher.flush()
        nothing = room.backend.batches == []
        room.read("s/a/1")
        wait_until(lambda: len(room.backend.batches) == 1, 5)
        os._exit(0 if nothing else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    room.toucher.flush()
    assert len(room.backend.batches) == 1
