"""Several processes at once: no update is lost, and who lost a lock writes nothing any more."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dash_statemanager import ensure_session_context
from dash_statemanager.config import load
from dash_statemanager.errors import BackendUnavailable, LockTimeout
from dash_statemanager.manager import StateManager
from tests.outages import programs
from tests.servers import databases, redis
from tests.servers.base import wait_until

Start = Callable[..., subprocess.Popen[str]]

PLACES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "sqlite": lambda folder: {"backend": "database", "database_url": f"sqlite:///{folder / 'state.db'}"},
    "postgresql": lambda folder: {"backend": "database", "database_url": databases.postgresql()},
    "mariadb": lambda folder: {"backend": "database", "database_url": databases.mariadb()},
    "redis": lambda folder: {"backend": "redis", "redis_url": redis.url()},
    "cluster": lambda folder: {"backend": "redis", "redis_url": redis.cluster_url()},
}


@pytest.fixture(params=PLACES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    namespace = f"test-{random.getrandbits(64):x}"
    return {**PLACES[request.param](tmp_path), "secret_key": "a key", "namespace": namespace}


@pytest.fixture
def manager(settings: dict[str, Any]) -> Iterator[StateManager]:
    manager = StateManager(load(environ={}, **settings))
    with ensure_session_context("everybody"), closing(manager):
        yield manager
        manager.backend.delete(*(row.key for row in manager.backend.scan(f"{settings['namespace']}/")))


@pytest.fixture
def start(settings: dict[str, Any]) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        name, *rest = arguments
        command = [sys.executable, "-m", "tests.outages.programs", name, json.dumps(settings), *rest]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for program in started:
        program.kill()
        program.communicate()


def test_two_processes_update_at_the_same_time_and_nothing_is_lost(start: Start, manager: StateManager) -> None:
    programs = [start("count", name, "500") for name in ("one", "two")]
    assert [program.wait(120) for program in programs] == [0, 0]
    assert manager.get_stores(["one", "two", "shared"]) == {"one": 500, "two": 500, "shared": 1000}


def test_a_holder_that_was_stopped_past_its_lease_writes_nothing_stale(start: Start, manager: StateManager) -> None:
    trials, at_once = 200, 50
    for first in range(0, trials, at_once):
        holder = start("hold", str(at_once))
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        stores = [f"store-{number}" for number in range(at_once)]
        wait_until(lambda stores=stores: len(manager.get_stores(stores)) == at_once, 20)
        time.sleep(random.uniform(0, programs.LEASE / 3))
        holder.send_signal(signal.SIGSTOP)
        for number in range(at_once):
            take(manager, number, ["next", first], holder)
        holder.send_signal(signal.SIGCONT)
        output, _ = holder.communicate(timeout=30)
        assert output == f"{at_once}\n", "each of them was to find its lock lost"
        assert list(manager.get_stores(stores).values()) == [["next", first]] * at_once
        for store in stores:
            manager.delete_store(store)


def take(manager: StateManager, number: int, value: Any, holder: subprocess.Popen[str]) -> None:
    """Takes a lock from a stopped process, and writes.

    A process that is stopped in the middle of a transaction keeps others from what it is about to change. It is not
    past its lease then, since nobody can take the lock: it goes on for a moment, and is stopped at another.
    """
    while True:
        try:
            with manager.locks.lock(f"door-{number}", timeout=2 * programs.LEASE):
                return manager.set_store_data(f"store-{number}", value)
        except (LockTimeout, BackendUnavailable):
            holder.send_signal(signal.SIGCONT)
            time.sleep(random.uniform(0, 0.2))
            holder.send_signal(signal.SIGSTOP)
