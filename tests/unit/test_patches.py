"""Patches: what the server makes of them is what Dash's renderer makes of them in the browser.

The expected results of CASES come from the renderer's own handlers and ramda 0.30, run once in node. Where the renderer
throws, the operation is left out.
"""

from __future__ import annotations

import copy
import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from dash import Patch
from hypothesis import given, settings
from hypothesis import strategies as st

from dash_statemanager.patches import MAX_GAP, replay

LEFT_OUT = object()

CASES = [
    ("a new key", {"a": 1}, "Assign", ["b"], {"value": 2}, {"a": 1, "b": 2}),
    ("the whole value", {"a": 1}, "Assign", [], {"value": [1]}, [1]),
    ("missing dicts on the way", {}, "Assign", ["a", "b", "c"], {"value": 1}, {"a": {"b": {"c": 1}}}),
    ("a missing list where an index comes next", {}, "Assign", ["a", 1], {"value": "x"}, {"a": [None, "x"]}),
    ("None where an index comes next", {"a": None}, "Assign", ["a", 0], {"value": "x"}, {"a": {"0": "x"}}),
    ("None as a whole", None, "Assign", ["a"], {"value": 1}, {"a": 1}),
    ("None as a whole, by index", None, "Assign", [0], {"value": 1}, {"0": 1}),
    ("a number on the way", {"a": 5}, "Assign", ["a", "b"], {"value": 1}, {"a": {"b": 1}}),
    ("a text on the way", {"a": "xy"}, "Assign", ["a", "b"], {"value": 1}, {"a": {"b": 1}}),
    ("a text as a whole", "xy", "Assign", ["b"], {"value": 1}, {"0": "x", "1": "y", "b": 1}),
    ("a list by a text", [7, 8], "Assign", ["b"], {"value": 1}, {"0": 7, "1": 8, "b": 1}),
    ("a list by a number in a text", [7, 8], "Assign", ["0"], {"value": 1}, {"0": 1, "1": 8}),
    ("behind the end of a list", [1], "Assign", [3], {"value": 4}, [1, None, None, 4]),
    ("from the end of a list", [1, 2, 3], "Assign", [-1], {"value": 9}, [1, 2, 9]),
    ("before the start of a list", [1, 2], "Assign", [-3], {"value": 9}, [1, 2]),
    (
        "deep from the end",
        {"a": [{"b": 1}, {"b": 2}]},
        "Assign",
        ["a", -1, "b"],
        {"value": 9},
        {"a": [{"b": 1}, {"b": 9}]},
    ),
    ("a dict by an index", {"a": 1}, "Assign", [0], {"value": 9}, {"0": 9, "a": 1}),
    ("a dict from the end", {"a": 1}, "Assign", [-1], {"value": 9}, {"a": 1, "NaN": 9}),
    ("a key", {"a": 1, "b": 2}, "Delete", ["a"], {}, {"b": 2}),
    ("a key that is missing", {"a": 1}, "Delete", ["x"], {}, {"a": 1}),
    ("an item", [1, 2, 3], "Delete", [1], {}, [1, 3]),
    ("the last item", [1, 2, 3], "Delete", [-1], {}, [1, 2]),
    ("an item before the start", [1, 2, 3], "Delete", [-5], {}, [1, 3]),
    ("an item behind the end", [1, 2], "Delete", [5], {}, [1, 2]),
    ("a text key of a list", [1, 2], "Delete", ["a"], {}, {"0": 1, "1": 2}),
    ("a key of a number", {"a": 5}, "Delete", ["a", "b"], {}, {"a": {}}),
    ("a key of what is missing", {"a": 1}, "Delete", ["x", "y"], {}, {"a": 1}),
    ("a deep key", {"a": [{"b": 1, "c": 2}]}, "Delete", ["a", 0, "b"], {}, {"a": [{"c": 2}]}),
    ("of None", None, "Delete", ["a"], {}, None),
    ("of everything", {"a": 1}, "Delete", [], {}, {"a": 1}),
    ("dicts", {"a": {"x": 1, "y": 2}}, "Merge", ["a"], {"value": {"y": 3, "z": 4}}, {"a": {"x": 1, "y": 3, "z": 4}}),
    ("into nothing", {}, "Merge", ["a"], {"value": {"y": 3}}, {"a": {"y": 3}}),
    ("into None", {"a": None}, "Merge", ["a"], {"value": {"y": 3}}, {"a": {"y": 3}}),
    ("into a list", {"a": [7]}, "Merge", ["a"], {"value": {"y": 3}}, {"a": {"0": 7, "y": 3}}),
    ("into a number", {"a": 7}, "Merge", ["a"], {"value": {"y": 3}}, {"a": {"y": 3}}),
    ("to a list", {"a": [1]}, "Append", ["a"], {"value": [2]}, {"a": [1, [2]]}),
    ("to nothing", {}, "Append", ["a"], {"value": 1}, {"a": [1]}),
    ("to None", {"a": None}, "Append", ["a"], {"value": 1}, {"a": [1]}),
    ("to a text", {"a": "xy"}, "Append", ["a"], {"value": 1}, {"a": ["x", "y", 1]}),
    ("to a dict", {"a": {"b": 1}}, "Append", ["a"], {"value": 1}, {"a": [1]}),
    ("to a whole None", None, "Append", [], {"value": 1}, [1]),
    ("before a list", [1], "Prepend", [], {"value": 0}, [0, 1]),
    ("before nothing", {}, "Prepend", ["a"], {"value": 0}, {"a": [0]}),
    ("a list", [1], "Extend", [], {"value": [2, 3]}, [1, 2, 3]),
    ("a text", {"a": "x"}, "Extend", ["a"], {"value": "y"}, {"a": "xy"}),
    ("nothing", {"b": 1}, "Extend", ["a"], {"value": [1]}, LEFT_OUT),
    ("None", {"a": None}, "Extend", ["a"], {"value": [1]}, LEFT_OUT),
    ("a list by a text", {"a": [1]}, "Extend", ["a"], {"value": "xy"}, LEFT_OUT),
    ("at the start", [1, 2], "Insert", [], {"value": 0, "index": 0}, [0, 1, 2]),
    ("before the last", [1, 2], "Insert", [], {"value": 9, "index": -1}, [1, 9, 2]),
    ("too far behind", [1, 2], "Insert", [], {"value": 9, "index": 7}, [1, 2, 9]),
    ("too far before", [1, 2], "Insert", [], {"value": 9, "index": -7}, [1, 2, 9]),
    ("into nothing", {"b": 1}, "Insert", ["a"], {"value": 9, "index": 0}, LEFT_OUT),
    ("into a dict", {"a": {}}, "Insert", ["a"], {"value": 9, "index": 0}, {"a": [9]}),
    ("equal items", [1, 2, 1.0, True, "1"], "Remove", [], {"value": 1}, [2, True, "1"]),
    ("True, which is not 1", [1, True, [1], [True]], "Remove", [], {"value": True}, [1, [1], [True]]),
    ("equal at any depth", [{"a": [1, None]}, {"a": [1]}], "Remove", [], {"value": {"a": [1, None]}}, [{"a": [1]}]),
    ("a list with True in it", [[1], [True]], "Remove", [], {"value": [True]}, [[1]]),
    ("from nothing", {"b": 1}, "Remove", ["a"], {"value": 1}, LEFT_OUT),
    ("from a dict", {"b": 1}, "Remove", [], {"value": 1}, LEFT_OUT),
    ("a list", {"a": [1]}, "Clear", ["a"], {}, {"a": []}),
    ("a dict", {"a": {"b": 1}}, "Clear", ["a"], {}, {"a": {}}),
    ("a text", {"a": "x"}, "Clear", ["a"], {}, {"a": ""}),
    ("a number", {"a": 5, "b": 1}, "Clear", ["a"], {}, {"b": 1}),
    ("an item that is a number", [1, 2], "Clear", [0], {}, [None, 2]),
    ("everything", [1], "Clear", [], {}, []),
    ("nothing", {}, "Clear", ["a", "b"], {}, {"a": {}}),
    ("a list", [1, 2, 3], "Reverse", [], {}, [3, 2, 1]),
    ("a text", {"a": "xy"}, "Reverse", ["a"], {}, {"a": "yx"}),
    ("a dict", {"a": {"b": 1}}, "Reverse", ["a"], {}, {"a": []}),
    ("nothing", {"b": 1}, "Reverse", ["a"], {}, LEFT_OUT),
    ("a number", {"a": 1}, "Add", ["a"], {"value": 2}, {"a": 3}),
    ("to nothing", {}, "Add", ["a"], {"value": 2}, {"a": None}),
    ("to None", {"a": None}, "Add", ["a"], {"value": 2}, {"a": 2}),
    ("to True", {"a": True}, "Add", ["a"], {"value": 2}, {"a": 3}),
    ("texts", {"a": "x"}, "Add", ["a"], {"value": "y"}, {"a": "xy"}),
    ("a number to a text", {"a": "x"}, "Add", ["a"], {"value": 1}, {"a": "x1"}),
    ("a text to a number", {"a": 1.0}, "Add", ["a"], {"value": "x"}, {"a": "1x"}),
    ("None to a text", {"a": "x"}, "Add", ["a"], {"value": None}, {"a": "xnull"}),
    ("a text to nothing", {}, "Add", ["a"], {"value": "x"}, {"a": "undefinedx"}),
    ("halves", {"a": 0.5}, "Add", ["a"], {"value": 0.5}, {"a": 1}),
    ("a number", {"a": 1}, "Sub", ["a"], {"value": 2}, {"a": -1}),
    ("from nothing", {}, "Sub", ["a"], {"value": 2}, {"a": None}),
    ("a number in a text", {"a": "12"}, "Sub", ["a"], {"value": 2}, {"a": 10}),
    ("from a text", {"a": "x"}, "Sub", ["a"], {"value": 2}, {"a": None}),
    ("a number", {"a": 3}, "Mul", ["a"], {"value": 2}, {"a": 6}),
    ("a text is not repeated", {"a": "x"}, "Mul", ["a"], {"value": 3}, {"a": None}),
    ("None is 0", {"a": None}, "Mul", ["a"], {"value": 3}, {"a": 0}),
    ("even", {"a": 4}, "Div", ["a"], {"value": 2}, {"a": 2}),
    ("odd", {"a": 3}, "Div", ["a"], {"value": 2}, {"a": 1.5}),
    ("by 0", {"a": 3}, "Div", ["a"], {"value": 0}, {"a": None}),
    ("0 by 0", {"a": 0}, "Div", ["a"], {"value": 0}, {"a": None}),
    ("by None", {"a": 3}, "Div", ["a"], {"value": None}, {"a": None}),
]


