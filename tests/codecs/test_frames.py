"""Frames come back equal, and every reader has one of its own."""

from __future__ import annotations

import datetime as dt
import functools
import gc
import uuid
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import geopandas
import geopandas.testing
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dateutil import tz
from hypothesis import given
from hypothesis import strategies as st
from pandas.api.types import is_object_dtype
from pandas.testing import assert_frame_equal, assert_index_equal

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs
from dash_statemanager.codecs.guard import COPY_ON_WRITE
from dash_statemanager.errors import CodecError

Readings = Callable[..., list[Any]]
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
ZONES = ["UTC", "Europe/Berlin", ZoneInfo("Asia/Tokyo"), dt.timezone.utc, dt.timezone(dt.timedelta(hours=-3))]
STAMPS = [
    pd.Timestamp("2020-01-01"),
    pd.Timestamp("1969-12-31 23:59:59.123456"),
    pd.Timestamp("2021-03-28 01:30"),
    pd.NaT,
]


def assert_same_frame(read: Any, written: pd.DataFrame) -> None:
    """Equal in all that a user can see of them: types, values, names, what is missing, `freq`, levels and attrs."""
    assert_frame_equal(
        read,
        written,
        check_exact=True,
        check_freq=True,
        check_column_type=True,
        check_index_type=True,
        check_flags=True,
    )
    assert type(read) is type(written)
    assert repr(read.attrs) == repr(written.attrs)
    assert_same_index(read.index, written.index)
    assert_same_index(read.columns, written.columns)
    for position, dtype in enumerate(written.dtypes):
        if is_object_dtype(dtype):
            assert repr(list(read.iloc[:, position])) == repr(list(written.iloc[:, position]))


def assert_same_index(read: pd.Index, written: pd.Index) -> None:
    assert type(read) is type(written)
    assert repr(list(read.names)) == repr(list(written.names))
    assert read.dtype == written.dtype
    if is_object_dtype(written.dtype):
        assert repr(list(read)) == repr(list(written))
    for level, original in zip(getattr(read, "levels", ()), getattr(written, "levels", ()), strict=True):
        assert_index_equal(level, original, exact=True)


def of(pool: list[Any], dtype: Any) -> Callable[[list[int]], Any]:
    """A column of values from a pool, by their places."""
    return lambda places: pd.Series([pool[place % len(pool)] for place in places], dtype=dtype)


