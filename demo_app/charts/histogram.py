"""How the values of a column are spread: every row is counted on the server, the browser draws the bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..summary import kind_of
from ..tables import title
from .base import Chart, Choices, Drawing, Role, largest_groups, need, rows_of

GROUPS = 6
BARS = 40


def draw(frame: pd.DataFrame, choices: Choices) -> Drawing:
    """One mark per bar, and per group where the bars are split."""
    (x,) = need(choices, "x")
    present = frame.dropna(subset=[x])
    shown = _middle(present, x) if choices["range"] == "middle" else present
    bins = _bins(shown[x], int(choices["bins"]))
    group = choices["color"]
    groups = largest_groups(shown[group], GROUPS) if group else pd.Series("All", index=shown.index)
    marks = _count(bins, groups)
    figure = go.Figure([_trace(marks[marks["group"] == name], str(name)) for name in groups.value_counts().index])
    figure.update_layout(barmode="stack", bargap=0.04, dragmode="select", showlegend=bool(group))
    figure.update_layout(xaxis_title=title(x), yaxis_title="Rows", yaxis_type=choices["scale"])
    return Drawing(figure, marks, _note(bins.notna().sum(), marks["bin"].nunique(), len(frame)))


def _middle(frame: pd.DataFrame, x: str) -> pd.DataFrame:
    """Without the half percent at each end: a few extreme values would make all the rest one bar."""
    if kind_of(frame[x]) == "category" or frame.empty:
        return frame
    low, high = frame[x].quantile([0.005, 0.995])
    return frame[frame[x].between(low, high)]


def _bins(values: pd.Series, bins: int) -> pd.Series:
    """The bar of each row: the start of its bin, or its category if that is one of the most frequent."""
    if kind_of(values) == "category":
        kept = values.value_counts().index[:BARS]
        return values.where(values.isin(kept)).astype("object")
    dated = kind_of(values) == "date"
    numbers = values.astype("int64") if dated else values
    edges = np.histogram_bin_edges(numbers, bins=min(bins, max(1, values.nunique())))
    starts = edges[np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)]
    return pd.Series(_as_dates(starts, values) if dated else starts, index=values.index)


def _as_dates(starts: np.ndarray, values: pd.Series) -> pd.DatetimeIndex:
    return pd.to_datetime(starts.astype("int64"), unit=values.dt.unit)


def _count(bins: pd.Series, groups: pd.Series) -> pd.DataFrame:
    counted = pd.DataFrame({"bin": bins, "group": groups}).value_counts().rename("rows").reset_index()
    by = ["rows", "bin"] if bins.dtype == object else ["bin", "group"]
    return counted.sort_values(by, ascending=bins.dtype != object).reset_index(drop=True)


def _trace(marks: pd.DataFrame, name: str) -> go.Bar:
    return go.Bar(x=marks["bin"], y=marks["rows"], name=name, customdata=rows_of(marks))


def _note(drawn: int, bars: int, rows: int) -> str:
    counted = f"All {rows:,} rows are counted" if drawn == rows else f"{drawn:,} of {rows:,} rows are counted"
    left_out = f"; {rows - drawn:,} are missing, extreme, or in a category too rare for a bar" if drawn < rows else ""
    return f"{counted} into {bars} bars{left_out}."


CHART = Chart(
    "histogram",
    "Histogram",
    (
        Role("x", "Values", ("number", "category", "date"), ("arr_delay", "dep_delay", "distance")),
        Role("color", "Split by", ("category",), ("origin",), optional=True),
        Role("bins", "Bars", options=tuple((str(n), str(n)) for n in (60, 30, 120))),
        Role("range", "Range", options=(("middle", "middle 99%"), ("all", "all values"))),
        Role("scale", "Scale", options=(("linear", "linear"), ("log", "logarithmic"))),
    ),
    draw,
)
