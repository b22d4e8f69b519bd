"""One column of a large frame costs a fraction of the whole frame, in time and in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.columns import costs
from tests.servers import databases
from tests.servers import redis as redis_servers

PLACES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "sqlite": lambda folder: {"backend": "database", "database_url": f"sqlite:///{folder / 'parts.db'}"},
    "postgresql": lambda _: {"backend": "database", "database_url": databases.postgresql()},
    "mariadb": lambda _: {"backend": "database", "database_url": databases.mariadb()},
    "redis": lambda _: {"backend": "redis", "redis_url": redis_servers.url()},
}


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak of the memory")
@pytest.mark.parametrize("place", PLACES)
def test_one_column_of_ten_costs_a_fraction_of_the_frame(tmp_path: Path, place: str) -> None:
    found = costs(PLACES[place](tmp_path), rows=1_000_000)
    assert found.share_of_seconds < (0.15 if place == "sqlite" else 0.25)  # servers vary with what else runs
    assert found.share_of_memory < 0.2
