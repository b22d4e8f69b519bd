"""What survives kill -9: everything that was acknowledged, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dash_statemanager.backends.sql import SqlBackend
from tests.backends import crash
from tests.backends.writers import Writers, values, write_for_a_moment

KILLS = 200


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
