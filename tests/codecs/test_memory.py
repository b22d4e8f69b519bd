"""What is frozen neither changes with memory of others nor keeps far more alive than it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs
from dash_statemanager.codecs.frame import COPY_ON_WRITE
from dash_statemanager.codecs.memory import SMALL, kept_by
from dash_statemanager.codecs.part import Part

ROWS = 300_000


def addresses(table: pa.Table) -> list[int]:
    return [buffer.address for column in table.columns for buffer in column.chunks[0].buffers() if buffer]


def big(kind: str) -> pd.DataFrame:
    makers: dict[str, Callable[[], Any]] = {
        "float": lambda: np.arange(float(ROWS)),
        "Int64": lambda: pd.array(np.arange(ROWS), dtype="Int64"),
        "zoned": lambda: pd.date_range("2020", periods=ROWS, freq="s", tz="UTC"),
        "string": lambda: [f"the text {number}" for number in range(ROWS)],
        "geometry": lambda: geopandas.points_from_xy(np.arange(ROWS), np.arange(ROWS)),
    }
    return pd.DataFrame({"x": makers[kind]()}, index=np.arange(ROWS) * 2)


@pytest.mark.parametrize("kind", ["float", "Int64", "zoned", "string", "geometry"])
def test_a_small_part_of_a_large_frame_does_not_keep_all_of_it(codecs: Codecs, kind: str) -> None:
    part = big(kind).iloc[1000:1100]
    frozen = codecs.freeze(part)
    assert kept_by(frozen.data.frame) < SMALL
    pd.testing.assert_frame_equal(frozen.thaw(), part)


def test_a_column_of_a_frame_that_was_read_does_not_keep_the_others(
    codecs: Codecs, as_bytes: Callable[..., bytes]
) -> None:
    frame = pd.DataFrame({"small": np.arange(1000), **{f"c{at}": np.random.rand(1000) for at in range(200)}})
    read = codecs.open(BytesPayload(as_bytes(frame))).frozen.thaw()
    frozen = codecs.freeze(read[["small"]])
    assert kept_by(frozen.data.frame) < SMALL
    pd.testing.assert_frame_equal(frozen.thaw(), frame[["small"]])


@pytest.mark.skipif(not COPY_ON_WRITE, reason="pandas before 3 needs real copies")
def test_rows_of_a_frame_that_is_kept_anyway_are_not_copied(codecs: Codecs) -> None:
    frame = big("float")
    part = codecs.freeze(frame).part(Part(None, 10, 10)).thaw()
    assert np.shares_memory(part["x"].to_numpy(), frame["x"].to_numpy())


TABLES: dict[str, Callable[[Any], Any]] = {
    "pyarrow over numpy": lambda values: pa.table({"a": values}),
    "pyarrow over pandas": lambda values: pa.Table.from_pandas(pd.DataFrame({"a": values}, copy=False)),
    "polars over numpy": lambda values: pl.DataFrame({"a": values}),
    "polars over pandas": lambda values: pl.from_pandas(pd.DataFrame({"a": values}, copy=False)),
}


@pytest.mark.parametrize("rows", [3, 1000, ROWS])
@pytest.mark.parametrize("kind", TABLES)
def test_a_table_over_the_memory_of_others_does_not_change_with_it(codecs: Codecs, kind: str, rows: int) -> None:
    values = np.zeros(rows + 8)[2:-6]
    values = values if values.__array_interface__["data"][0] % 64 else np.zeros(rows + 8)[1:-7]
    frozen = codecs.freeze(TABLES[kind](values))
    values[:] = 1.0
    assert sum(frozen.thaw()["a"].to_pylist() if "pyarrow" in kind else frozen.thaw()["a"].to_list()) == 0


def test_a_small_part_of_a_large_table_does_not_keep_all_of_it(codecs: Codecs) -> None:
    table = pa.table({"a": range(ROWS), "b": [str(number) for number in range(ROWS)]})
    polars = pl.DataFrame({"a": range(ROWS)})
    part = codecs.freeze(table.slice(1000, 100))
    assert part.thaw().equals(table.slice(1000, 100))
    assert part.thaw().get_total_buffer_size() < 10_000
    shortened = codecs.freeze(polars.slice(1000, 100)).thaw()
    assert shortened.equals(polars.slice(1000, 100))
    assert shortened.to_arrow().get_total_buffer_size() < 10_000


def test_a_large_table_that_arrow_made_is_not_copied(codecs: Codecs) -> None:
    table = pa.table({"a": range(ROWS), "b": [str(number) for number in range(ROWS)]})
    polars = pl.DataFrame({"a": range(ROWS)})
    assert codecs.freeze(table).thaw() is table
    assert addresses(codecs.freeze(polars).thaw().to_arrow()) == addresses(polars.to_arrow())
