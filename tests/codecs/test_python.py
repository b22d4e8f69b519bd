"""`types="python"` keeps every type; `types="pickle"` also what no rule takes."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import fractions
import pathlib
import sys
import types
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs
from dash_statemanager.errors import CodecError, CorruptPayload
from tests.codecs.support import FEW

Readings = Callable[..., list[Any]]
Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = "r"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Filters:
    name: str
    limits: tuple[int, ...] = ()


@dataclasses.dataclass
class Slotted:
    __slots__ = ("inner",)
    inner: Filters


class Opaque:
    """Something that only pickle takes."""

    def __init__(self, content: object) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and other.content == self.content

    __hash__ = None  # type: ignore[assignment]


def assert_same(read: Any, written: Any) -> None:
    """Same types and values, all the way down."""
    assert type(read) is type(written)
    if isinstance(written, pd.DataFrame):
        pd.testing.assert_frame_equal(read, written)
    elif isinstance(written, pd.Series):
        pd.testing.assert_series_equal(read, written, check_freq=True)
    elif isinstance(written, pd.Index):
        pd.testing.assert_index_equal(read, written, exact=True)
        assert repr(read) == repr(written)
    elif isinstance(written, np.ndarray):
        assert (read.dtype, read.shape, repr(read)) == (written.dtype, written.shape, repr(written))
    elif isinstance(written, dict):
        assert_same(list(read.items()), list(written.items()))
    elif isinstance(written, (list, tuple)):
        assert len(read) == len(written)
        for one, other in zip(read, written, strict=True):
            assert_same(one, other)
    elif isinstance(written, (set, frozenset)):
        assert told(read) == told(written)
    else:
        assert repr(read) == repr(written)


def told(value: Any) -> str:
    """The `repr` of a value that may hold sets, whose own depends on the order in which they grew."""
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}{sorted(map(told, value))}"
    return f"({', '.join(map(told, value))})" if type(value) is tuple else repr(value)


VALUES = [
    (1, (2, ())),
    Point(1, [Point(2, 3)]),
    {1: "a", None: "b", (1, 2): "c", 1.5: "d", "s": "e", b"b": "f", Colour.RED: "g"},
    {"__dsm__": {"__dsm__": [1]}, "t": (1,)},
    {"\ud83d\ude00": 1, "\U0001f600": 2, "ä": (3,)},
    [float("nan"), float("inf"), -0.0, 10**50, -(10**50), "\ud83d\ude00", "\ud800"],
    complex("nan-infj"),
    b"",
    b"x" * 10_000,
    bytearray(b"abc"),
    {1, "a", (2, b"x"), frozenset([None]), 1.5, b"y" * 10_000},
    frozenset(),
    range(1, 9, 2),
    slice(None, 3),
    collections.OrderedDict(b=1, a=2),
    collections.Counter("hello"),
    collections.deque([1, (2,)], maxlen=5),
    collections.defaultdict(list, a=[1]),
    dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc),
    dt.timezone(dt.timedelta(hours=1), "named"),
    dt.date(2020, 2, 29),
    dt.time(1, 2, 3, 4, tzinfo=dt.timezone.utc),
    dt.timedelta(-1, 2, 3),
    pd.Timestamp("2020-01-01 00:00:00.123456789"),
    pd.Timestamp("2020-01-01", tz="Europe/Berlin"),
    pd.Timestamp("1500-01-01").as_unit("s"),
    pd.Timedelta(5, "us"),
    pd.Period("2020Q1"),
    pd.Interval(0, 1.5, closed="both"),
    [pd.NaT, pd.NA],
    [Decimal("1.50"), Decimal("NaN"), Decimal("-Infinity"), fractions.Fraction(1, 3)],
    [uuid.UUID(int=1), pathlib.Path("/a/b"), pathlib.PureWindowsPath("c:\\x")],
    [Colour.RED, Access.READ | Access.WRITE, Access(0)],
    Filters("a", (1, 2)),
    [np.float32(0.1), np.int8(-1), np.bool_(True), np.str_("a\x00"), np.str_(""), np.bytes_(b"a"), np.complex64(1j)],
    [np.datetime64("2020-01-01T00"), np.datetime64("NaT"), np.timedelta64(5, "ms"), np.longdouble(1) / 3],
    np.arange(6, dtype="int16").reshape(2, 3),
    np.array(1.5),
    np.zeros((0, 3)),
    np.array(["a", "bc"]),
    np.array([(1, [2.0, 3.0])], dtype=[("a", ">i4"), ("b", "f8", (2,))]),
    np.array([None, (1, 2), {"a": 1}], dtype=object),
    np.arange(100_000),
    pd.Series([1.5, None], index=pd.date_range("2020", periods=2, freq="D"), name=("t", 1)),
    pd.Series(["a", None], dtype="category"),
    pd.Index([1, 2], name="n"),
    pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None]),
    pd.date_range("2020", periods=3, freq="2h", tz="UTC"),
    pd.array([1, None], dtype="Int64"),
    pd.DataFrame({"a": [1]}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_type_comes_back_at_any_depth(readings: Readings, value: Any) -> None:
    for types_ in ("python", "pickle"):
        for reading in readings(value, types_):
            assert_same(reading, value)
        for reading in readings({"deep": [(value, value)]}, types_):
            assert_same(reading, {"deep": [(value, value)]})


texts = st.one_of(st.text(max_size=5), st.just("__dsm__"))
hashable = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(max_size=5), st.dates(), st.uuids()
    ),
    lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)),
    max_leaves=4,
)
leaves = st.one_of(
    hashable,
    st.datetimes(),
    st.timedeltas(),
    st.decimals(),
    st.complex_numbers(),
    st.floats().map(np.float64),
    st.lists(st.integers(-9, 9), max_size=3).map(np.array),
    st.sampled_from([Colour.RED, Filters("x")]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(hashable, inner, max_size=3),
        st.dictionaries(texts, inner, max_size=3),
    ),
    max_leaves=6,
)


@FEW
@given(value=values)
def test_no_python_value_comes_back_differently(readings: Readings, value: Any) -> None:
    for reading in readings(value, "python"):
        assert_same(reading, value)


def test_equal_sets_have_equal_bodies(codecs: Codecs, as_bytes: Callable[..., bytes]) -> None:
    names = [f"name {number}" for number in range(50)]
    backwards = names[::-1]
    one, other = {"s": set(names), "b": b"x" * 10_000}, {"s": set(backwards), "b": b"x" * 10_000}
    assert codecs.freeze(one).deterministic
    assert as_bytes(one) == as_bytes(other)
    assert not codecs.freeze({"s": pd.DataFrame()}).deterministic


def test_json_keeps_only_what_the_browser_refuses(readings: Readings) -> None:
    value = {1: (b"x", {(1, 2)}), "a": pd.DataFrame({"c": [1]}), "n": [np.int64(1), dt.date(2020, 1, 1)]}
    for reading in readings(value):
        assert list(reading) == ["1", "a", "n"]
        assert reading["1"] == [b"x", {(1, 2)}]
        assert_same(reading["a"], value["a"])
        assert_same(reading["n"], [1, "2020-01-01"])


@pytest.mark.parametrize("marker", ["__dsm__", "x __dsm__ y"])
def test_the_users_own_text_is_never_taken_for_a_mark(readings: Readings, marker: str) -> None:
    value = {marker: ["bytes", "AAAA"], "b": b"1", "list": [{marker: ["part", 0]}]}
    assert readings(value) == [value] * 3
    assert readings(value, "python") == [value] * 3


def test_keys_that_become_one_keep_the_last_of_their_values(readings: Readings) -> None:
    assert readings({1: b"first", "1": b"last", "s": {1}}) == [{"1": b"last", "s": {1}}] * 3


def test_what_fails_half_way_is_pickled_whole(readings: Readings) -> None:
    strings = np.array(["a" * 9000, "b"], dtype=np.dtypes.StringDType())
    for reading in readings([strings, strings], "pickle"):
        assert_same(reading, [strings, strings])


def test_readers_share_nothing(readings: Readings) -> None:
    first, second, third = readings(
        {"a": np.array([1, 2]), "s": {1}, "b": bytearray(b"x"), "p": pd.Series([1, 2])}, "python"
    )
    first["a"][0] = 9
    first["s"].add(2)
    first["b"].append(1)
    first["p"].iloc[0] = 9
    second["p"].iloc[0] = 7
    assert (list(third["a"]), third["s"], third["b"], list(third["p"])) == ([1, 2], {1}, bytearray(b"x"), [1, 2])


def test_later_changes_do_not_reach_what_was_stored(codecs: Codecs) -> None:
    array, series = np.arange(10_000), pd.Series([1, 2])
    frozen = codecs.freeze([array, series], "python")
    array[0] = 9
    series.iloc[0] = 9
    assert frozen.thaw()[0][0] == 0
    assert list(frozen.thaw()[1]) == [1, 2]


def local_class() -> Any:
    @dataclasses.dataclass
    class Local:
        a: int

    return Local(1)


class DerivedDict(dict[str, Any]):
    """A dict of a user's own."""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [0, Opaque(1)]}, ["Opaque", "['a'][1]", 'types="pickle"']),
        ({"a": (1, local_class())}, ["Local", "['a'][1]", "top level"]),
        ({(1, 2): {3: Opaque(1)}}, ["Opaque", "[(1, 2)][3]"]),
        (DerivedDict(a=1), ["DerivedDict"]),
        (np.array([Opaque(1)], dtype=object), ["Opaque", "[0]"]),
        (np.ma.array([1]), ["MaskedArray"]),
        ([len], ["builtin_function", "[0]"]),
        ([Opaque], ["class Opaque", "[0]"]),
        (pl.Series([1]), ["Series"]),
    ],
)
def test_what_has_no_rule_is_named_with_its_place(codecs: Codecs, value: Any, words: list[str]) -> None:
    with pytest.raises(CodecError) as caught:
        codecs.freeze(value, "python")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_class_that_is_gone_is_an_error_and_nothing_is_imported(
    codecs: Codecs, as_bytes: Callable[..., bytes]
) -> None:
    module = types.ModuleType("module_of_the_app")
    sys.modules[module.__name__] = module
    try:
        exec("import dataclasses\n@dataclasses.dataclass\nclass Row:\n    a: int\n", module.__dict__)
        body = as_bytes([module.Row(1)], "python")
    finally:
        del sys.modules[module.__name__]
    with pytest.raises(CodecError, match="Row was stored, which module_of_the_app does not have now"):
        codecs.open(BytesPayload(body))
    assert module.__name__ not in sys.modules


