"""Locks and leases: one holder at a time, across threads and processes, and none for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dash_statemanager.backends.base import ABSENT, ANY, Backend, BytesPayload, Entry, Expect, Payload, Put
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.backends.wrapper import Wrapper
from dash_statemanager.errors import BackendUnavailable, Conflict, LockLost, LockTimeout
from dash_statemanager.locks import Locks, put_fenced
from tests.servers.base import wait_until

HOLD = """
import sys
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.locks import Locks
with Locks(lambda backend=SqlBackend(sys.argv[1]): backend, "test").lock("door", lease=float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
import pathlib, sys
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.locks import Locks
locks, counter = Locks(lambda backend=SqlBackend(sys.argv[1]): backend, "test"), pathlib.Path(sys.argv[2])
for _ in range(25):
    with locks.lock("door"):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


class Leaving(Wrapper):
    """A memory backend that can be away, and knows whether something was opened since the last close."""

    is_away = is_open = False

    def __init__(self) -> None:
        super().__init__(MemoryBackend())

    def get(self, key: str) -> Entry | None:
        self._use()
        return self.inner.get(key)

    def put(self, key: str, payload: Payload, ttl: float | None = None, *, expect: Expect = ANY) -> str:
        self._use()
        return self.inner.put(key, payload, ttl, expect=expect)

    def close(self) -> None:
        self.is_open = False

    def _use(self) -> None:
        if self.is_away:
            raise BackendUnavailable("away")
        self.is_open = True


@pytest.fixture
def backend() -> Backend:
    return MemoryBackend()


@pytest.fixture
def locks(backend: Backend) -> Locks:
    return Locks(lambda: backend, "test")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'locks.db'}"


def start(script: str, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *args]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


def finish() -> None:
    """Waits until no lock is freed in the background any more."""
    wait_until(lambda: "dash-statemanager-lock" not in {thread.name for thread in threading.enumerate()}, 10)


def is_free(locks: Locks, name: str = "door") -> bool:
    try:
        with locks.lock(name, timeout=0):
            return True
    except LockTimeout:
        return False


def test_a_lock_is_held_for_the_time_of_the_block(locks: Locks) -> None:
    with locks.lock("door"):
        assert not is_free(locks)
        assert is_free(locks, "window")
    assert is_free(locks)


def test_a_lock_is_free_after_an_error_too(locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError), locks.lock("door"):
        raise ZeroDivisionError
    assert is_free(locks)


def test_who_waits_too_long_is_told_the_name_and_the_time(locks: Locks) -> None:
    with locks.lock("door"), pytest.raises(LockTimeout, match=r"'door' was not free within 0\.02 s"):  # noqa: SIM117
        with locks.lock("door", timeout=0.02):
            pass


def test_apps_of_other_namespaces_have_locks_of_their_own(backend: Backend, locks: Locks) -> None:
    with locks.lock("door"):
        assert is_free(Locks(lambda: backend, "other"))


def test_threads_hold_it_one_at_a_time(locks: Locks) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with locks.lock("door"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.001)  # gives others the chance to come in
            inside.remove(number)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(48)))
    assert most == [1] * 48