INTS = [0, 1, -1, 127]
TEXTS = ["", "a", "ä\u2028", "\U0001f600", "long " * 20, None]
COLUMNS: list[Callable[[list[int]], Any]] = [
    *(of(INTS, dtype) for dtype in ("int8", "int16", "int32", "int64", "float16", "complex128", "timedelta64[ms]")),
    *(of([0, 1, 255], dtype) for dtype in ("uint8", "uint64", "bool")),
    *(of([1.5, np.nan, np.inf, -0.0, 5e-324], dtype) for dtype in ("float32", "float64")),
    of([2**63 - 1, -(2**63)], "int64"),
    *(of(TEXTS, dtype) for dtype in ("str", "string", "string[python]", object, pd.ArrowDtype(pa.string()))),
    *(of([*INTS, None], dtype) for dtype in ("Int8", "Int64", "Float32", pd.ArrowDtype(pa.int16()))),
    of([True, False, None], "boolean"),
    *(of(STAMPS, f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns")),
    *(
        lambda places, zone=zone: of(STAMPS, "datetime64[us]")(places).dt.tz_localize("UTC").dt.tz_convert(zone)
        for zone in ZONES
    ),
    of(["b", None, "a"], pd.CategoricalDtype(["c", "b", "a"], ordered=True)),
    of([3, 1], pd.CategoricalDtype([1, 2, 3])),
    of([pd.Timestamp("2020"), None], pd.CategoricalDtype(pd.to_datetime(["2020", "2021"]))),
    of([pd.Interval(0, 1), pd.Interval(1, 2), None], pd.CategoricalDtype(pd.interval_range(0, 2))),
    of([pd.Interval(0.0, 1.5, closed="both"), None], "interval[float64, both]"),
    of([pd.Period("2020-01", "M"), None], "period[M]"),
    of([pd.Period("2020Q1"), None], "period[Q-DEC]"),
    of([[1, 2], None, []], pd.ArrowDtype(pa.list_(pa.int64()))),
    of([{"a": 1}, None], pd.ArrowDtype(pa.struct([("a", pa.int8())]))),
    of([Decimal("1.50"), None], pd.ArrowDtype(pa.decimal128(9, 2))),
    of(["a", None, np.nan, pd.NA, pd.NaT], object),
    of([b"", b"\x00\xff", None], object),
    of([True, False, None], object),
    of([1, -(2**63), None], object),
    of([1.5, None, np.nan], object),
    of([Decimal("1.50"), Decimal("NaN"), Decimal("1E+400"), None], object),
    of([dt.date(1, 1, 1), dt.date(9999, 12, 31), None], object),
    of([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 1, 2, 3, 4)], object),
    of([dt.time(1, 2, 3, 4), None], object),
    of([dt.timedelta(1, 2, 3), None], object),
    of([uuid.UUID(int=1), None], object),
    of([None], object),
]
LABELS: list[Any] = ["a", "b", "", 0, 1, 1.5, None, np.nan, ("t", 1), pd.Timestamp("2020"), True, b"x", "__dsm__"]
NAMES = st.sampled_from([None, "name", 0, ("t", 1), pd.Timestamp("2020")])
ATTRS = st.sampled_from(
    [{}, {"source": "x", "nested": {"a": [1, (2, 3)]}, 1: dt.date(2020, 1, 1)}, {"f": np.float32(0.5)}]
)
MAKE_INDEX: list[Callable[[int], Any]] = [
    lambda rows: pd.RangeIndex(3, 3 + 2 * rows, 2),
    lambda rows: pd.Index(np.arange(rows)[::-1] * 1.5),
    lambda rows: pd.Index([f"r{number % 2}" for number in range(rows)]),
    lambda rows: pd.Index(["a", None, np.nan, "b", "c", "d"][:rows], dtype=object),
    lambda rows: pd.date_range("2020", periods=rows, freq="2h", tz="Europe/Berlin"),
    lambda rows: pd.date_range("2020-01-31", periods=rows, freq="ME", unit="s"),
    lambda rows: pd.DatetimeIndex([*STAMPS, *STAMPS][:rows]),
    lambda rows: pd.timedelta_range("1s", periods=rows, freq="90s"),
    lambda rows: pd.period_range("2020", periods=rows, freq="D"),
    lambda rows: pd.CategoricalIndex(list("ababab")[:rows], categories=list("cba"), ordered=True),
    lambda rows: pd.interval_range(0, rows, closed="left"),
    lambda rows: pd.Index(pd.array([1, None, 3, 4, 5, 6][:rows], dtype="Int64")),
    lambda rows: pd.MultiIndex.from_product([["y", "x"], pd.date_range("2020", periods=4, tz="UTC")]).set_names(
        ["k", None]
    )[8 - rows :],
    lambda rows: pd.MultiIndex.from_arrays([[1, None, 1, 2, 2, 3][:rows], list("aabbcc")[:rows]]),
]


@functools.cache
def column(number: int, rows: int, first: int, step: int) -> Any:
    return COLUMNS[number](list(range(first, first + rows * step, step)))


def make_frame(
    rows: int,
    chosen: list[tuple[int, Any]],
    places: tuple[int, int],
    make_index: Callable[[int], Any],
    make_columns: Callable[[list[Any]], pd.Index],
    names: tuple[Any, Any],
    attrs: dict[Any, Any],
) -> pd.DataFrame:
    frame = pd.DataFrame({place: column(number, rows, *places) for place, (number, _) in enumerate(chosen)})
    frame.index = make_index(rows if chosen else 0)
    frame.columns = make_columns([label for _, label in chosen])
    for axis, name in zip((frame.index, frame.columns), names, strict=True):
        if not isinstance(axis, pd.MultiIndex):
            axis.name = name
    frame.attrs = attrs
    return frame


def to_labels(labels: list[Any]) -> pd.Index:
    return pd.Index(labels, tupleize_cols=False)


def to_levels(labels: list[Any]) -> pd.Index:
    return pd.MultiIndex.from_arrays([list(map(str, labels)), list(range(len(labels)))], names=["top", 5])


def to_numbers(labels: list[Any]) -> pd.Index:
    return pd.RangeIndex(len(labels))


frames = st.builds(
    make_frame,
    rows=st.integers(0, 6),
    chosen=st.lists(st.tuples(st.integers(0, len(COLUMNS) - 1), st.sampled_from(LABELS)), max_size=3),
    places=st.tuples(st.integers(0, 5), st.integers(1, 3)),
    make_index=st.sampled_from(MAKE_INDEX),
    make_columns=st.sampled_from([to_labels, to_levels, to_numbers]),
    names=st.tuples(NAMES, NAMES),
    attrs=ATTRS,
)


@given(frame=frames)
def test_no_frame_comes_back_unequal(readings: Readings, frame: pd.DataFrame) -> None:
    _, reading, _ = readings(frame)
    assert_same_frame(reading, frame)


@pytest.mark.parametrize("make", COLUMNS)
def test_every_kind_of_column_comes_back(readings: Readings, make: Callable[[list[int]], Any]) -> None:
    for places in ([], [0], list(range(12))):
        frame = pd.DataFrame({"x": make(places), "y": make(places[::-1])})
        for reading in readings({"deep": [frame]}):
            assert_same_frame(reading["deep"][0], frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame(columns=["a", "b"]),
        pd.DataFrame(np.asfortranarray(np.arange(12.0).reshape(4, 3))),
        pd.DataFrame(np.arange(48.0).reshape(8, 6)[::2, ::3]),
        pd.DataFrame([[1, "a"]], columns=["x", "x"]),
        pd.DataFrame([[1]], columns=["x"]).set_flags(allows_duplicate_labels=False),
        pd.DataFrame({"x": [1]}, index=pd.Index(["a"], dtype="string")),
        pd.DataFrame([[1, 2]], columns=pd.CategoricalIndex(["a", "b"])),
        pd.DataFrame([[1, 2]], columns=pd.interval_range(0, 2)),
    ],
)
def test_odd_shapes_come_back(readings: Readings, frame: pd.DataFrame) -> None:
    for reading in readings(frame):
        assert_same_frame(reading, frame)


