"""Pruning: now and then, off the request's path, by one worker at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.errors import BackendUnavailable
from dash_statemanager.housekeeping import Pruner, kept_secret
from dash_statemanager.locks import Locks


class Counting(MemoryBackend):
    """Tells when it was purged, and can fail."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.purged = threading.Semaphore(0)
        self.threads: list[str] = []
        self.fails = False

    def purge(self) -> int:
        self.threads.append(threading.current_thread().name)
        self.purged.release()
        if self.fails:
            raise BackendUnavailable("the network is down")
        return super().purge()


def pruner(backend: MemoryBackend, clock: Callable[[], float], sweep: Callable[[], None] = lambda: None) -> Pruner:
    return Pruner(backend, Locks(lambda: backend, "test"), 300, clock, sweep)


def finish() -> None:
    """Waits for prunes that were started."""
    for thread in threading.enumerate():
        if thread.name == "dash-statemanager-prune":
            thread.join(10)


def test_it_prunes_once_in_an_interval_in_a_thread_of_its_own(clock: Any) -> None:
    backend = Counting(clock)
    one = pruner(backend, clock)
    for _ in range(3):
        clock.advance(299)
        one.prune_if_due()
        finish()
        assert not backend.purged.acquire(blocking=False)
        clock.advance(1)
        one.prune_if_due()
        one.prune_if_due()
        finish()
        assert backend.purged.acquire(timeout=10)
    assert set(backend.threads) == {"dash-statemanager-prune"}
    assert len(backend.threads) == 3


def test_one_worker_at_a_time_prunes(clock: Any) -> None:
    backend = Counting(clock)
    workers = [pruner(backend, clock) for _ in range(5)]
    clock.advance(300)
    for worker in workers:
        worker.prune_if_due()
    finish()
    assert len(backend.threads) == 1


def test_a_prune_that_is_under_way_while_all_is_closed_leaves_nothing_open(clock: Any) -> None:
    backend, closed = Counting(clock), []
    going, go_on = threading.Event(), threading.Event()

    def sweep() -> None:
        going.set()
        go_on.wait(10)

    backend.close = lambda: closed.append(len(backend.threads))  # type: ignore[method-assign]
    one = pruner(backend, clock, sweep)
    clock.advance(300)
    one.prune_if_due()
    assert going.wait(10)
    one.close()
    go_on.set()
    finish()
    assert closed == [1]
    clock.advance(300)
    one.prune_if_due()
    finish()
    assert closed == [1]


def test_each_worker_forgets_what_has_expired_even_while_the_backend_is_away(clock: Any) -> None:
    backend, swept = Counting(clock), []
    backend.fails = True
    workers = [pruner(backend, clock, lambda number=number: swept.append(number)) for number in range(3)]
    clock.advance(300)
    for worker in workers:
        worker.prune_if_due()
    finish()
    assert sorted(swept) == [0, 1, 2]


def test_a_failure_is_tried_again_after_the_interval(clock: Any) -> None:
    backend = Counting(clock)
    one = pruner(backend, clock)
    backend.fails = True
    clock.advance(300)
    one.prune_if_due()
    finish()
    backend.fails = False
    clock.advance(300)
    one.prune_if_due()
    finish()
    assert len(backend.threads) == 2


def test_the_secret_is_kept_in_the_backend(make_sqlite: Callable[[], SqlBackend]) -> None:
    assert kept_secret(make_sqlite(), "one") == kept_secret(make_sqlite(), "one")
    assert kept_secret(make_sqlite(), "one") != kept_secret(make_sqlite(), "two")
