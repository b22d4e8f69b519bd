"""What a callback asks of the backend: one call for a write, none for a read of what the process has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from dash_statemanager.backends.wrapper import Wrapper
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.manager import StateManager
from dash_statemanager.patches import Operations
from dash_statemanager.session import Session, Visit, enter_visit
from tests.unit.conftest import MakeManager

OPERATIONS = ("get", "get_many", "sizes", "put", "put_many", "delete", "touch", "touch_many", "scan")
SALES = StoreDefinition("sales")
STORES = [StoreDefinition(f"store-{number}") for number in range(16)]


class Counting(Wrapper):
    """Notes each call that comes through."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in OPERATIONS:
            self.calls.append(name)
        return super().__getattribute__(name)


def calls(manager: StateManager, work: Callable[[], object]) -> list[str]:
    """What is asked of the backend meanwhile."""
    backend: Any = manager.backend
    del backend.calls[:]
    work()
    return list(backend.calls)


@pytest.fixture
def make(make_manager: MakeManager) -> Iterator[Callable[[], StateManager]]:
    """Makes a worker; all share a database."""

    def make() -> StateManager:
        manager = make_manager(backend="database", secret_key="k")
        manager.backend = Counting(manager.backend)
        return manager

    with enter_visit(Visit(Session("me"))):
        yield make


def write(manager: StateManager, *values: tuple[StoreDefinition, Any]) -> list[Any]:
    return manager.write_many(values)


def test_a_write_is_one_call_also_where_workers_take_turns(make: Callable[[], StateManager]) -> None:
    workers = make(), make(), make()
    for value in range(16):
        worker = workers[value % 3]
        assert calls(worker, partial(write, worker, (SALES, value))) == ["put_many"]


def test_a_patch_is_one_call(make: Callable[[], StateManager]) -> None:
    here, there = make(), make()
    write(here, (SALES, {"a": 1}))
    for worker in (here, there, here):
        assert calls(worker, partial(write, worker, (SALES, Operations([("assign", ["a"], 2)])))) == ["put_many"]


def test_one_of_seventeen_writes_to_a_full_head_makes_room(make: Callable[[], StateManager]) -> None:
    worker = make()
    for value in range(64):
        assert calls(worker, partial(write, worker, (SALES, value))) == ["put_many"]
    makes_room = ["put_many", "get_many", "put_many"]
    made = [calls(worker, partial(write, worker, (SALES, value))) for value in range(64, 98)]
    assert made == [makes_room, *[["put_many"]] * 16] * 2


def test_a_read_of_what_the_process_wrote_or_read_is_no_call(make: Callable[[], StateManager]) -> None:
    here, there = make(), make()
    [reference] = write(here, (SALES, 1))
    assert calls(here, lambda: here.read(reference, SALES)) == []
    assert calls(there, lambda: there.read(reference, SALES)) == ["get_many"]
    assert calls(there, lambda: there.read(reference, SALES)) == []


def test_a_read_whose_touch_is_due_is_no_call_either(
    make: Callable[[], StateManager], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dash_statemanager.touches.DELAY", 60)
    worker = make()
    references = write(worker, (SALES, 1), (STORES[0], 2))
    clock.advance(80_000)
    assert calls(worker, lambda: worker.read_many([(reference, None) for reference in references])) == []
    assert calls(worker, worker.flush) == ["touch_many"]


def test_references_are_read_together(make: Callable[[], StateManager]) -> None:
    here, there = make(), make()
    references = write(here, *((store, [store.id]) for store in STORES[:3]))
    assert calls(there, lambda: there.read_many(list(zip(references, STORES, strict=False)))) == ["get_many"]


def test_sixteen_stores_are_written_and_read_in_one_call(make: Callable[[], StateManager]) -> None:
    here, there = make(), make()
    write(here, *((store, 0) for store in STORES))
    values = [(store, [store.id]) for store in STORES]
    assert calls(here, lambda: write(here, *values)) == ["put_many"]
    references = write(here, *values)
    assert calls(there, lambda: there.read_many(list(zip(references, STORES, strict=True)))) == ["get_many"]
