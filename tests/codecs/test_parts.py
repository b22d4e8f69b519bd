"""Some columns and rows of a table are what they are in the whole table, and nothing else of it is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs
from dash_statemanager.codecs.part import Part
from dash_statemanager.errors import PartError
from tests.codecs.support import FEW
from tests.codecs.test_frames import COLUMNS, MAKE_INDEX, assert_same_frame, frames

EXAMPLE = pd.DataFrame({"a": range(6), "b": list("uvwxyz"), "c": [1.5, None, 2, 3, 4, 5]})
AsBytes = Callable[..., bytes]


def read(codecs: Codecs, payload: Any, part: Part) -> Any:
    return codecs.open(BytesPayload(payload), part).frozen.thaw()


@FEW
@given(frame=frames, offset=st.integers(0, 4), limit=st.none() | st.integers(0, 4), data=st.data())
def test_a_part_is_as_in_the_whole_frame(
    codecs: Codecs, as_bytes: AsBytes, frame: pd.DataFrame, offset: int, limit: int | None, data: st.DataObject
) -> None:
    labels = list(frame.columns)
    chosen = data.draw(st.none() | st.lists(st.sampled_from(labels), max_size=3, unique_by=repr)) if labels else None
    part = Part(chosen, offset, limit)
    assert_same_frame(read(codecs, as_bytes(frame), part), part.of(frame))


@pytest.mark.parametrize("make", COLUMNS)
@pytest.mark.parametrize("part", [Part(offset=1, limit=3), Part(offset=4), Part(limit=0), Part(offset=99)])
def test_rows_of_every_kind_of_column(
    codecs: Codecs, as_bytes: AsBytes, make: Callable[[list[int]], Any], part: Part
) -> None:
    frame = pd.DataFrame({"x": make([0, 1, 2, 3, 4, 5])})
    assert_same_frame(read(codecs, as_bytes(frame), part), frame.iloc[part.rows])


@pytest.mark.parametrize("make", MAKE_INDEX)
@pytest.mark.parametrize("part", [Part(offset=1, limit=3), Part(offset=4), Part(limit=0)])
def test_rows_of_every_kind_of_index(codecs: Codecs, as_bytes: AsBytes, make: Callable[[int], Any], part: Part) -> None:
    frame = pd.DataFrame({"x": range(6)}, index=make(6))
    assert_same_frame(read(codecs, as_bytes(frame), part), frame.iloc[part.rows])


def test_columns_come_in_the_order_that_was_asked_for(codecs: Codecs, as_bytes: AsBytes) -> None:
    found = read(codecs, as_bytes(EXAMPLE), Part(["c", "a"], 1, 2))
    assert_same_frame(found, EXAMPLE[["c", "a"]].iloc[1:3])


def test_both_columns_of_a_label_that_is_there_twice_come(codecs: Codecs, as_bytes: AsBytes) -> None:
    frame = EXAMPLE.set_axis(["a", "b", "a"], axis=1)
    assert_same_frame(read(codecs, as_bytes(frame), Part(["a"])), frame[["a"]])


def test_a_geo_frame_without_its_geometry_is_a_frame(codecs: Codecs, as_bytes: AsBytes) -> None:
    points = geopandas.GeoDataFrame({"a": range(3)}, geometry=geopandas.points_from_xy(range(3), range(3)), crs=4326)
    with_points = read(codecs, as_bytes(points), Part(["geometry"], 1))
    assert with_points.crs == points.crs
    assert list(with_points.geometry.x) == [1, 2]
    assert type(read(codecs, as_bytes(points), Part(["a"]))) is pd.DataFrame


@pytest.mark.parametrize("kind", [pl.from_pandas, pa.Table.from_pandas])
def test_tables_of_other_libraries_have_parts_too(codecs: Codecs, as_bytes: AsBytes, kind: Any) -> None:
    table = kind(EXAMPLE)
    for part in (Part(["c", "a"], 1, 2), Part(offset=99)):
        found = read(codecs, as_bytes(table), part)
        assert type(found) is type(table)
        assert found.equals(part.of(table))
    assert read(codecs, as_bytes(table), Part(["a"], 4)).to_pandas()["a"].tolist() == [4, 5]
    with pytest.raises(PartError, match="no column 'z'"):
        read(codecs, as_bytes(table), Part(["z"]))


def test_rows_of_a_polars_frame_with_lists_of_a_fixed_size(codecs: Codecs, as_bytes: AsBytes) -> None:
    lists = pl.Series([[1, 2], None] * 3, dtype=pl.Array(pl.Int8, 2))
    table = pl.DataFrame({"lists": lists, "text": ["a text that is no short one"] * 6, "nested": [{"x": [1]}] * 6})
    for part in (Part(offset=1, limit=3), Part(["lists"], 5), Part(offset=99), Part(limit=0)):
        assert read(codecs, as_bytes(table), part).equals(part.of(table))


def test_a_part_may_be_changed_and_nobody_sees_it(codecs: Codecs, as_bytes: AsBytes) -> None:
    payload = as_bytes(EXAMPLE)
    found = read(codecs, payload, Part(["a"], 1))
    found.loc[1, "a"] = -1
    found["a"] += 1
    assert read(codecs, payload, Part(["a"], 1))["a"].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": "a"}, "Pass a list: \\['a'\\]"),
        ({"columns": ["a", "z"]}, "no column 'z'.*There are: 'a', 'b', 'c'"),
        ({"offset": -1}, "offset=-1 counts no rows"),
        ({"limit": -1}, "limit=-1 counts no rows"),
        ({"offset": 1.5}, "offset=1.5 counts no rows"),
    ],
)
def test_what_is_no_part_is_refused_with_a_remedy(
    codecs: Codecs, as_bytes: AsBytes, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(PartError, match=message):
        read(codecs, as_bytes(EXAMPLE), Part(**arguments))


@pytest.mark.parametrize("value", [{"a": [1, 2]}, [1, 2], "text", b"bytes"])
def test_what_is_no_table_has_no_parts(codecs: Codecs, as_bytes: AsBytes, value: Any) -> None:
    with pytest.raises(PartError, match=f"a {type(value).__name__} has no columns and rows"):
        read(codecs, as_bytes(value), Part(["a"]))


def test_a_broken_column_does_not_matter_to_those_who_read_another(codecs: Codecs, as_bytes: AsBytes) -> None:
    frame = pd.DataFrame({"a": np.arange(1000), "b": [f"text {n}" for n in range(1000)]})
    payload = bytearray(as_bytes(frame))
    at = payload.index(np.cumsum([0, *(len(text) for text in frame["b"])]).astype("i8").tobytes())
    payload[at + 800 : at + 808] = (10**6).to_bytes(8, "little")
    assert read(codecs, payload, Part(["a"]))["a"].tolist() == list(range(1000))
    with pytest.raises(Exception, match="impossible values"):
        read(codecs, payload, Part(["b"]))
    assert read(codecs, payload, Part(["b"], 500, 1))["b"].tolist() == ["text 500"]


def test_a_label_may_be_missing(codecs: Codecs, as_bytes: Callable[..., bytes]) -> None:
    frame = pd.DataFrame([[1, 2]], columns=pd.Index(["a", pd.NA], dtype="string"))
    for label, values in (("a", [1]), (pd.NA, [2])):
        assert read(codecs, as_bytes(frame), Part([label])).iloc[0].tolist() == values
