"""Managers on real backends, with a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.config import load
from dash_statemanager.manager import StateManager
from tests.conftest import Clock

MakeManager = Callable[..., StateManager]


@pytest.fixture
def memory(clock: Clock) -> Iterator[MemoryBackend]:
    backend = MemoryBackend(clock)
    yield backend
    backend.close()


@pytest.fixture
def make_sqlite(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], SqlBackend]]:
    """Opens one more backend on the same file, as another process would."""
    opened: list[SqlBackend] = []

    def make() -> SqlBackend:
        opened.append(SqlBackend(f"sqlite:///{tmp_path / 'state.db'}", clock))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


@pytest.fixture
def make_manager(tmp_path: Path, clock: Clock) -> Iterator[MakeManager]:
    """Makes a manager; those on `backend="database"` share one file."""
    made: list[StateManager] = []

    def make(**settings: Any) -> StateManager:
        settings = {"backend": "memory", "database_url": f"sqlite:///{tmp_path / 'state.db'}", **settings}
        made.append(StateManager(load(environ={}, **settings), clock))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.fixture(params=["memory", "database"])
def manager(request: pytest.FixtureRequest, make_manager: MakeManager) -> StateManager:
    return make_manager(backend=request.param)
