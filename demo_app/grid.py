"""Slices of a DataFrame for AG Grid: the grid asks for rows 4,000 to 4,200, and gets these and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .tables import COLUMN, PLAIN_NUMBERS, TABLE, title

BLOCK_ROWS = 200
OPTIONS = {"rowHeight": 36, "headerHeight": 38, "groupHeaderHeight": 32, "tooltipShowDelay": 500}
WIDEST = 24  # characters


def answer(frame: pd.DataFrame, request: Mapping[str, Any]) -> dict[str, Any]:
    """The `getRowsResponse` to a `getRowsRequest` of the grid's infinite row model."""
    ordered = in_order(frame, request["startRow"], request["endRow"], request.get("sortModel") or ())
    return {"rowData": records(ordered), "rowCount": len(frame)}


def in_order(frame: pd.DataFrame, start: int, end: int, sort: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Rows `start` to `end` of the frame as `sort` puts them; missing values come last."""
    keys = [one for one in sort if one["colId"] in frame.columns]
    if not keys:
        return frame.iloc[start:end]
    names = [one["colId"] for one in keys]
    ascending = [one["sort"] == "asc" for one in keys]
    numbered = frame[names].reset_index(drop=True)
    return frame.iloc[numbered.sort_values(names, ascending=ascending, kind="stable").index[start:end]]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON for the grid: missing values as None, times as readable texts."""
    shown = frame.copy(deep=False)
    for name in shown.select_dtypes("datetime").columns:
        shown[name] = _as_text(shown[name])
    return [{name: _json(value) for name, value in row.items()} for row in shown.to_dict("records")]


def _as_text(times: pd.Series) -> pd.Series:
    whole_days = (times.dropna() == times.dropna().dt.normalize()).all()
    return times.dt.strftime("%Y-%m-%d" if whole_days else "%Y-%m-%d %H:%M")


def _json(value: Any) -> Any:
    return None if value != value else value  # of all values only NaN and NaT differ from themselves


def column_defs(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """One definition per column, under one heading per table."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for name in frame.columns:
        heading = TABLE[COLUMN[name].table].label if name in COLUMN else "Values"
        groups.setdefault(heading, []).append(column_def(name, frame[name]))
    return [{"headerName": heading, "children": children} for heading, children in groups.items()]


def column_def(name: str, values: pd.Series) -> dict[str, Any]:
    """How one column looks: its title, its width, its format."""
    heading = title(name)
    definition: dict[str, Any] = {
        "field": name,
        "headerName": heading,
        "headerTooltip": f"{heading}, in the data: {name}",
        "width": 36 + 8 * min(WIDEST, max(len(heading), _longest(values))),
    }
    if pd.api.types.is_numeric_dtype(values):
        definition |= {"type": "rightAligned", "valueFormatter": {"function": _number_format(name)}}
    return definition


def _longest(values: pd.Series) -> int:
    """Length of the longest text of a column, as far as a look at its categories or first rows can tell."""
    categorical = isinstance(values.dtype, pd.CategoricalDtype)
    texts = values.cat.categories if categorical else values.head(BLOCK_ROWS).dropna().astype(str)
    return max((len(str(text)) for text in texts), default=0)


def _number_format(name: str) -> str:
    """A dash where a value is missing, and nothing where the row has not arrived yet."""
    pattern = "" if name in PLAIN_NUMBERS else ",.10~g"
    return f"!params.data ? '' : params.value == null ? '–' : d3.format('{pattern}')(params.value)"
