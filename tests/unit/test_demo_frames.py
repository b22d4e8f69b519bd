"""What the demo makes of a DataFrame: slices for the grid, summaries, charts, downloads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask

from demo_app import downloads, grid, summary
from demo_app.charts import CHARTS, CannotDraw
from demo_app.query import Query, run
from demo_app.tables import COLUMNS, TABLES

ROWS = 336_776


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    """All columns of all rows."""
    form = {"tables": [table.name for table in TABLES], "columns": [one.name for one in COLUMNS], "filters": {}}
    return run(Query.from_form(form), lambda rows, total: None)


@pytest.fixture
def small() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "when": pd.to_datetime(["2013-01-02 10:30", "2013-01-01 09:00", None, "2013-01-01 08:00"]),
            "day": pd.to_datetime(["2013-01-02", "2013-01-01", None, "2013-01-01"]),
            "delay": [3.5, np.nan, -1.0, 3.5],
            "carrier": pd.Categorical(["UA", "AA", None, "AA"]),
        }
    )


def request(start: int, end: int, *sort: tuple[str, str]) -> dict[str, Any]:
    return {"startRow": start, "endRow": end, "sortModel": [{"colId": name, "sort": way} for name, way in sort]}


# -- the grid


def test_a_slice_has_the_rows_that_were_asked_for(small: pd.DataFrame) -> None:
    answer = grid.answer(small, request(1, 3))
    assert answer["rowCount"] == 4
    assert answer["rowData"] == [
        {"when": "2013-01-01 09:00", "day": "2013-01-01", "delay": None, "carrier": "AA"},
        {"when": None, "day": None, "delay": -1.0, "carrier": None},
    ]


def test_slices_put_together_are_the_frame_in_its_order(small: pd.DataFrame) -> None:
    sort = (("carrier", "asc"), ("delay", "desc"))
    whole = grid.answer(small, request(0, 4, *sort))["rowData"]
    pieces = [row for start in range(4) for row in grid.answer(small, request(start, start + 1, *sort))["rowData"]]
    assert pieces == whole
    assert [(row["carrier"], row["delay"]) for row in whole] == [("AA", 3.5), ("AA", None), ("UA", 3.5), (None, -1.0)]


@pytest.mark.parametrize("way", ["asc", "desc"])
def test_missing_values_come_last_either_way(small: pd.DataFrame, way: str) -> None:
    assert grid.answer(small, request(0, 4, ("delay", way)))["rowData"][-1]["delay"] is None


def test_a_sort_by_an_unknown_column_is_ignored(small: pd.DataFrame) -> None:
    assert grid.answer(small, request(0, 1, ("gone", "asc"))) == grid.answer(small, request(0, 1))


def test_slicing_leaves_the_frame_as_it_was(small: pd.DataFrame) -> None:
    before = small.copy(deep=True)
    grid.answer(small, request(0, 4, ("when", "desc")))
    pd.testing.assert_frame_equal(small, before)


def test_the_last_rows_of_all_flights_are_reached(flights: pd.DataFrame) -> None:
    answer = grid.answer(flights, request(ROWS - 2, ROWS + 198))
    assert [row["flight"] for row in answer["rowData"]] == flights["flight"].tail(2).tolist()


def test_every_column_has_a_definition_under_its_table(flights: pd.DataFrame) -> None:
    groups = grid.column_defs(flights)
    assert [group["headerName"] for group in groups] == [table.label for table in TABLES]
    assert [column["field"] for group in groups for column in group["children"]] == list(flights.columns)


# -- summaries


def test_a_summary_says_what_pandas_says(flights: pd.DataFrame) -> None:
    delay = summary.summarize_column(flights["dep_delay"])
    values = flights["dep_delay"]
    assert (delay.kind, delay.rows, delay.missing, delay.distinct) == ("number", ROWS, 8255, values.nunique())
    assert dict(delay.facts) == {"Min": "-43", "Median": "-2", "Mean": f"{values.mean():.2f}", "Max": "1,301"}


@pytest.mark.parametrize("name", [column.name for column in COLUMNS if column.name not in ("tailnum", "dest", "model")])
def test_bars_count_every_value_that_is_there(flights: pd.DataFrame, name: str) -> None:
    one = summary.summarize_column(flights[name])
    counted = sum(bar.count for bar in one.bars)
    assert 0 < counted <= one.rows - one.missing
    assert counted == one.rows - one.missing or one.distinct > summary.BARS
    assert max(bar.height for bar in one.bars) == 1


def test_an_empty_column_has_a_summary() -> None:
    nothing = summary.summarize_column(pd.Series([], name="delay", dtype=float))
    assert (nothing.rows, nothing.missing, nothing.distinct, nothing.bars) == (0, 0, 0, ())
    assert nothing.missing_share == 0


# -- charts


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: chart.name)
def test_every_mark_that_can_be_selected_is_a_row_of_the_table(flights: pd.DataFrame, chart: Any) -> None:
    drawing = chart.draw(flights, chart.settle(flights, {}))
    rows = [row for trace in drawing.figure.data if trace.customdata is not None for row in trace.customdata]
    assert sorted(rows) == list(range(len(drawing.marks)))


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: chart.name)
def test_a_browser_never_gets_more_marks_than_it_can_draw(flights: pd.DataFrame, chart: Any) -> None:
    drawing = chart.draw(flights, chart.settle(flights, {}))
    assert len(drawing.marks) <= 10_000
    assert "336,776" in drawing.note


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: chart.name)
def test_every_column_that_is_offered_can_be_drawn(flights: pd.DataFrame, chart: Any) -> None:
    sample = flights.sample(300, random_state=0)
    defaults = chart.settle(sample, {})
    for role in chart.roles:
        for value, _ in role.offers(sample):
            assert chart.draw(sample, {**defaults, role.name: value}).note, (role.name, value)


@pytest.mark.parametrize("name", ["scatter", "histogram", "line", "routes"])
def test_a_result_without_rows_is_an_empty_drawing(flights: pd.DataFrame, name: str) -> None:
    empty, chart = flights.iloc[:0], CHARTS[name]
    drawing = chart.draw(empty, chart.settle(empty, {}))
    assert drawing.marks.empty
    assert " 0 " in drawing.note


def test_boxes_of_nothing_are_refused_with_a_reason(flights: pd.DataFrame) -> None:
    empty, chart = flights.iloc[:0], CHARTS["box"]
    with pytest.raises(CannotDraw, match="Choose other columns"):
        chart.draw(empty, chart.settle(empty, {}))


@pytest.mark.parametrize("name", ["scatter", "box", "line", "routes"])
def test_a_result_that_lacks_the_columns_is_refused_with_a_reason(flights: pd.DataFrame, name: str) -> None:
    bare, chart = flights[[]], CHARTS[name]
    with pytest.raises(CannotDraw, match="Query page"):
        chart.draw(bare, chart.settle(bare, {}))


def test_a_small_result_is_drawn_whole(flights: pd.DataFrame) -> None:
    few = flights.dropna(subset=["dep_delay", "arr_delay"]).head(50)
    chart = CHARTS["scatter"]
    assert chart.draw(few, chart.settle(few, {})).note == "Showing all 50 rows."


def test_histogram_counts_are_those_of_pandas(flights: pd.DataFrame) -> None:
    chart = CHARTS["histogram"]
    drawing = chart.draw(flights, {**chart.settle(flights, {}), "x": "carrier", "color": None})
    counts = drawing.marks.set_index("bin")["rows"]
    assert counts.to_dict() == flights["carrier"].astype(str).value_counts().to_dict()


def test_lines_are_means_of_all_rows(flights: pd.DataFrame) -> None:
    chart = CHARTS["line"]
    chosen = {**chart.settle(flights, {}), "x": "month", "y": "dep_delay", "color": None, "figure": "mean"}
    drawn = chart.draw(flights, chosen).marks.set_index("step")["value"]
    pd.testing.assert_series_equal(drawn, flights.groupby("month")["dep_delay"].mean(), check_names=False)


def test_boxes_are_quartiles_of_all_rows(flights: pd.DataFrame) -> None:
    chart = CHARTS["box"]
    drawn = chart.draw(flights, {"x": "origin", "y": "arr_delay"}).marks.set_index("group")
    for origin, values in flights.groupby("origin", observed=True)["arr_delay"]:
        assert drawn.loc[origin, ["q1", "median", "q3"]].tolist() == values.quantile([0.25, 0.5, 0.75]).tolist()


def test_routes_count_every_flight_to_a_known_place(flights: pd.DataFrame) -> None:
    chart = CHARTS["routes"]
    marks = chart.draw(flights, chart.settle(flights, {})).marks
    assert marks["rows"].sum() == flights["dest_lat"].notna().sum()


# -- downloads


@pytest.fixture
def client(small: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Any:
    server = Flask(__name__)
    downloads.add_routes(server)
    monkeypatch.setattr(downloads, "get_store", {"flights": small}.get)
    return server.test_client()


def test_csv_and_parquet_are_the_frame(client: Any, small: pd.DataFrame) -> None:
    csv = client.get("/download/flights.csv")
    assert csv.headers["Content-Disposition"] == "attachment; filename=flights.csv"
    assert csv.text == small.to_csv(index=False)
    parquet = client.get("/download/flights.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet.data)), small)


def test_csv_is_the_same_in_pieces(flights: pd.DataFrame) -> None:
    part = flights[["date", "carrier", "dep_delay"]].head(50_001)
    pieces = list(downloads.csv_chunks(part))
    assert len(pieces) == 3
    assert "".join(pieces) == part.to_csv(index=False)


def test_without_a_result_there_is_nothing_to_download(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "get_store", {}.get)
    assert client.get("/download/flights.csv").status_code == 404
