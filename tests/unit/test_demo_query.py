"""The demo's query engine: forms become SQL, safely, and its answers are those of pandas."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_app import data, query
from demo_app.query import Query, QueryError
from demo_app.tables import COLUMN, COLUMNS, TABLES, columns_of

ALL_TABLES = [table.name for table in TABLES]
ROWS = 336_776


def a_form(columns: list[str] | None = None, filters: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"tables": ALL_TABLES, "columns": columns or ["flight"], "filters": filters or {}}


def run(form: dict[str, Any]) -> pd.DataFrame:
    return query.run(Query.from_form(form), lambda rows, total: None)


@pytest.fixture(scope="module")
def joined() -> pd.DataFrame:
    """All columns of all rows, once."""
    return run(a_form([column.name for column in COLUMNS]))


@pytest.fixture(scope="module")
def files() -> dict[str, pd.DataFrame]:
    """The files of the package, as pandas reads them."""
    names = ("flights.csv.zip", "airlines.csv", "planes.csv", "airports.csv", "weather.csv")
    return {name.partition(".")[0]: pd.read_csv(data.folder() / name) for name in names}


def test_the_join_of_everything_has_every_flight_once(joined: pd.DataFrame, files: dict[str, pd.DataFrame]) -> None:
    assert joined.shape == (ROWS, len(COLUMNS))
    for column in ("flight", "carrier", "tailnum", "dep_delay", "distance"):
        pd.testing.assert_series_equal(
            joined[column].astype(object), files["flights"][column].astype(object), check_names=False
        )


def test_joined_columns_are_what_pandas_merges(joined: pd.DataFrame, files: dict[str, pd.DataFrame]) -> None:
    merged = (
        files["flights"]
        .merge(files["airlines"].rename(columns={"name": "airline"}), on="carrier", how="left")
        .merge(files["planes"][["tailnum", "seats"]], on="tailnum", how="left")
        .merge(files["airports"].add_prefix("dest_"), left_on="dest", right_on="dest_faa", how="left")
        .merge(files["weather"][["origin", "time_hour", "temp"]], on=["origin", "time_hour"], how="left")
    )
    for column in ("airline", "seats", "dest_name", "dest_lat", "temp"):
        expected, found = merged[column].astype(object), joined[column].astype(object)
        assert ((expected == found) | (expected.isna() & found.isna())).all(), column


@pytest.mark.parametrize(
    ("column", "values", "condition"),
    [
        ("distance", [100, 500], lambda frame: frame.distance.between(100, 500)),
        ("dep_delay", [0, 1301], lambda frame: frame.dep_delay.between(0, 1301)),
        ("temp", [32, 50.5], lambda frame: frame.temp.between(32, 50.5)),
        ("carrier", ["UA", "AA"], lambda frame: frame.carrier.isin(["UA", "AA"])),
        ("dest_name", ["Chicago Ohare Intl"], lambda frame: frame.dest_name == "Chicago Ohare Intl"),
        ("date", ["2013-03-01", "2013-03-31"], lambda frame: frame.date.between("2013-03-01", "2013-03-31")),
        ("scheduled", ["2013-12-31", "2013-12-31"], lambda frame: frame.scheduled >= "2013-12-31"),
        ("weekday", ["Sunday"], lambda frame: frame.date.dt.day_name() == "Sunday"),
    ],
)
def test_a_filter_counts_as_pandas_does(joined: pd.DataFrame, column: str, values: list[Any], condition: Any) -> None:
    form = a_form(filters={column: values})
    expected = int(condition(joined).sum())
    assert 0 < expected < ROWS
    assert Query.from_form(form).count() == expected
    assert len(run(form)) == expected


@settings(max_examples=60)
@given(
    distance=st.tuples(st.integers(0, 5000), st.integers(0, 5000)).map(sorted),
    carriers=st.lists(st.sampled_from(["UA", "AA", "B6", "9E", "nobody"]), max_size=3),
    seats=st.none() | st.tuples(st.integers(0, 450), st.integers(0, 450)).map(sorted),
)
def test_filters_combine_as_in_pandas(
    joined: pd.DataFrame, distance: list[int], carriers: list[str], seats: list[int] | None
) -> None:
    kept = joined.distance.between(*distance)
    if carriers:
        kept &= joined.carrier.isin(carriers)
    if seats and seats != [2, 450]:
        kept &= joined.seats.between(*seats)
    form = a_form(filters={"distance": distance, "carrier": carriers, "seats": seats})
    assert Query.from_form(form).count() == int(kept.sum())


@pytest.mark.parametrize(
    "column", [column for column in COLUMNS if column.kind != "category"], ids=lambda one: one.name
)
def test_a_filter_at_its_full_extent_is_no_filter(column: Any) -> None:
    low, high = data.bounds(column.name)
    extent = [f"{low:%Y-%m-%d}", f"{high:%Y-%m-%d}"] if column.kind == "date" else [low, high]
    assert Query.from_form(a_form(filters={column.name: extent})).count() == ROWS


@pytest.mark.parametrize("nothing", [None, [], [None, None], ["2013-01-01", None]])
def test_a_filter_without_values_is_no_filter(nothing: Any) -> None:
    assert Query.from_form(a_form(filters={"date": nothing})).count() == ROWS


def test_a_query_without_matches_is_an_empty_frame_with_its_types() -> None:
    empty = run(a_form(["date", "carrier", "distance"], {"carrier": ["nobody"]}))
    assert empty.shape == (0, 3)
    assert [str(dtype)[:8] for dtype in empty.dtypes] == ["datetime", "category", "int64"]


def test_progress_ends_with_all_rows() -> None:
    told: list[tuple[int, int]] = []
    query.run(Query.from_form(a_form()), lambda rows, total: told.append((rows, total)))
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == (ROWS, ROWS)


HOSTILE = ["flight; DROP TABLE flights", "1=1 OR flight", 'flight" --', "", "rowid", "flights.flight", None, 7]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
@pytest.mark.parametrize("part", ["tables", "columns", "filters"])
def test_only_names_of_the_whitelist_are_taken(part: str, name: Any) -> None:
    with pytest.raises(QueryError):
        Query.from_form(a_form() | {part: {name: [1, 2]} if part == "filters" else [name]})


@pytest.mark.parametrize("part", ["tables", "columns"])
def test_a_name_that_is_no_text_is_refused(part: str) -> None:
    with pytest.raises(QueryError):
        Query.from_form(a_form() | {part: [["flight"]]})


@pytest.mark.parametrize("name", [column.name for column in COLUMNS if column.table != "flights"])
def test_a_column_needs_its_table(name: str) -> None:
    with pytest.raises(QueryError, match=COLUMN[name].table):
        Query.from_form({"tables": [], "columns": [name], "filters": {}})


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("distance", ["0 OR 1=1", 5]),
        ("distance", [1]),
        ("distance", {"low": 1}),
        ("distance", 5),
        ("date", ["yesterday", "today"]),
        ("date", ["2013-01-01"]),
        ("carrier", "UA"),
        ("carrier", 7),
    ],
)
def test_values_that_are_no_filter_are_refused(column: str, values: Any) -> None:
    with pytest.raises(QueryError, match=COLUMN[column].label):
        Query.from_form(a_form(filters={column: values}))


def test_a_hostile_value_is_only_a_value() -> None:
    hostile = ["UA'); DROP TABLE flights; --"]
    assert Query.from_form(a_form(filters={"carrier": hostile})).count() == 0
    assert Query.from_form(a_form()).count() == ROWS


def test_values_never_become_sql() -> None:
    asked = Query.from_form(a_form(filters={"carrier": ["secret-1", "secret-2"], "distance": [123.25, 124.75]}))
    sql = " ".join(one.sql() for one in asked.filters)
    assert sql.count("?") == 4
    assert "secret" not in sql
    assert "123" not in sql


def test_a_query_without_columns_is_counted_and_not_run() -> None:
    asked = Query.from_form({"tables": [], "columns": [], "filters": {}})
    assert asked.count() == ROWS
    with pytest.raises(QueryError, match="at least one column"):
        query.run(asked, lambda rows, total: None)


def test_the_default_form_is_valid() -> None:
    assert Query.from_form(query.DEFAULT_FORM).count() == ROWS


def test_column_names_are_unique_and_each_belongs_to_a_table() -> None:
    assert len(COLUMN) == len(COLUMNS)
    assert {column.name for column in columns_of(ALL_TABLES)} == set(COLUMN)
