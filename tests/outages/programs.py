"""Programs that tests start, stop and kill: `python -m tests.outages.programs <name> <settings as JSON> ...`."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable

from dash_statemanager import LockLost, ensure_session_context
from dash_statemanager.config import load
from dash_statemanager.errors import BackendUnavailable
from dash_statemanager.manager import StateManager

LEASE = 3.0
"""Seconds; it is renewed, and its store written, often enough that a busy machine keeps it."""


def count(manager: StateManager, mine: str, times: str) -> None:
    """Updates a store of its own and one that all share."""
    for _ in range(int(times)):
        manager.update_store(mine, lambda value: value + 1, default=0)
        manager.update_store("shared", lambda value: value + 1, default=0)


def hold(manager: StateManager, locks: str) -> None:
    """Writes under many locks, one after the other, and again and again; says what became of each in the end."""
    lost = [0] * int(locks)

    def work(number: int) -> None:
        with ensure_session_context("everybody"):
            try:
                with manager.locks.lock(f"door-{number}", lease=LEASE, timeout=10):
                    while True:
                        manager.set_store_data(f"store-{number}", ["holder", time.time()])
                        time.sleep(LEASE / 3)
            except (LockLost, BackendUnavailable):
                lost[number] = 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(int(locks))]
    for thread in threads:
        thread.start()
    print("holding", flush=True)
    for thread in threads:
        thread.join()
    print(sum(lost), flush=True)


def main(name: str, settings: str, *arguments: str) -> None:
    programs: dict[str, Callable[..., None]] = {"count": count, "hold": hold}
    manager = StateManager(load(environ={}, **json.loads(settings)))
    with ensure_session_context("everybody"):
        programs[name](manager, *arguments)
    manager.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
