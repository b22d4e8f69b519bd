"""Stores by name are what was written last, patches included, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from dash import Patch

from dash_statemanager.api import ensure_session_context
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.manager import StateManager
from dash_statemanager.newest import SETTLE_AT
from dash_statemanager.patches import Operations
from dash_statemanager.reference import APP, BASE
from tests.conftest import Clock
from tests.unit.conftest import MakeManager

LOG = StoreDefinition("log")


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    with ensure_session_context("me"):
        yield


def appending(number: int) -> Operations:
    patch = Patch()
    patch["lines"].append(number)
    return Operations(patch.to_plotly_json()["operations"])


def append(manager: StateManager, number: int) -> None:
    manager.write_many([(LOG, appending(number))])


def pending(manager: StateManager) -> int:
    scope = manager.access.to_write("session")
    head = manager.versions.heads.read({"it": manager.versions.keys.head(scope, LOG.digest)})["it"]
    return len(head.patches)


def test_no_patch_is_lost_however_many_there_are(manager: StateManager) -> None:
    manager.write_many([(LOG, {"lines": []})])
    for number in range(2 * SETTLE_AT + 5):
        append(manager, number)
    assert manager.get_store_data("log") == {"lines": list(range(2 * SETTLE_AT + 5))}
    assert pending(manager) < SETTLE_AT + manager.settings.max_versions


def test_parallel_patches_are_all_there_when_one_settles(manager: StateManager) -> None:
    manager.write_many([(LOG, {"lines": []})])

    def work(first: int) -> None:
        with ensure_session_context("me"):
            for number in range(first, first + SETTLE_AT // 2):
                append(manager, number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(0, 4000, 1000)))
    expected = [first + number for first in range(0, 4000, 1000) for number in range(SETTLE_AT // 2)]
    assert sorted(manager.get_store_data("log")["lines"]) == expected


def test_patches_on_nothing_settle_too(manager: StateManager) -> None:
    most = SETTLE_AT + manager.settings.max_versions
    for number in range(most + 1):
        append(manager, number)
    assert manager.get_store_data("log") == {"lines": list(range(most + 1))}
    assert pending(manager) == 0


@pytest.fixture
def with_initial(manager: StateManager) -> StateManager:
    """The store has an initial value, as its component tells."""
    initial, write = manager.exchange.prepare_initial(LOG, {"lines": [], "b": 2})
    write()
    manager.definitions.define(replace(LOG, initial=initial[BASE]))
    return manager


def test_patches_before_the_first_version_are_on_the_initial_value(with_initial: StateManager) -> None:
    assert with_initial.get_store_data("log") is None
    assert not with_initial.store_exists("log")
    append(with_initial, 1)
    assert with_initial.get_store_data("log") == {"lines": [1], "b": 2}
    assert with_initial.store_exists("log")
    with_initial.update_store("log", lambda log: {**log, "c": 3})
    assert with_initial.get_store_data("log") == {"lines": [1], "b": 2, "c": 3}


def test_patches_on_the_initial_value_settle_too(with_initial: StateManager) -> None:
    most = SETTLE_AT + with_initial.settings.max_versions
    for number in range(most + 1):
        with_initial.write_many([(with_initial.definitions.by_name("log"), appending(number))])
    assert with_initial.get_store_data("log") == {"lines": list(range(most + 1)), "b": 2}
    assert pending(with_initial) == 0


def test_patches_whose_initial_value_is_gone_are_nothing(with_initial: StateManager) -> None:
    append(with_initial, 1)
    with_initial.versions.delete(with_initial.versions.keys.scope(APP))
    assert with_initial.get_store_data("log") is None
    assert not with_initial.store_exists("log")
    for number in range(2 * SETTLE_AT + with_initial.settings.max_versions):
        with_initial.write_many([(with_initial.definitions.by_name("log"), appending(number))])
    assert pending(with_initial) < SETTLE_AT + with_initial.settings.max_versions


def test_several_stores_are_read_together(manager: StateManager) -> None:
    manager.set_stores({"a": 1, "b": {"x": 2}})
    assert manager.get_stores(["a", "b", "missing"]) == {"a": 1, "b": {"x": 2}}


def test_an_update_gets_the_newest_value_and_makes_the_next(manager: StateManager) -> None:
    assert manager.update_store("count", lambda count: count + 1, default=0) == 1
    assert manager.update_store("count", lambda count: count + 1) == 2
    assert manager.get_store_data("count") == 2


def test_no_update_of_many_is_lost(manager: StateManager) -> None:
    def work(_: int) -> None:
        with ensure_session_context("me"):
            for _ in range(10):
                manager.update_store("count", lambda count: count + 1, default=0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert manager.get_store_data("count") == 80


def test_an_update_does_not_lose_what_others_write_without_it(manager: StateManager) -> None:
    calls: list[object] = []

    def function(value: list[int]) -> list[int]:
        if not calls:
            manager.set_store_data("list", [1, 2])
        calls.append(value)
        return [*value, 3]

    manager.set_store_data("list", [1])
    assert manager.update_store("list", function) == [1, 2, 3]
    assert calls == [[1], [1, 2]]


def test_an_update_includes_patches(manager: StateManager) -> None:
    manager.write_many([(LOG, {"lines": []})])
    append(manager, 7)
    assert manager.update_store("log", lambda log: {"lines": [*log["lines"], 8]}) == {"lines": [7, 8]}


def test_an_update_that_returns_nothing_is_an_error_and_changes_nothing(manager: StateManager) -> None:
    manager.set_store_data("list", [1])
    with pytest.raises(TypeError, match="'list' returned None"):
        manager.update_store("list", lambda value: value.append(2))
    assert manager.get_store_data("list") == [1]


def test_an_update_that_fails_changes_nothing(manager: StateManager) -> None:
    manager.set_store_data("list", [1])
    with pytest.raises(ZeroDivisionError):
        manager.update_store("list", lambda value: 1 / 0)
    assert manager.get_store_data("list") == [1]


def test_a_store_whose_newest_value_has_expired_has_none_though_its_head_lives_on(
    make_manager: MakeManager, clock: Clock
) -> None:
    manager = make_manager(backend="database")
    manager.set_store_data("a", "long", ttl=1000)
    manager.set_store_data("a", "brief", ttl=10)
    assert manager.store_exists("a")
    assert [store["id"] for store in manager.get_backend_stats()["session"]["stores"]] == ["a"]
    clock.advance(11)
    assert not manager.store_exists("a")
    assert manager.get_store_data("a", "none") == "none"
    assert manager.get_backend_stats()["session"]["stores"] == []
