"""What `dcc.Store` can hold comes back from `ServerStore` as `dcc.Store` would give it back."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import enum
import json
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io
import pytest
from dash import html
from hypothesis import given
from hypothesis import strategies as st
from plotly.utils import PlotlyJSONEncoder

from dash_statemanager.codecs import Codecs
from dash_statemanager.errors import CodecError

Readings = Callable[..., list[Any]]
Point = collections.namedtuple("Point", "x y")


class Level(enum.IntEnum):
    LOW = 1


class Colour(str, enum.Enum):
    RED = "red"


class Plain(enum.Enum):
    ONE = 1


class Ordered(dict[str, Any]):
    """A dict of a user's own."""


@dataclasses.dataclass
class Filters:
    name: str
    limit: int
    _cache: object = None


def judge(value: Any) -> Any:
    """As `dcc.Store` gives a value back: through Plotly's encoder, the browser and Flask's decoder."""
    return json.loads(json.dumps(value, cls=PlotlyJSONEncoder))


stamps = st.datetimes(min_value=dt.datetime(1700, 1, 1), max_value=dt.datetime(2200, 1, 1))
floats = st.floats()
numbers = st.one_of(st.integers(), floats, st.integers(min_value=-(2**90), max_value=2**90))
texts = st.one_of(
    st.text(max_size=8), st.text(st.characters(), max_size=4), st.sampled_from(["NaN", "__dsm__", "\ud800"])
)
scalars = st.one_of(
    floats.map(np.float64),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.booleans().map(np.bool_),
    texts.map(np.str_),
    stamps.map(np.datetime64),
)
arrays = st.one_of(
    st.lists(floats, max_size=4).map(np.array),
    st.lists(st.integers(-9, 9), max_size=4).map(lambda items: np.array([items, items])),
    st.lists(floats, max_size=4).map(pd.Series),
    st.lists(st.one_of(texts.filter(str.isascii), st.none()), max_size=4).map(
        lambda items: pd.Series(items, dtype=object)
    ),
    st.lists(stamps, max_size=3).map(lambda items: pd.Series(items, dtype="datetime64[us]")),
    st.lists(stamps, max_size=3).map(lambda items: np.array(items, dtype="M8[us]")),
    st.lists(st.integers(0, 3), max_size=3).map(pd.Index),
    st.lists(st.sampled_from("abc"), max_size=3).map(pd.Categorical),
)
standard = st.one_of(
    stamps,
    stamps.map(lambda stamp: stamp.replace(tzinfo=dt.timezone.utc)),
    stamps.map(pd.Timestamp),
    st.dates(),
    st.times(),
    st.decimals(allow_nan=False, places=3),
    st.sampled_from([pd.NaT, pd.NA, Level.LOW, Colour.RED, np.ma.masked, pd.Timedelta("1D")]),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, texts, scalars, arrays, standard)
keys = st.one_of(texts, numbers, st.booleans(), st.none(), st.sampled_from([Level.LOW, Colour.RED, np.float64(1.5)]))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(texts, inner, max_size=3).map(Ordered),
        st.lists(inner, max_size=3).map(tuple),
        st.tuples(inner, inner).map(lambda pair: Point(*pair)),
    ),
    max_leaves=5,
)


@given(value=values)
def test_no_json_value_comes_back_differently_than_from_the_browser(
    codecs: Codecs, readings: Readings, value: Any
) -> None:
    expected = repr(judge(value))
    assert [repr(reading) for reading in readings(value)] == [expected] * 3
    assert codecs.freeze(value).deterministic
    assert codecs.freeze(value).data == codecs.freeze(value).data


@pytest.mark.parametrize(
    "value",
    [
        go.Figure(go.Scatter(x=[1, 2], y=np.array([1.0, np.nan]))),
        {"figure": go.Figure(go.Bar(x=pd.Series(["a"]), y=[1])), 1: (2,)},
        html.Div([html.P("text", id="p"), html.Div(id={"type": "a", "index": 1})]),
        [go.Scatter(x=[1])],
    ],
    ids=["figure", "nested figure", "component", "trace"],
)
def test_figures_and_components_are_their_json(readings: Readings, value: Any) -> None:
    assert readings(value) == [judge(value)] * 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Plain.ONE, 1),
        (Filters("a", 3), {"name": "a", "limit": 3}),
        ({dt.date(2020, 1, 1): 1, uuid.UUID(int=5): 2}, {"2020-01-01": 1, str(uuid.UUID(int=5)): 2}),
        ({Plain.ONE: (Filters("a", 3),)}, {"1": [{"name": "a", "limit": 3}]}),
    ],
)
def test_what_only_orjson_sends_to_the_browser_is_taken_as_it_does(
    readings: Readings, value: Any, expected: Any
) -> None:
    assert json.loads(plotly.io.json.to_json_plotly(value, engine="orjson")) == expected
    assert readings(value) == [expected] * 3


