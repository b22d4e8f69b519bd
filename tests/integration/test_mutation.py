"""A callback may do what it likes with what it was given; nobody else ever sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dash
import numpy as np
import pandas as pd
import pytest
from dash import Input, Output, State, html

from dash_statemanager import ServerStore, configure, ensure_session_context, get_state_manager, get_store

from .conftest import session_of
from .page import Page

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")

Change = Callable[[Any], Any]


def make_frame() -> pd.DataFrame:
    """Large enough to be read over a memory map, with columns of all kinds of memory."""
    return FRAME.copy()


def _frame(size: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": np.arange(size),
            "f": np.linspace(0, 1, size),
            "s": [f"text {i}" for i in range(size)],
            "c": pd.Categorical(["x", "y"] * (size // 2)),
            "t": pd.date_range("2024-01-01", periods=size, freq="h", tz="Europe/Berlin"),
            "b": np.arange(size) % 2 == 0,
            "i": pd.array(range(size), dtype="Int64"),
        }
    )


FRAME = _frame(6_000)


def _values_in_place(frame: pd.DataFrame) -> None:
    frame["n"] += 1
    frame["f"] *= 2


def _loc(frame: pd.DataFrame) -> None:
    frame.loc[0, "n"] = -1
    frame.loc[frame.n > 10, "f"] = -1.0
    frame.loc[:, "b"] = True
    frame.iloc[1, 2] = "changed"
    frame.at[2, "s"] = "changed"


def _columns(frame: pd.DataFrame) -> None:
    frame["new"] = 1
    frame.insert(0, "first", "x")
    del frame["f"]
    frame.columns = [f"c{i}" for i in range(len(frame.columns))]


def _methods_in_place(frame: pd.DataFrame) -> None:
    frame.sort_values("f", ascending=False, inplace=True)
    frame.drop(columns=["s"], inplace=True)
    frame.rename(columns={"n": "m"}, inplace=True)
    frame.set_index("t", inplace=True)
    frame["f"] = frame["f"].where(frame["f"] > 0.5)
    frame.fillna({"f": 0.0}, inplace=True)


def _rows(frame: pd.DataFrame) -> None:
    frame.iloc[0, :2] = frame.iloc[1, :2]
    frame.drop(index=range(10), inplace=True)
    frame.index = frame.index + 100


def _other_dtypes(frame: pd.DataFrame) -> None:
    frame["c"] = frame["c"].cat.add_categories(["z"])
    frame.loc[0, "c"] = "z"
    frame.loc[0, "i"] = pd.NA
    frame.loc[0, "t"] = frame.loc[1, "t"]
    frame.attrs["more"] = "attributes"


def _columns_as_arrays(frame: pd.DataFrame) -> None:
    values = frame["n"].to_numpy(copy=True)
    values[:] = 0
    frame["n"] = values
    frame["f"].values.sum()


FRAME_CHANGES = [
    _values_in_place,
    _loc,
    _columns,
    _methods_in_place,
    _rows,
    _other_dtypes,
    _columns_as_arrays,
]


def make_tree() -> Any:
    return {"list": [1, [2, {"deep": [3]}]], "dict": {"a": {"b": "c"}}, "n": 1}


def _tree_changes(tree: Any) -> None:
    tree["list"][1][1]["deep"].append("changed")
    tree["dict"]["a"]["b"] = "changed"
    tree["list"].clear()
    del tree["n"]


def make_nested() -> Any:
    return {"frame": make_frame(), "list": [make_frame(), {"array": np.arange(5)}], "blob": b"bytes", "set": {1, 2}}


def _nested_changes(value: Any) -> None:
    _loc(value["frame"])
    value["list"][0]["new"] = 1
    value["list"][1]["array"] = "changed"
    value["set"].add(3)
    del value["blob"]


CACHES = ["cold", "warm", "none"]
CASES: list[Any] = [
    *(pytest.param(make_frame, change, id=change.__name__.strip("_")) for change in FRAME_CHANGES),
    pytest.param(make_tree, _tree_changes, id="dicts and lists"),
    pytest.param(make_nested, _nested_changes, id="frames inside"),
]


@pytest.fixture(params=["memory", "database"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize(("make", "change"), CASES)
def test_a_change_never_reaches_another_reader(make: Callable[[], Any], change: Change, cache: str, kind: str) -> None:
    configure(backend=kind, **({"cache_bytes": 0} if cache == "none" else {}))
    page, given = page_of(make, change)
    page.change("make", n_clicks=1)
    for n in range(1, 4):
        if cache == "cold":
            get_state_manager().versions.cache.discard("")
        page.change("change", n_clicks=n)
        page.change("read", n_clicks=n)
    assert len(given) == 7
    for value in given:
        assert_same(value, make())


@pytest.mark.parametrize("cache_bytes", [0, 1 << 28])
def test_a_value_that_its_writer_changes_afterwards_is_kept_as_it_was(kind: str, cache_bytes: int) -> None:
    configure(backend=kind, cache_bytes=cache_bytes)
    mine: list[Any] = []
    page, given = page_of(lambda: mine.append(make_nested()) or mine[-1], lambda value: None)
    page.change("make", n_clicks=1)
    _nested_changes(mine[0])
    mine[0]["frame"].loc[:, "n"] = 7
    page.change("read", n_clicks=1)
    assert_same(given[-1], make_nested())


def test_what_a_callback_changed_and_returns_is_what_the_next_one_gets(kind: str) -> None:
    configure(backend=kind)
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a"), html.Button(id="go"), html.Div(id="out")]

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), State("a", "data"), prevent_initial_call=True)
    def grow(n: int, frame: Any) -> Any:
        if frame is None:
            return pd.DataFrame({"x": np.zeros(1000)})
        frame["x"] += 1
        frame.loc[0, "x"] += 1
        return frame

    @app.callback(Output("out", "children"), Input("a", "data"), prevent_initial_call=True)
    def show(frame: Any) -> str:
        frame["x"] *= 0
        return f"{frame.loc[0, 'x']}"

    page = Page(app.server.test_client()).open()
    for n in range(5):
        page.change("go", n_clicks=n)
    with ensure_session_context(session_of(page.client)):
        assert get_store("a")["x"].iloc[:2].tolist() == [8.0, 4.0]


def page_of(make: Callable[[], Any], change: Change) -> tuple[Page, list[Any]]:
    """A page whose callbacks note what they were given, before they change it."""
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a", types="python"), *(html.Button(id=name) for name in ("make", "change", "read"))]
    given: list[Any] = []

    @app.callback(Output("a", "data"), Input("make", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> Any:
        return make()

    @app.callback(Input("change", "n_clicks"), State("a", "data"), prevent_initial_call=True)
    def spoil(n: int, value: Any) -> None:
        given.append(copied(value))
        change(value)

    @app.callback(Input("read", "n_clicks"), State("a", "data"), prevent_initial_call=True)
    def read(n: int, value: Any) -> None:
        given.append(value)

    @app.callback(Input("a", "data"), prevent_initial_call=True)
    def read_and_spoil(value: Any) -> None:
        given.append(copied(value))
        change(value)

    return Page(app.server.test_client()).open(), given


def copied(value: Any) -> Any:
    import copy

    return value.copy() if isinstance(value, pd.DataFrame) else copy.deepcopy(value)


def assert_same(value: Any, expected: Any) -> None:
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(value, expected)
        assert value.attrs == expected.attrs
    elif isinstance(expected, dict):
        assert list(value) == list(expected)
        for key, item in expected.items():
            assert_same(value[key], item)
    elif isinstance(expected, list):
        assert len(value) == len(expected)
        for item, wanted in zip(value, expected, strict=True):
            assert_same(item, wanted)
    else:
        np.testing.assert_equal(value, expected)