@pytest.mark.parametrize(
    ("zone", "read"),
    [
        (tz.tzutc(), dt.timezone.utc),
        (tz.tzoffset("odd", 7200), dt.timezone(dt.timedelta(hours=2))),
        (tz.tzrange("EST", -18_000), dt.timezone(dt.timedelta(hours=-5))),
        pytest.param(
            tz.gettz("Europe/Berlin"),
            "dateutil/Europe/Berlin",
            marks=pytest.mark.skipif(not COPY_ON_WRITE, reason="pandas 2 itself fails at named zones of dateutil 4"),
        ),
    ],
)
def test_zones_of_dateutil_come_back_as_what_has_their_offsets(readings: Readings, zone: Any, read: Any) -> None:
    stamps = pd.DatetimeIndex(["2020-01-01", "2020-07-01"]).tz_localize(zone)
    frame = pd.DataFrame({"x": stamps}, index=stamps)
    expected = pd.DataFrame({"x": stamps.tz_convert(read)}, index=stamps.tz_convert(read))
    for reading in readings([frame, stamps[0]], types="python")[1:]:
        assert_same_frame(reading[0], expected)
        assert reading[1] == stamps[0]
        assert reading[1].tz == expected.index.tz


def test_attrs_may_hold_frames(readings: Readings) -> None:
    frame = pd.DataFrame({"x": [1]})
    frame.attrs = {"inner": pd.DataFrame({"y": ["a"]}), "big": b"x" * 10_000}
    for reading in readings(frame):
        assert_frame_equal(reading.attrs["inner"], frame.attrs["inner"])
        assert reading.attrs["big"] == frame.attrs["big"]