def test_dicts_keep_their_order_and_numbers_their_type(readings: Readings) -> None:
    value = {"b": 1.0, "a": 1, "c": 12345678901234567890123, "big": 2**53 + 1}
    for reading in readings(value):
        assert list(reading) == list(value)
        assert repr(reading) == repr(value)


def test_an_ordered_dict_keeps_its_own_order(readings: Readings) -> None:
    value = collections.OrderedDict(a=1, b=2)
    value.move_to_end("a")
    assert [list(reading) for reading in readings(value)] == [["b", "a"]] * 3


def test_each_reader_has_a_value_of_its_own(readings: Readings) -> None:
    first, second, third = readings({"a": [1]})
    first["a"].append(2)
    second["b"] = 1
    assert third == {"a": [1]}


def test_a_later_change_does_not_reach_what_was_stored(codecs: Codecs) -> None:
    value: dict[str, Any] = {"a": [1], "array": np.array([1])}
    frozen = codecs.freeze(value)
    value["a"].append(2)
    value["array"][0] = 5
    assert frozen.thaw() == {"a": [1], "array": [1]}


def test_plotly_is_left_as_it_was(codecs: Codecs) -> None:
    before = plotly.io.json.config.default_engine
    codecs.freeze({"figure": go.Figure()})
    assert plotly.io.json.config.default_engine == before == "auto"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [0, 1, 2, object()]}, ["object", "['a'][3]"]),
        ({"a": {"b": (1, 1j)}}, ["complex", "['a']['b'][1]"]),
        ({"a": {(1, 2): 1}}, ["tuple", "key", "['a'][(1, 2)]"]),
        ([{"x": [{1, object()}]}], ["object", "[0]['x'][0]"]),
        (range(3), ["range"]),
        ({"d": dt.timedelta(1)}, ["timedelta", "['d']"]),
        ([np.longdouble(1)], ["longdouble", "[0]"]),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_place_and_a_way_out(
    codecs: Codecs, value: Any, words: list[str]
) -> None:
    with pytest.raises(CodecError) as caught:
        codecs.freeze(value)
    assert all(word in caught.value.what for word in words), caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("types", ["json", "python"])
def test_a_value_that_contains_itself_is_an_error(codecs: Codecs, types: str) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CodecError, match="contains itself"):
        codecs.freeze(value, types)


class Broken:
    def to_plotly_json(self) -> Any:
        raise ZeroDivisionError("by the user")


def test_an_error_of_the_values_own_is_told_with_its_place(codecs: Codecs) -> None:
    with pytest.raises(CodecError, match=r"ZeroDivisionError: by the user.*\['a'\]\[0\]"):
        codecs.freeze({"a": [Broken()]})


def test_deep_nesting_comes_back(readings: Readings) -> None:
    value: Any = 1.5
    for _ in range(300):
        value = {"a": [value]} if isinstance(value, list) else [value]
    assert readings(value) == [judge(value)] * 3


WRAPS = [lambda value: (value,), lambda value: [value], lambda value: {"a": value}]


@pytest.mark.parametrize("wrap", WRAPS, ids=["tuples", "lists", "dicts"])
@pytest.mark.parametrize("types", ["json", "python"])
@pytest.mark.parametrize("depth", [5000, 100_000])
def test_what_is_nested_too_deeply_is_an_error(
    codecs: Codecs, wrap: Callable[[Any], Any], types: str, depth: int
) -> None:
    with pytest.raises(CodecError, match="nested too deeply"):
        codecs.freeze(nested(wrap, depth), types)


@pytest.mark.parametrize("wrap", WRAPS, ids=["tuples", "lists", "dicts"])
def test_what_is_nested_deeply_and_accepted_comes_back(readings: Readings, wrap: Callable[[Any], Any]) -> None:
    for depth in range(100, 700, 75):
        value = nested(wrap, depth)
        with contextlib.suppress(CodecError):  # how deep Python's own json goes depends on who calls it
            assert [repr(reading) for reading in readings(value)] == [repr(judge(value))] * 3
    assert len(readings(nested(wrap, 300))) == 3


def nested(wrap: Callable[[Any], Any], depth: int) -> Any:
    value: Any = 1.5
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    ("value", "summary"),
    [
        ({"a": 1, "b": 2}, {"type": "dict", "length": 2}),
        ([1, 2, 3], {"type": "list", "length": 3}),
        ("text", {"type": "str", "length": 4}),
        (1.5, {"type": "number"}),
        (b"ab", {"type": "bytes", "length": 2}),
        (pd.DataFrame({"a": [1, 2, 3]}), {"type": "DataFrame", "rows": 3, "columns": 1}),
    ],
)
def test_the_summary_is_for_people(codecs: Codecs, value: Any, summary: dict[str, Any]) -> None:
    assert codecs.freeze(value).summary == summary
