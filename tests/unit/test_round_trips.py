"""What a callback asks of the backend: one call for a write, none for a read of what the process has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dash_statemanager.backends.wrapper import Wrapper
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.manager import StateManager
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


def test_a_write_is_one_call_where_the_head_is_known(make: Callable[[], StateManager]) -> None:
    worker = make()
    assert calls(worker, lambda: write(worker, (SALES, 1))) == ["get_many", "put_many"]
    assert calls(worker, lambda: write(worker, (SALES, 2))) == ["put_many"]


def test_a_write_after_that_of_another_worker_looks_at_the_head_once_more(make: Callable[[], StateManager]) -> None:
    here, there = make(), make()
    write(here, (SALES, 1))
    assert calls(there, lambda: write(there, (SALES, 2))) == ["get_many", "put_many"]
    assert calls(here, lambda: write(here, (SALES, 3))) == ["put_many", "get_many", "put_many"]


def test_where_workers_take_turns_a_look_goes_before_each_write_until_one_worker_has_it_alone(
    make: Callable[[], StateManager],
) -> None:
    here, there = make(), make()
    for value in (1, 2):
        write(here, (SALES, value))
        write(there, (SALES, -value))
    for value in range(3, 6):
        assert calls(here, lambda: write(here, (SALES, value))) == ["get_many", "put_many"]  # noqa: B023
        write(there, (SALES, -value))
    for value in range(6, 9):
        assert calls(there, lambda: write(there, (SALES, value))) == ["get_many", "put_many"]  # noqa: B023
    assert calls(there, lambda: write(there, (SALES, 9))) == ["put_many"]


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
