"""A hundred thousand expired sessions: one prune leaves nothing, and hardly anybody waits for it.

The prune goes on and pauses by turns, while somebody writes and reads: what visits took while it went on is
compared with what they took while it paused, so that whatever else the machine does counts in both.

python -m tests.soak.prune sqlite postgresql mariadb --sessions 100000
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from dash_statemanager import ensure_session_context
from dash_statemanager.backends.base import BytesPayload, Put
from dash_statemanager.backends.sql import pace
from dash_statemanager.config import load
from dash_statemanager.manager import StateManager
from tests.servers import databases

PLACES: Mapping[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder / 'state.db'}",
    "postgresql": lambda folder: databases.postgresql(),
    "mariadb": lambda folder: databases.mariadb(),
}
ENTRIES = 3
"""Entries of a session: a version, its head, and a patch."""
MORE = 1.10
"""What a prune may add to the 99th percentile of writes and reads."""
TURN, PAUSE = 1.0, 0.5
"""Seconds that it goes on, and that it pauses."""
STEP = 0.1
"""Seconds until the prune has done what it was doing when it was told to pause."""


def fill(manager: StateManager, sessions: int) -> None:
    """Leaves expired sessions behind, as they are after a day without a visit."""
    for first in range(0, sessions, 500):
        puts = [
            Put(f"dash/s.{number:032x}/Ah3kD9sLq0w/{part}", BytesPayload(b"x" * 300), 0.001)
            for number in range(first, min(first + 500, sessions))
            for part in range(ENTRIES)
        ]
        manager.backend.put_many(puts)


def visits(manager: StateManager, stop: Callable[[], bool]) -> list[float]:
    """What writes and reads took, in seconds, one after the other until it is time to stop."""
    taken = []
    while not stop():
        start = time.perf_counter()
        value = {"at": start}
        manager.set_store_data("small", value)
        manager.versions.cache.discard("")
        assert manager.get_store_data("small") == value
        taken.append(time.perf_counter() - start)
        time.sleep(0.005)
    return taken


def p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[-1] * 1e3


def by_turns(manager: StateManager, prune: threading.Thread) -> tuple[list[list[float]], list[list[float]]]:
    """Visits while the prune goes on, and while it pauses, turn by turn."""
    go = threading.Event()

    def rest(seconds: float) -> None:
        time.sleep(seconds)
        go.wait()

    def turn(seconds: float) -> list[float]:
        end = time.perf_counter() + seconds
        return visits(manager, lambda: time.perf_counter() > end or (go.is_set() and not prune.is_alive()))

    during, alone = [], []
    with mock.patch.object(pace, "time", SimpleNamespace(perf_counter=time.perf_counter, sleep=rest)):
        go.set()
        prune.start()
        while prune.is_alive():
            during.append(turn(TURN))
            go.clear()
            time.sleep(STEP)
            alone.append(turn(PAUSE))
            go.set()
    return during, alone


def measure(name: str, sessions: int, folder: Path) -> bool:
    settings: dict[str, Any] = {"database_url": PLACES[name](folder), "secret_key": "a key", "prune_interval": 86400}
    manager = StateManager(load(environ={}, **settings))
    pruned: list[int] = []
    with ensure_session_context("me"):
        fill(manager, sessions)
        prune = threading.Thread(target=lambda: pruned.append(manager.prune()), daemon=True)
        start = time.perf_counter()
        turns, pauses = by_turns(manager, prune)
        seconds = time.perf_counter() - start - len(pauses) * (PAUSE + STEP)
        left = manager.prune()
        manager.close()
    during, alone = [*chain(*turns)], [*chain(*pauses)]
    one, other = p99([*chain(*pauses[::2])]), p99([*chain(*pauses[1::2])])
    print(
        f"| {name} | {sum(pruned):,} of {sessions * ENTRIES:,} | {left} | {seconds:.0f} s | "
        f"{statistics.median(alone) * 1e3:.2f} / {p99(alone):.2f} ms | "
        f"{statistics.median(during) * 1e3:.2f} / {p99(during):.2f} ms | {p99(during) / p99(alone):.2f}x | "
        f"{max(one, other) / min(one, other):.2f}x |",
        flush=True,
    )
    return left == 0 and p99(during) <= p99(alone) * MORE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="+", choices=PLACES)
    parser.add_argument("--sessions", type=int, default=100_000)
    asked = parser.parse_args()
    heads = ("", "pruned", "left", "took", "visits alone, p50 / p99", "meanwhile", "p99", "alone to alone")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    kept = True
    for name in asked.places:
        with tempfile.TemporaryDirectory(prefix="prune-") as folder:
            kept &= measure(name, asked.sessions, Path(folder))
    sys.exit(not kept)


if __name__ == "__main__":
    main()