def test_geo_frames_come_back(readings: Readings) -> None:
    shapes = geopandas.GeoSeries.from_wkt(
        ["POINT (1 2)", None, "POLYGON ((0 0, 1 0, 1 1, 0 0))", "POINT EMPTY"], crs=4326
    )
    frame = geopandas.GeoDataFrame({"n": [1, 2, 3, 4]}, geometry=shapes).rename_geometry("shape")
    for reading in readings({"map": frame}):
        geopandas.testing.assert_geodataframe_equal(reading["map"], frame)
        assert reading["map"].geometry.name == "shape"
        assert reading["map"].crs == frame.crs


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": [1, None], "b": ["x", None], "c": [[1], [2, 3]], "d": [dt.date(2020, 1, 1)] * 2}),
        pl.DataFrame({"e": pl.Series(["a"], dtype=pl.Categorical), "f": pl.Series(["a"], dtype=pl.Enum(["b", "a"]))}),
        pl.DataFrame({"g": [{"x": 1, "y": "z"}], "h": [Decimal("1.5")], "i": [b"b"], "j": [None]}),
        pl.DataFrame({"k": pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2)), "l": [dt.time(1)], "m": [dt.timedelta(1)]}),
        pl.DataFrame({"z": [dt.datetime(2020, 1, 1)]}).with_columns(pl.col("z").dt.replace_time_zone("Europe/Berlin")),
        pl.DataFrame(),
        pl.DataFrame(schema={"a": pl.Int8, "b": pl.String}),
    ],
)
def test_polars_frames_come_back(readings: Readings, frame: pl.DataFrame) -> None:
    for reading in readings([frame]):
        assert isinstance(reading[0], pl.DataFrame)
        assert reading[0].schema == frame.schema
        assert reading[0].equals(frame)


def test_a_polars_column_that_arrow_cannot_hold_is_named(codecs: Codecs) -> None:
    with pytest.raises(CodecError, match="'odd' has the type Object"):
        codecs.freeze(pl.DataFrame({"odd": pl.Series([object()], dtype=pl.Object)}))


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": [1, None], "b": ["x", "y"]}, metadata={"key": "value"}),
        pa.table({"c": pa.chunked_array([["a"], ["b", "a"]]).dictionary_encode()}),
        pa.table({}),
        pa.table({"n": [[{"x": 1}]], "z": pa.nulls(1)}),
    ],
)
def test_tables_come_back(readings: Readings, table: pa.Table) -> None:
    for reading in readings({"t": table}):
        assert reading["t"].equals(table, check_metadata=True)


UNNAMED = tz.tzstr("EST5EDT")


class Derived(pd.DataFrame):  # type: ignore[misc]
    """A frame of a user's own."""


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"ok": [1], "odd": [object()]}), ["'odd'", "object", "astype(str)"]),
        (pd.DataFrame({"odd": [1, "a"]}), ["'odd'", "int and str", "astype(str)"]),
        (pd.DataFrame({("t", "u"): [["list"]]}), ["('t', 'u')", "list", 'types="pickle"']),
        (pd.DataFrame({"odd": pd.arrays.SparseArray([0, 1])}), ["'odd'", "Sparse"]),
        (pd.DataFrame({"odd": pd.Series(["\ud800"], dtype=object)}), ["'odd'", "surrogates"]),
        (pd.DataFrame({"odd": pd.Series([2**70], dtype=object)}), ["'odd'"]),
        (pd.DataFrame({"odd": np.array([1], dtype=">i4")}), ["'odd'", ">i4"]),
        (pd.DataFrame({"a": [1, 2]}, index=[1, "a"]), ["index", "int and str"]),
        (pd.DataFrame({"odd": pd.Categorical([1, "a"])}), ["'odd'", "int and str"]),
        (pd.DataFrame({"odd": pd.date_range("2020", periods=2, tz="UTC").tz_convert(UNNAMED)}), ["'odd'", "EST5EDT"]),
        (
            pd.DataFrame({"a": [1]}, index=pd.date_range("2020", periods=1, freq=pd.DateOffset(months=1))),
            ["index", "freq", "has no name", "df.index.freq = None"],
        ),
        (Derived({"a": [1]}), ["Derived", "pd.DataFrame(frame)"]),
    ],
)
def test_what_arrow_cannot_hold_is_refused_at_once_by_name(
    codecs: Codecs, frame: pd.DataFrame, words: list[str]
) -> None:
    with pytest.raises(CodecError) as caught:
        codecs.freeze({"deep": [frame]})
    assert all(word in str(caught.value) for word in [*words, "['deep'][0]"]), str(caught.value)


@pytest.mark.parametrize("freq", [pd.DateOffset(months=1), pd.offsets.Easter()])
def test_pickle_takes_an_index_with_a_freq_that_has_no_name(readings: Readings, freq: Any) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020-04-12", periods=2, freq=freq))
    for reading in readings(frame, types="pickle"):
        assert_same_frame(reading, frame)