@pytest.mark.parametrize(
    ("value", "name", "location", "params", "expected"),
    [case[1:] for case in CASES],
    ids=[f"{case[2]} {case[0]}" for case in CASES],
)
def test_an_operation_does_what_it_does_in_the_browser(
    value: Any, name: str, location: list[Any], params: dict[str, Any], expected: Any
) -> None:
    result = replay(value, [{"operation": name, "location": location, "params": params}])
    assert_same_json(result, value if expected is LEFT_OUT else expected)


def assert_same_json(result: Any, expected: Any) -> None:
    """Equal as JSON text, so that 1 is not True and 2 is not 2.0; the order of keys does not matter."""
    assert json.dumps(result, sort_keys=True) == json.dumps(expected, sort_keys=True)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 2.5])
    | st.sampled_from(["", "a", "5", "xy"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "1"]), inner, max_size=3)
    ),
    max_leaves=12,
)
keys = st.sampled_from(["a", "b", "0", "1"]) | st.integers(-4, 4)
operations = st.fixed_dictionaries(
    {
        "operation": st.sampled_from([*sorted({case[2] for case in CASES}), "Unknown"]),
        "location": st.lists(keys, max_size=4),
        "params": st.fixed_dictionaries({"value": json_values}, optional={"index": st.integers(-5, 5)}),
    }
)


