"""A figure over time, or over any other scale: aggregated from every row on the server."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ..summary import kind_of
from ..tables import title
from .base import Chart, Choices, Drawing, Role, in_bins, largest_groups, need, rows_of

LINES = 6
POINTS = 100
COUNT = "rows"
PERIODS = {"day": "D", "week": "W", "month": "M"}


def draw(frame: pd.DataFrame, choices: Choices) -> Drawing:
    """One mark per point of each line."""
    x, y = need(choices, "x", "y")
    present = frame.dropna(subset=[x] if y == COUNT else [x, y])
    marks = _aggregate(present, x, y, choices)
    names = marks.groupby("group")["rows"].sum().sort_values(ascending=False).index
    figure = go.Figure([_trace(marks[marks["group"] == name], str(name)) for name in names])
    figure.update_layout(xaxis_title=title(x), yaxis_title=_axis(y, choices), dragmode="select")
    figure.update_layout(showlegend=bool(choices["color"]))
    return Drawing(figure, marks, _note(len(present), len(marks), len(frame)))


def _aggregate(present: pd.DataFrame, x: str, y: str, choices: Choices) -> pd.DataFrame:
    steps = _steps(present[x], PERIODS[choices["period"]])
    group = choices["color"]
    groups = largest_groups(present[group], LINES) if group else pd.Series("All", index=present.index)
    by = pd.DataFrame({"step": steps, "group": groups})
    values = pd.Series(1, index=present.index) if y == COUNT else present[y]
    grouped = values.groupby([by["step"], by["group"]], observed=True)
    figures = grouped.sum() if y == COUNT else grouped.agg(choices["figure"])
    return pd.DataFrame({"value": figures, "rows": grouped.size()}).reset_index()


def _steps(values: pd.Series, period: str) -> pd.Series:
    if kind_of(values) == "date":
        return values.dt.to_period(period).dt.start_time
    return in_bins(values, POINTS)


def _trace(marks: pd.DataFrame, name: str) -> go.Scatter:
    return go.Scatter(
        x=marks["step"],
        y=marks["value"],
        name=name,
        mode="lines+markers",
        marker={"size": 4},
        line={"width": 2},
        customdata=rows_of(marks),
    )


def _axis(y: str, choices: Choices) -> str:
    return "Rows" if y == COUNT else f"{choices['figure'].capitalize()} of {title(y)[0].lower()}{title(y)[1:]}"


def _note(used: int, points: int, rows: int) -> str:
    left_out = f"; {rows - used:,} lack a value" if used < rows else ""
    return f"{used:,} of {rows:,} rows are aggregated into {points:,} points{left_out}."


CHART = Chart(
    "line",
    "Line",
    (
        Role("x", "Over", ("date", "number", "category"), ("date", "scheduled", "month")),
        Role("y", "Values", ("number",), ("dep_delay", "arr_delay"), extra=((COUNT, "Number of rows"),)),
        Role("figure", "Figure", options=(("mean", "mean"), ("median", "median"), ("sum", "sum"), ("max", "maximum"))),
        Role("period", "Dates by", options=(("week", "week"), ("day", "day"), ("month", "month"))),
        Role("color", "Lines by", ("category",), ("origin",), optional=True),
    ),
    draw,
)
