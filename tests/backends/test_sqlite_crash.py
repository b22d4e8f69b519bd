"""What survives kill -9: everything that was acknowledged, and nothing else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dash_statemanager.backends.sql import SqlBackend
from tests.backends import crash

KILLS = 200
LONGEST = 0.08


class Writers:
    """Starts writing processes, one after the other, and kills them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._forker = subprocess.Popen(
            [sys.executable, "-m", "tests.backends.crash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._pid = 0
        os.set_blocking(self._forker.stdout.fileno(), False)

    def start(self, number: int) -> None:
        self._forker.stdin.write(f"{self._url} {number}\n".encode())
        self._forker.stdin.flush()
        self._pid = int(self._forker.stderr.readline())

    def acknowledged(self) -> list[int]:
        """The numbers that were acknowledged since this was last asked."""
        return [int(line) for line in (self._forker.stdout.read() or b"").split()]

    def kill(self) -> None:
        """Returns when the writer is gone."""
        os.kill(self._pid, signal.SIGKILL)
        while is_running(self._pid):
            time.sleep(0.001)

    def close(self) -> None:
        self._forker.communicate(timeout=10)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where possible: a kill is no power cut, so the disk has no part in this."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def backend(folder: Path) -> Iterator[SqlBackend]:
    backend = SqlBackend(f"sqlite:///{folder / 'state.db'}")
    yield backend
    backend.close()


@pytest.fixture
def writers(folder: Path) -> Iterator[Writers]:
    writers = Writers(f"sqlite:///{folder / 'state.db'}")
    yield writers
    writers.close()


def values(backend: SqlBackend) -> dict[str, bytes]:
    return {key: bytes(entry.payload.buffer) for key, entry in backend.get_many(crash.KEYS).items()}


def read_one(backend: SqlBackend) -> None:
    """Reads while another process writes, and finds no half value."""
    key = random.choice(crash.KEYS)
    entry = backend.get(key)
    assert entry is None or crash.is_whole(bytes(entry.payload.buffer), key)


def write_for_a_moment(backend: SqlBackend, writers: Writers, number: int) -> list[int]:
    """Starts a writer and kills it some time after its first write, or now and then before; returns what it did."""
    writers.start(number)
    done: list[int] = []
    patience = time.monotonic() + (random.uniform(0, LONGEST) if random.random() < 0.1 else 20)
    while not done and time.monotonic() < patience:
        read_one(backend)
        done += writers.acknowledged()
    end = time.monotonic() + random.uniform(0, LONGEST)
    while time.monotonic() < end:
        read_one(backend)
    writers.kill()
    return done + writers.acknowledged()


def test_two_hundred_kills_lose_nothing_and_leave_nothing(backend, writers, folder):
    """Each writer goes on where the one before was killed; the write under way is there as a whole or not at all."""
    files = folder / "state.db-files"
    expected: dict[str, bytes] = {}
    number = 1
    acknowledged = orphans = 0
    for _ in range(KILLS):
        for done in write_for_a_moment(backend, writers, number):
            assert done == number
            expected = crash.history(number).apply(expected)
            number += 1
            acknowledged += 1
        found = values(backend)
        if found != expected:
            expected = crash.history(number).apply(expected)
            number += 1
        assert found == expected

        orphans += backend.purge()

        assert {path.suffix for path in files.glob("*")} <= {".payload"}
        assert len(list(files.glob("*"))) == backend.stats()["files"]
        assert values(backend) == expected
    assert acknowledged > KILLS
    assert orphans > 0, "no kill came between a file and its row, so this proved nothing"