def test_a_slotted_dataclass_comes_back(readings: Readings) -> None:
    for reading in readings(Slotted(Filters("a")), "python"):
        assert reading == Slotted(Filters("a"))


def test_unknown_types_are_refused(codecs: Codecs) -> None:
    with pytest.raises(CodecError, match="types='yaml'"):
        codecs.freeze(1, "yaml")


def test_pickle_takes_the_rest_and_leaves_the_others_as_they_are(codecs: Codecs, readings: Readings) -> None:
    value = {"o": Opaque((1, 2)), 1: pd.DataFrame({"odd": [object]}), "d": DerivedDict(a=1)}
    for reading in readings(value, "pickle"):
        assert reading["o"] == value["o"]
        assert reading[1].equals(value[1])
        assert_same(reading["d"], value["d"])
    assert not codecs.freeze(value, "pickle").deterministic


def test_what_pickle_refuses_is_an_error_with_its_place(codecs: Codecs) -> None:
    with pytest.raises(CodecError, match=r"can't be pickled.*\['a'\]\[0\]"):
        codecs.freeze({"a": [lambda: 1]}, "pickle")


def test_without_a_key_nothing_is_pickled(as_bytes: Callable[..., bytes]) -> None:
    with pytest.raises(CodecError, match="no key to sign"):
        Codecs().freeze(Opaque(1), "pickle")
    with pytest.raises(CodecError, match="no key to sign"):
        Codecs().open(BytesPayload(as_bytes(Opaque(1), "pickle")))


def test_keys_rotate(as_bytes: Callable[..., bytes]) -> None:
    old = as_bytes(Opaque(1), "pickle", Codecs(keys=[b"old"]))
    assert Codecs(keys=[b"new", b"old"]).open(BytesPayload(old)).frozen.thaw() == Opaque(1)
    with pytest.raises(CorruptPayload, match="signature"):
        Codecs(keys=[b"new"]).open(BytesPayload(old))


LOADED: list[int] = []


class Trap:
    """Notes when it is loaded."""

    def __reduce__(self) -> Any:
        return LOADED.append, (1,)


def test_nothing_is_loaded_before_the_signature_is_checked(codecs: Codecs, as_bytes: Callable[..., bytes]) -> None:
    body = as_bytes([Trap()], "pickle", Codecs(keys=[b"of somebody else"]))
    with pytest.raises(CorruptPayload, match="signature"):
        codecs.open(BytesPayload(body))
    assert LOADED == []