@settings(max_examples=200)
@given(json_values, st.lists(operations, max_size=8))
def test_no_sequence_of_operations_fails_changes_its_arguments_or_leaves_json(value: Any, patch: list[Any]) -> None:
    before = copy.deepcopy((value, patch))
    result = replay(value, patch)
    assert (value, patch) == before
    json.dumps(result, allow_nan=False)


@settings(max_examples=200)
@given(json_values, st.lists(operations, max_size=4), st.lists(operations, max_size=4))
def test_two_patches_give_what_one_patch_with_all_their_operations_gives(
    value: Any, first: list[Any], second: list[Any]
) -> None:
    between = replay(value, first)
    if between is not None:  # to what is empty the browser applies nothing
        assert_same_json(replay(between, second), replay(value, first + second))


forward_keys = st.sampled_from(["a", "b", "0", "1"]) | st.integers(0, 4)


@settings(max_examples=200)
@given(json_values, st.lists(forward_keys, min_size=1, max_size=4), json_values)
def test_what_was_assigned_is_found_there_whatever_was_there_before(value: Any, location: list[Any], new: Any) -> None:
    found = replay(value, [{"operation": "Assign", "location": location, "params": {"value": new}}])
    for key in location:
        found = found[key] if isinstance(found, list) else found[str(key)]
    assert_same_json(found, new)