def test_processes_hold_it_one_at_a_time(url: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [start(COUNT, url, str(counter)) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()
    assert counter.read_text() == "75"


def test_a_lock_whose_holder_was_killed_is_free_after_its_lease(url: str) -> None:
    backend = SqlBackend(url)
    locks = Locks(lambda: backend, "test")
    holder = start(HOLD, url, "1.5")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert not is_free(locks)
    holder.kill()
    holder.communicate()
    with locks.lock("door", timeout=10):
        pass
    backend.close()


def test_a_living_holder_keeps_it_longer_than_its_lease(url: str) -> None:
    backend = SqlBackend(url)
    locks = Locks(lambda: backend, "test")
    holder = start(HOLD, url, "1.5")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LockTimeout), locks.lock("door", timeout=3.5):
        pass
    holder.communicate("done")
    assert is_free(locks)
    backend.close()


def test_who_lost_the_lock_does_not_free_it_for_the_one_who_has_it_now(
    make_sqlite: Callable[[], SqlBackend], clock: Callable[[], float]
) -> None:
    backend = make_sqlite()
    locks = Locks(lambda: backend, "test")
    slow = locks.lock("door", lease=1000)
    slow.__enter__()
    clock.advance(1001)  # type: ignore[attr-defined]  # asleep for longer than the lease
    with locks.lock("door", timeout=0, lease=1000):
        slow.__exit__(None, None, None)
        clock.advance(1)  # type: ignore[attr-defined]
        assert not is_free(locks)


def test_a_lease_ends_by_itself(clock: Callable[[], float]) -> None:
    backend = MemoryBackend(clock)
    locks = Locks(lambda: backend, "test")
    assert locks.try_lease("prune", 300)
    assert not locks.try_lease("prune", 300)
    clock.advance(300)  # type: ignore[attr-defined]
    assert locks.try_lease("prune", 300)


def test_who_lost_the_lock_writes_nothing_any_more(
    make_sqlite: Callable[[], SqlBackend], clock: Callable[[], float]
) -> None:
    backend = make_sqlite()
    locks = Locks(lambda: backend, "test")
    with locks.lock("door", lease=1000):
        put_fenced(backend, [Put("a", BytesPayload(b"first"))])
        clock.advance(1001)  # type: ignore[attr-defined]  # asleep for longer than the lease
        other = Locks(lambda: backend, "test").lock("door", timeout=0)
        other.acquire()
        backend.put("a", BytesPayload(b"second"))
        other.release()
        with pytest.raises(LockLost, match="'door'"):
            put_fenced(backend, [Put("a", BytesPayload(b"late")), Put("b", BytesPayload(b"late"))])
    assert bytes(backend.get("a").payload.parts()[0]) == b"second"
    assert backend.get("b") is None


def test_a_lock_that_ran_out_while_nobody_came_is_lost_too(
    make_sqlite: Callable[[], SqlBackend], clock: Callable[[], float]
) -> None:
    backend = make_sqlite()
    with Locks(lambda: backend, "test").lock("door", lease=1000):
        clock.advance(1001)  # type: ignore[attr-defined]
        with pytest.raises(LockLost):
            put_fenced(backend, [Put("a", BytesPayload(b"late"))])
    assert backend.get("a") is None


def test_writes_and_renewals_do_not_take_each_other_for_a_stranger() -> None:
    """Where time stands still for the backend, no lease is over, however slow the machine is to renew it."""
    backend = MemoryBackend(lambda: 0.0)
    locks = Locks(lambda: backend, "test")
    with locks.lock("door", lease=0.03):
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            put_fenced(backend, [Put("a", BytesPayload(b"mine"))])
    assert is_free(locks)


def test_a_conflict_of_something_else_is_not_a_lost_lock(backend: Backend, locks: Locks) -> None:
    backend.put("a", BytesPayload(b"there"))
    with locks.lock("door"):
        for _ in range(2):
            with pytest.raises(Conflict):
                put_fenced(backend, [Put("a", BytesPayload(b"new"), expect=ABSENT)])
        put_fenced(backend, [Put("b", BytesPayload(b"new"))])
    assert backend.get("b") is not None


def test_a_lock_that_could_not_be_freed_does_not_open_a_closed_backend_again() -> None:
    backend = Leaving()
    locks = Locks(lambda: backend, "test")
    with locks.lock("door"):
        backend.is_away = True
    locks.close()
    backend.close()
    backend.is_away = False
    finish()
    assert not backend.is_open
    with locks.lock("window"):
        backend.is_away = True
    backend.is_away = False
    finish()
    assert is_free(locks, "window")


def test_a_lock_is_known_where_it_is_held_and_only_there(locks: Locks) -> None:
    with locks.lock("door", scope="s.me"), ThreadPoolExecutor(1) as other:
        assert locks.holds("door", scope="s.me")
        assert not locks.holds("door", scope="s.you")
        assert not locks.holds("door")
        assert not other.submit(locks.holds, "door", scope="s.me").result()
    assert not locks.holds("door", scope="s.me")
