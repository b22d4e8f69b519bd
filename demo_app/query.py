"""From a form of the Query page to SQL, to a count, to a DataFrame.

A form is plain JSON, as the page keeps it in its store:

    {"tables": ["airlines"], "columns": ["date", "airline"], "filters": {"distance": [0, 500], "carrier": ["UA"]}}

Names become SQL only by way of the whitelist in `tables.py`; values only as parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from . import data
from .tables import COLUMN, TABLE, TABLES, Column, Kind, columns_of

BATCH_ROWS = 20_000

DEFAULT_FORM: dict[str, Any] = {
    "tables": ["airlines", "weather"],
    "columns": [
        *("date", "scheduled", "month", "weekday", "hour", "carrier", "airline", "flight", "tailnum", "origin", "dest"),
        *("dep_delay", "arr_delay", "air_time", "distance"),
        *("temp", "humid", "wind_speed", "precip", "pressure", "visib"),
    ],
    "filters": {"date": None, "carrier": [], "origin": [], "dep_delay": None, "distance": None},
}


class QueryError(ValueError):
    """The form asks for something that there is not; the message says what."""


@dataclass(frozen=True)
class Filter:
    """A condition on one column, with its values beside it."""

    column: Column
    values: tuple[Any, ...]

    def sql(self) -> str:
        """The condition, with a `?` for each value."""
        return _CONDITIONS[self.column.kind](self)


@dataclass(frozen=True)
class Query:
    """What is asked for. Made by `from_form`, which checks it."""

    tables: tuple[str, ...]
    columns: tuple[Column, ...]
    filters: tuple[Filter, ...]

    @classmethod
    def from_form(cls, form: Mapping[str, Any]) -> Query:
        """Reads a form; filters at their full extent are no filters.

        Raises:
            QueryError: A table or column is unknown, belongs to a table that is not joined, or a value is not valid.
        """
        tables = tuple(_known(name, TABLE, "table") for name in form["tables"])
        columns = tuple(_joined(name, tables) for name in form["columns"])
        filters = (_filter(_joined(name, tables), values) for name, values in form["filters"].items())
        return cls(tables, columns, tuple(one for one in filters if one))

    def count(self) -> int:
        """How many rows match. Joins only the tables that a filter needs."""
        needed = {one.column.table for one in self.filters}
        row = data.cursor().execute(f"SELECT count(*) {self._tail(needed)}", self._parameters).fetchone()
        assert row is not None
        return int(row[0])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the order of the flights, a batch at a time; at least one batch, even if it is empty."""
        names = ", ".join(f"{column.sql} AS {column.name}" for column in self.columns)
        tail = self._tail({column.table for column in (*self.columns, *self._filtered)})
        sql = f"SELECT {names} {tail} ORDER BY flights.rowid"
        rows = data.cursor().sql(sql, params=self._parameters).to_arrow_reader(BATCH_ROWS)
        yield pa.RecordBatch.from_pylist([], schema=rows.schema)
        yield from rows

    @property
    def _filtered(self) -> tuple[Column, ...]:
        return tuple(one.column for one in self.filters)

    @property
    def _parameters(self) -> list[Any]:
        return [value for one in self.filters for value in one.values]

    def _tail(self, needed: set[str]) -> str:
        """FROM, joins and WHERE."""
        joins = [table.join for table in TABLES if table.name in {"flights", *needed}]
        where = " AND ".join(one.sql() for one in self.filters)
        return " ".join(joins) + (f" WHERE {where}" if where else "")


def run(query: Query, progress: Callable[[int, int], None]) -> pd.DataFrame:
    """Runs the query and tells `progress(rows so far, rows in all)` after every batch."""
    if not query.columns:
        raise QueryError("Choose at least one column")
    total, batches, rows = query.count(), [], 0
    for batch in query.batches():
        batches.append(batch)
        rows += batch.num_rows
        progress(rows, total)
    return to_frame(batches)


def to_frame(batches: Sequence[pa.RecordBatch]) -> pd.DataFrame:
    """Batches as one DataFrame, with dates as datetime64."""
    return pa.Table.from_batches(batches).to_pandas(split_blocks=True, date_as_object=False)


def _known(name: str, names: Mapping[str, Any], what: str) -> str:
    if name not in list(names):  # not the mapping itself: what comes from a browser need not be hashable
        raise QueryError(f"There is no {what} {name!r}")
    return name


def _joined(name: str, tables: Sequence[str]) -> Column:
    column = COLUMN[_known(name, COLUMN, "column")]
    if column not in columns_of(tables):
        raise QueryError(f"The column {name!r} needs the table {column.table!r}")
    return column


def _filter(column: Column, values: Sequence[Any] | None) -> Filter | None:
    try:
        checked = _READERS[column.kind](column, values) if values else ()
    except (TypeError, ValueError) as exc:
        raise QueryError(f"{values!r} is not a filter for {column.label}") from exc
    return Filter(column, checked) if checked else None


def _read_range(column: Column, values: Sequence[Any]) -> tuple[Any, ...]:
    low, high = (float(value) for value in values)
    return () if (low, high) == data.bounds(column.name) else (low, high)


def _read_dates(column: Column, values: Sequence[Any]) -> tuple[Any, ...]:
    """First day and the day after the last. A range that is only half chosen is no filter yet."""
    if not all(values):
        return ()
    first, last = (date.fromisoformat(str(value)[:10]) for value in values)
    return first, last + timedelta(days=1)


def _read_choice(column: Column, values: Sequence[Any]) -> tuple[Any, ...]:
    if isinstance(values, str):
        raise TypeError("a choice is a list of texts")
    return tuple(str(value) for value in values)


_READERS: dict[Kind, Callable[[Column, Sequence[Any]], tuple[Any, ...]]] = {
    "number": _read_range,
    "date": _read_dates,
    "category": _read_choice,
}

_CONDITIONS: dict[Kind, Callable[[Filter], str]] = {
    "number": lambda one: f"{one.column.sql} BETWEEN ? AND ?",
    "date": lambda one: f"{one.column.sql} >= ? AND {one.column.sql} < ?",
    "category": lambda one: f"CAST({one.column.sql} AS VARCHAR) IN ({', '.join('?' * len(one.values))})",
}