@settings(max_examples=200)
@given(
    st.recursive(
        st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_whatever_arrives_as_an_operation_is_left_out_if_it_is_none(junk: Any) -> None:
    assert replay({"a": 1}, [junk, junk]) == {"a": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"operation": "Assign"},
        {"operation": "Assign", "location": ["a"]},
        {"operation": "Assign", "location": ["a"], "params": {}},
        {"operation": "Assign", "location": 7, "params": {"value": 1}},
        {"operation": "Assign", "location": ["b"] * 100_000, "params": {"value": 1}},
        {"operation": "Assign", "location": ["b", 2**31], "params": {"value": 1}},
        {"operation": "Assign", "location": [[]], "params": {"value": 1}},
        {"operation": ["Assign"], "location": ["a"], "params": {"value": 1}},
        {"operation": "Insert", "location": [], "params": {"value": 1, "index": "x"}},
        {"operation": "Mul", "location": ["a"], "params": {"value": [1]}},
        {"operation": "Add", "location": [], "params": {"value": "x"}},
    ],
)
def test_what_is_no_operation_or_can_not_be_applied_is_left_out_with_one_warning(
    operation: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "dash_statemanager"):
        assert replay({"a": {"b": 1}}, [operation] * 3) == {"a": {"b": 1}}
    assert [record.getMessage()[:18] for record in caplog.records] == ["3 patch operations"]


def test_the_other_operations_of_a_patch_count_if_one_is_left_out() -> None:
    patch = Patch()
    patch["list"].append(1)
    patch["missing"].extend([1])
    patch["list"].append(2)
    assert replay({}, patch.to_plotly_json()["operations"]) == {"list": [1, 2]}


def test_what_operations_fill_with_none_is_bounded_for_all_of_them_together() -> None:
    far = [{"operation": "Assign", "location": [i * MAX_GAP], "params": {"value": i}} for i in range(1, 60)]
    near = {"operation": "Assign", "location": [MAX_GAP + 1], "params": {"value": "near"}}
    result = replay([], [*far, near])
    assert result == [*[None] * MAX_GAP, 1, "near"]


def test_large_integers_stay_exact() -> None:
    add = {"operation": "Add", "location": ["n"], "params": {"value": 1}}
    assert replay({"n": 2**70}, [add]) == {"n": 2**70 + 1}


def test_a_result_beyond_all_numbers_is_none() -> None:
    halve = {"operation": "Mul", "location": ["n"], "params": {"value": 1e308}}
    assert replay({"n": 1e308}, [halve]) == {"n": None}


def test_python_types_keep_their_own_arithmetic_tuples_and_integer_keys() -> None:
    value = {"price": Decimal("1.10"), 7: "seven", "pair": (1, 2)}
    patch = [
        {"operation": "Add", "location": ["price"], "params": {"value": Decimal("0.90")}},
        {"operation": "Assign", "location": [7], "params": {"value": "SEVEN"}},
        {"operation": "Append", "location": ["pair"], "params": {"value": 3}},
    ]
    assert replay(value, patch) == {"price": Decimal("2.00"), 7: "SEVEN", "pair": [1, 2, 3]}