def test_an_attr_that_cannot_be_kept_is_refused(codecs: Codecs) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["odd"] = object()
    with pytest.raises(CodecError, match=r"object at \['attrs'\]\['odd'\]"):
        codecs.freeze(frame)


def example() -> pd.DataFrame:
    columns = {
        "i": [1, 2, 3],
        "j": [4, 5, 6],
        "f": [1.0, 2.0, np.nan],
        "s": ["a", "b", None],
        "c": pd.Categorical(["x", "y", "x"]),
        "d": pd.date_range("2020", periods=3),
        "b": [True, False, True],
        "o": pd.Series(["a", None, "c"], dtype=object).to_numpy(),
        "z": pd.date_range("2020", periods=3, tz="UTC"),
        "n": pd.array([1, None, 3], dtype="Int64"),
        "t": pd.to_timedelta([1, 2, 3], unit="s"),
        "p": pd.period_range("2020", periods=3, freq="M"),
        "v": pd.interval_range(0, 3),
        "y": pd.array(["a", None, "c"], dtype="string[python]"),
        "l": pd.array([True, None, False], dtype="boolean"),
        "w": pd.array([1, None, 3], dtype=pd.ArrowDtype(pa.int64())),
    }
    frame = pd.DataFrame(columns, index=pd.Index([10, 20, 30], name="row"))
    frame.attrs = {"list": [1]}
    return frame


def by_loc(frame: pd.DataFrame) -> None:
    frame.loc[10, "i"] = 99
    frame.loc[:, "f"] = 0.0
    frame.loc[frame["j"] > 4, "s"] = "changed"
    frame.loc[40] = frame.loc[10]


def by_position(frame: pd.DataFrame) -> None:
    frame.iloc[0, 0] = 99
    frame.iloc[1] = frame.iloc[0]
    frame.iat[2, 2] = 7.0


def by_cell(frame: pd.DataFrame) -> None:
    new = {"c": "y", "o": "new", "z": pd.Timestamp("1999", tz="UTC"), "n": 7, "t": pd.Timedelta(5, "s"), "b": False}
    for column, value in new.items():
        frame.at[10, column] = value


def by_column(frame: pd.DataFrame) -> None:
    frame["new"] = 1
    frame["i"] = [7, 8, 9]
    frame.insert(0, "first", 0)
    del frame["j"]


def by_operators(frame: pd.DataFrame) -> None:
    frame["i"] += 1
    frame[["i", "j"]] *= 2
    frame["f"] /= 3


def by_inplace_methods(frame: pd.DataFrame) -> None:
    frame.drop(columns="p", inplace=True)
    frame.sort_values("i", ascending=False, inplace=True)
    frame.rename(columns={"i": "renamed"}, inplace=True)
    frame.fillna({"f": 0.0}, inplace=True)
    frame.replace({"j": {4: 40}}, inplace=True)
    frame.reset_index(inplace=True)
    frame.loc[0, "row"] = 77


def by_labels(frame: pd.DataFrame) -> None:
    frame.index.name = "renamed"
    frame.columns.name = "renamed"
    frame.index = ["x", "y", "z"]
    frame.columns = [str(number) for number in range(frame.shape[1])]


def by_attrs(frame: pd.DataFrame) -> None:
    frame.attrs["list"].append(2)
    frame.attrs["new"] = 1


def by_categories(frame: pd.DataFrame) -> None:
    frame["c"] = frame["c"].cat.rename_categories(["p", "q"])
    frame.loc[10, "c"] = "q"


def by_accumulation(frame: pd.DataFrame) -> None:
    for column in ("i", "f", "n", "t"):
        frame[column] = frame[column].cummax()
    frame.fillna({"n": 0}, inplace=True)
    frame["s"] = frame["s"].ffill()
    frame.sort_values("n", inplace=True)


def by_arrays(frame: pd.DataFrame) -> None:
    for column in frame.columns:
        for values in (frame[column].array, np.asarray(frame[column].array)):
            with suppress(ValueError):
                values[0] = values[1]


