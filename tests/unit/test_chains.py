"""Chains and the gate: what a reference with patches reads as, and for whom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from dash import Patch

from dash_statemanager import ensure_session_context
from dash_statemanager.chains import SETTLE_AT, Chain
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.manager import StateManager
from dash_statemanager.patches import MAX_GAP, Operations
from dash_statemanager.reference import BASE, CHAIN, NOBODY, PatchLink
from dash_statemanager.session import enter_visit

SALES = StoreDefinition("sales")
SEALED = StoreDefinition("sealed", sealed=True)
MakeManager = Callable[..., StateManager]


@pytest.fixture(autouse=True)
def me() -> Iterator[None]:
    with ensure_session_context("me"):
        yield


def appending(value: Any) -> Operations:
    patch = Patch()
    patch["list"].append(value)
    return Operations(patch.to_plotly_json()["operations"])


def write(manager: StateManager, value: Any, store: StoreDefinition = SALES) -> Any:
    held = manager.write_many([(store, value)])[0]
    return held.link if isinstance(held, PatchLink) else held


def chain(base: dict[str, Any], *links: Any) -> dict[str, Any]:
    return {**base, CHAIN: list(links)}


def inline(value: Any) -> dict[str, Any]:
    return {"ops": list(appending(value))}


def test_patches_apply_to_the_base_in_their_order(manager: StateManager) -> None:
    base = write(manager, {"list": [0]})
    one, two = (write(manager, appending(number)) for number in (1, 2))
    assert manager.read(chain(base, one)) == {"list": [0, 1]}
    assert manager.read(chain(base, one, two)) == {"list": [0, 1, 2]}
    assert manager.read(chain(base, two, one)) == {"list": [0, 2, 1]}
    assert manager.read(base) == {"list": [0]}


def test_two_tabs_patch_their_own_values(manager: StateManager) -> None:
    first, second = write(manager, {"list": ["first"]}), write(manager, {"list": ["second"]})
    patch = write(manager, appending(1))
    assert manager.read(chain(first, patch)) == {"list": ["first", 1]}
    assert manager.read(chain(second, patch)) == {"list": ["second", 1]}


def test_an_empty_store_and_raw_json_from_before_the_swap_are_bases_too(manager: StateManager) -> None:
    patch = write(manager, appending(1))
    assert manager.read(chain({}, patch)) == {"list": [1]}
    assert manager.read(chain({"list": [0], "b": 2}, patch)) == {"list": [0, 1], "b": 2}


def test_patches_that_code_in_the_browser_made_join_the_chain(manager: StateManager) -> None:
    base, patch = write(manager, {"list": [0]}), write(manager, appending(1))
    assert manager.read(chain(base, inline("x"), patch, inline("y"))) == {"list": [0, "x", 1, "y"]}


def test_patches_carry_frames(manager: StateManager) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    [found] = manager.read(chain({}, write(manager, appending(frame))))["list"]
    pd.testing.assert_frame_equal(found, frame)


def test_what_is_handed_out_can_be_changed_without_anybody_seeing_it(manager: StateManager) -> None:
    reference = chain(write(manager, {"list": [[0]]}), write(manager, appending([1])), inline([2]))
    for _ in range(3):
        value = manager.read(reference)
        assert value == {"list": [[0], [1], [2]]}
        for item in value["list"]:
            item.append("mine")


@pytest.mark.parametrize("junk", [2**80, "\ud800", float("nan"), {"deep": [[[[None]]]]}])
def test_whatever_json_a_browser_sends_can_be_a_base_or_a_patch(manager: StateManager, junk: Any) -> None:
    value = manager.read(chain({"junk": junk, "list": []}, inline(junk)))
    assert repr(value) == repr({"junk": junk, "list": [junk]})


def test_a_patch_that_nests_too_deep_poisons_nothing(manager: StateManager) -> None:
    deep = {"ops": [{"operation": "Assign", "location": ["a"] * 190, "params": {"value": {"a": {"a": 1}}}}] * 2}
    far = {"ops": [{"operation": "Assign", "location": ["b"] * 100_000, "params": {"value": 1}}]}
    links = [deep, far, inline("still here")]
    for _ in range(2):
        assert manager.read(chain({}, *links))["list"] == ["still here"]


def test_json_too_deep_for_json_is_a_base_or_a_patch_too(manager: StateManager) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert manager.read(chain({"deep": deep, "list": []}, inline(1)))["list"] == [1]
    [found] = manager.read(chain({}, inline(deep)))["list"]
    assert found is deep
    compared = {"ops": [{"operation": "Remove", "location": ["list"], "params": {"value": deep}}]}
    assert manager.read(chain({"list": [[deep]]}, compared, inline(1)))["list"][1:] == [1]


def test_deep_json_has_names_of_its_own() -> None:
    def names(value: Any) -> list[str]:
        for _ in range(100_000):
            value = [value]
        return Chain(raw=value, links=({"ops": value},)).digests()

    values: list[Any] = [[], {}, [1], ["1"], [1, [2]], [1, 2], [[1, 2]], {"a": 1, "b": {}}, {"a": {"b": 1}}, {"b": 1}]
    assert len({name for value in values for name in names(value)}) == 2 * len(values)
    assert names({"a": [None, 1.5, True]}) == names({"a": [None, 1.5, True]})


def test_gaps_of_all_patches_count_together_whatever_was_read_before(manager: StateManager) -> None:
    far = [
        {"ops": [{"operation": "Assign", "location": ["list", i * MAX_GAP // 2], "params": {"value": i}}]}
        for i in range(1, 6)
    ]
    for number in range(6):
        read = manager.read(chain({"list": []}, *far[:number]))
        assert len(read["list"]) == min(number, 2) * MAX_GAP // 2 + bool(number)


@pytest.mark.parametrize(
    "links",
    ["p", {"ops": []}, 7, None, [None], [7], [["x"]], ["s" + "x" * 15], ["forged"], [{}], [{"ops": 7}], [{"ops": [7]}]],
)
def test_links_that_are_none_read_as_nothing(manager: StateManager, links: Any) -> None:
    base = write(manager, {"a": 1})
    assert manager.read({**base, CHAIN: links}) == {"a": 1}


def test_nobody_reads_or_applies_what_another_session_wrote(manager: StateManager) -> None:
    base, patch = write(manager, {"list": [0]}), write(manager, appending(1))
    with ensure_session_context("you"):
        assert manager.read(base) is None
        assert manager.read(chain(base, patch)) is None
        assert manager.read(chain({}, patch)) is None
    assert manager.counters["refused"] == 2


def test_what_is_refused_is_logged_without_the_token(manager: StateManager, caplog: pytest.LogCaptureFixture) -> None:
    base = write(manager, 1)
    with ensure_session_context("you"), caplog.at_level(logging.DEBUG):
        assert manager.read(base) is None
    assert "refused" in caplog.text
    assert base[BASE][:34] not in caplog.text
    assert base[BASE][12:34] not in caplog.text


def test_nobodys_references_are_read_by_whoever_holds_them(manager: StateManager) -> None:
    with enter_visit(None):
        base = write(manager, {"list": [0]})
        patch = write(manager, appending(1))
        assert manager.read(chain(base, patch)) == {"list": [0, 1]}
    assert base[BASE][0] == NOBODY.kind
    assert manager.read(chain(base, patch)) == {"list": [0, 1]}


def test_a_sealed_store_takes_only_what_python_wrote_to_it(manager: StateManager) -> None:
    own, other = write(manager, {"list": [0]}, SEALED), write(manager, {"list": ["other"]})
    own_patch, other_patch = write(manager, appending(1), SEALED), write(manager, appending("other"))
    assert manager.read(own, SEALED) == {"list": [0]}
    assert manager.read(other, SEALED) is None
    assert manager.read(chain({"list": ["raw"]}), SEALED) is None
    assert manager.read(chain(own, other_patch, inline("x"), own_patch), SEALED) == {"list": [0, 1]}
    assert manager.read(chain(own, other_patch, own_patch)) == {"list": [0, "other", 1]}


def test_what_is_gone_is_the_initial_value_else_none(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager(ttl_default=100)
    base, patch = write(manager, {"list": ["old"]}), write(manager, appending(1))
    clock.advance(100)
    initial, write_initial = manager.exchange.prepare_initial(SALES, {"list": ["initial"]})
    write_initial()
    store = StoreDefinition("sales", initial=initial[BASE])
    assert manager.read(base) is None
    assert manager.read(base, store) == {"list": ["initial"]}
    assert manager.read(chain(base, patch), store) == {"list": ["initial"]}
    assert manager.counters["missing"] == 4


def test_what_was_deleted_is_not_read_from_a_result_that_was_kept(manager: StateManager) -> None:
    reference = chain(write(manager, {"list": [0]}), write(manager, appending(1)))
    assert manager.read(reference) == {"list": [0, 1]}
    manager.clear_session()
    assert manager.read(reference) is None


def test_patches_whose_base_was_pushed_out_are_not_passed_off_as_a_value(manager: StateManager) -> None:
    initial, write_initial = manager.exchange.prepare_initial(SALES, {"list": ["initial"]})
    write_initial()
    with_initial = StoreDefinition("sales", initial=initial[BASE])
    base, patch = write(manager, {"list": [0], "b": 2}), write(manager, appending(1))
    assert manager.read(chain(base, patch), SALES) == {"list": [0, 1], "b": 2}
    for number in range(manager.settings.max_versions + 1):
        write(manager, {"other": number})
    for links in ([patch], [patch, inline("x")], [write(manager, manager.exchange.settle(chain(base, patch), SALES))]):
        assert manager.read(chain(base, *links), SALES) is None
        assert manager.read(chain(base, *links), with_initial) == {"list": ["initial"]}
        assert manager.exchange.open_many([(chain(base, *links), SALES)]) == [None]
        [handle] = manager.exchange.open_many([(chain(base, *links), with_initial)])
        assert handle is not None
        assert handle.value == {"list": ["initial"]}
    assert manager.read(chain(initial, patch), with_initial) == {"list": ["initial", 1]}


def test_a_settlement_outlives_its_base(manager: StateManager) -> None:
    base, patch = write(manager, {"list": [0]}), write(manager, appending(1))
    settlement = write(manager, manager.exchange.settle(chain(base, patch), SALES))
    manager.delete_store("sales")
    again = write(manager, manager.exchange.settle(chain(base, settlement, inline(2)), SALES))
    assert manager.read(chain(base, again, inline(3))) == {"list": [0, 1, 2, 3]}
    [handle] = manager.exchange.open_many([(chain(base, again), SALES)])
    assert handle is not None
    assert handle.value == {"list": [0, 1, 2]}


def test_a_base_that_came_back_counts_again(manager: StateManager) -> None:
    base, patch = write(manager, {"list": [0]}), write(manager, appending(1))
    manager.delete_store("sales")
    assert manager.read(chain(base, patch)) is None
    assert write(manager, {"list": [0]}) == base
    assert manager.read(chain(base, patch)) == {"list": [0, 1]}


def test_without_a_cache_chains_read_the_same(make_manager: MakeManager) -> None:
    manager = make_manager(backend="database", cache_bytes=0)
    links = [write(manager, appending(number)) for number in range(20)]
    assert manager.read(chain({}, *links)) == {"list": list(range(20))}


def test_a_settled_chain_reads_the_same_in_whatever_order_answers_arrive(manager: StateManager) -> None:
    base = write(manager, {"list": []})
    links = [write(manager, appending(number)) for number in range(SETTLE_AT)]
    settlement = write(manager, manager.exchange.settle(chain(base, *links), SALES))
    late = write(manager, appending("late"))
    expected = {"list": [*range(SETTLE_AT), "late"]}
    assert manager.read(chain(base, settlement, late)) == expected
    assert manager.read(chain(base, late, settlement)) == expected


def test_of_two_settlements_the_one_that_settles_more_counts(manager: StateManager) -> None:
    base = write(manager, {"list": []})
    links = [write(manager, appending(number)) for number in range(4)]
    fewer = write(manager, manager.exchange.settle(chain(base, *links[:3]), SALES))
    more = write(manager, manager.exchange.settle(chain(base, *links), SALES))
    for settled in ((fewer, more), (more, fewer)):
        assert manager.read(chain(base, *settled)) == {"list": [0, 1, 2, 3]}


def test_a_settlement_does_not_count_on_another_base(manager: StateManager) -> None:
    base, other = write(manager, {"list": []}), write(manager, {"list": ["other"]})
    settlement = write(manager, manager.exchange.settle(chain(base, write(manager, appending(1))), SALES))
    assert manager.read(chain(other, settlement)) == {"list": ["other"]}


def test_long_chains_are_reported(manager: StateManager, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(manager.read(chain({}, *[inline(number) for number in range(1000)]))["list"]) == 1000
    assert "1000 pending patches" in caplog.text
