"""A SQLite backend, its files, and programs of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dash_statemanager.backends.sql import SqlBackend

PRELUDE = """
import os, sys, threading
from dash_statemanager.backends.base import ABSENT, BytesPayload, Put
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.errors import *
from tests.backends.programs import at_once, large, opened, small
"""

MAY_MOUNT = 1 << 21  # CAP_SYS_ADMIN


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests on a small disk where none may be mounted; others show the same by a limit."""
    if not may_mount():
        wanting = [item for item in items if "small_disk" in getattr(item, "fixturenames", ())]
        items[:] = [item for item in items if item not in wanting]
        config.hook.pytest_deselected(items=wanting)


def may_mount() -> bool:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return any(line.startswith("CapEff:") and int(line.split()[1], 16) & MAY_MOUNT for line in lines)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state.db'}"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of large payloads."""
    return tmp_path / "state.db-files"


@pytest.fixture
def backend(url: str) -> Iterator[SqlBackend]:
    backend = SqlBackend(url)
    yield backend
    backend.close()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a Python program, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PRELUDE + code, *map(str, arguments)]
        pipe = subprocess.PIPE
        program = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        started.append(program)
        return program

    yield start
    for program in started:
        program.kill()
        program.communicate()


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Runs a Python program to its end and returns what it printed."""

    def run(code: str, *arguments: object) -> str:
        program = start(code, *arguments)
        output, errors = program.communicate(timeout=60)
        assert program.returncode == 0, errors
        return output

    return run
