"""Several processes at once: no update is lost, and who lost a lock writes nothing any more."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dash_statemanager import ensure_session_context
from dash_statemanager.config import load
from dash_statemanager.errors import BackendUnavailable
from dash_statemanager.manager import StateManager
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
    with ensure_session_context("everybody"):
        yield manager
    keys = [row.key for row in manager.backend.scan(f"{settings['namespace']}/")]
    manager.backend.delete(*keys)
    manager.close()


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
    trials, at_once = 200, 40
    for first in range(0, trials, at_once):
        holder = start("hold", str(at_once))
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        stores = [f"store-{number}" for number in range(at_once)]
        wait_until(lambda stores=stores: len(manager.get_stores(stores)) == at_once, 20)
        stop(holder, manager)
        for number in range(at_once):
            with manager.locks.lock(f"door-{number}", timeout=20):
                manager.set_store_data(f"store-{number}", ["next", first])
        holder.send_signal(signal.SIGCONT)
        output, _ = holder.communicate(timeout=30)
        assert output == f"{at_once}\n", "each of them was to find its lock lost"
        assert list(manager.get_stores(stores).values()) == [["next", first]] * at_once
        for store in stores:
            manager.delete_store(store)


def stop(holder: subprocess.Popen[str], manager: StateManager) -> None:
    """Stops a process at some moment at which it holds no transaction, which in SQLite would hold up everybody."""
    while True:
        time.sleep(random.uniform(0, 0.05))
        holder.send_signal(signal.SIGSTOP)
        try:
            manager.backend.ping()
        except BackendUnavailable:
            holder.send_signal(signal.SIGCONT)
        else:
            return