def by_numpy(frame: pd.DataFrame) -> None:
    arrays: list[Any] = [frame["i"].to_numpy(), frame.to_numpy(), frame["i"].array]
    if COPY_ON_WRITE:
        arrays.append(frame.index.to_numpy())
    for values in arrays:
        try:
            values[0] = values[1]
        except (ValueError, TypeError):
            continue


CHANGES = [
    by_loc,
    by_position,
    by_cell,
    by_column,
    by_operators,
    by_inplace_methods,
    by_labels,
    by_attrs,
    by_categories,
    by_accumulation,
    by_numpy,
    by_arrays,
]
AROUND_PANDAS = (by_numpy, by_arrays)


@pytest.fixture(params=["snapshot", "bytes"])
def thaw(request: pytest.FixtureRequest, codecs: Codecs, as_bytes: Callable[..., bytes]) -> Callable[[], pd.DataFrame]:
    """Reads the example, from the process's memory or from bytes."""
    if request.param == "snapshot":
        return codecs.freeze(example()).thaw
    return codecs.open(BytesPayload(as_bytes(example()))).frozen.thaw


@pytest.mark.parametrize("change", CHANGES)
def test_a_reader_may_change_a_frame_and_nobody_sees_it(
    thaw: Callable[[], pd.DataFrame], change: Callable[[pd.DataFrame], None]
) -> None:
    mine, other = thaw(), thaw()
    change(mine)
    assert_same_frame(other, example())
    assert_same_frame(thaw(), example())
    change(other)


def test_a_reader_may_change_geometries_and_nobody_sees_it(codecs: Codecs, as_bytes: Callable[..., bytes]) -> None:
    frame = geopandas.GeoDataFrame({"n": [1, 2]}, geometry=geopandas.points_from_xy([1, 2], [3, 4]))
    for frozen in (codecs.freeze(frame), codecs.open(BytesPayload(as_bytes(frame))).frozen):
        mine = frozen.thaw()
        with suppress(ValueError):
            mine.geometry.values[0] = None
        mine.loc[1, "geometry"] = frame.geometry[0]
        mine.set_crs(4326, inplace=True)
        geopandas.testing.assert_geodataframe_equal(frozen.thaw(), frame)


@pytest.mark.parametrize("change", CHANGES)
def test_a_frame_may_be_changed_when_all_others_are_gone(
    codecs: Codecs, as_bytes: Callable[..., bytes], change: Callable[[pd.DataFrame], None]
) -> None:
    frame = codecs.open(BytesPayload(as_bytes({"deep": example()}))).frozen.thaw()["deep"]
    gc.collect()
    change(frame)


def test_a_view_may_be_changed_when_its_frame_is_gone(thaw: Callable[[], pd.DataFrame]) -> None:
    frame = thaw()
    view, column, row = frame[["i", "j"]], frame["f"], frame.iloc[:2]
    del frame
    gc.collect()
    view.iloc[0, 0] = 99
    view += 1
    column.iloc[0] = 99.0
    row.loc[10, "i"] = 99
    assert_same_frame(thaw(), example())


@pytest.mark.parametrize("change", [change for change in CHANGES if change not in AROUND_PANDAS])
def test_a_later_change_does_not_reach_what_was_stored(codecs: Codecs, change: Callable[[pd.DataFrame], None]) -> None:
    written = example()
    frozen = codecs.freeze([written])
    change(written)
    assert_same_frame(frozen.thaw()[0], example())


@pytest.mark.skipif(not COPY_ON_WRITE, reason="pandas before 3 needs real copies")
def test_writing_and_reading_a_big_frame_copies_nothing_of_it(codecs: Codecs) -> None:
    frame = pd.DataFrame({"x": np.arange(1_000_000.0)})
    payload = codecs.payload(codecs.freeze(frame), created=0.0, ttl=None)
    addresses = [
        np.frombuffer(part, "u1").__array_interface__["data"][0] for part in payload.parts() if len(part) > 1000
    ]
    assert addresses == [frame["x"].to_numpy().__array_interface__["data"][0]]
    body = b"".join(payload.parts())
    read = codecs.open(BytesPayload(body)).frozen.thaw()["x"].to_numpy()
    start = np.frombuffer(body, "u1").__array_interface__["data"][0]
    assert start <= read.__array_interface__["data"][0] < start + len(body)
