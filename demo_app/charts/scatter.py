"""Two columns against each other. More rows than a browser draws well are sampled, and the note says so."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ..summary import kind_of
from ..tables import title
from .base import Chart, Choices, Drawing, Role, count_of, largest_groups, need, rows_of

COLOURS = 8


def draw(frame: pd.DataFrame, choices: Choices) -> Drawing:
    """A sample of the rows that have both values, one mark per row."""
    x, y = need(choices, "x", "y")
    complete = frame.dropna(subset=list({x, y}))
    points = int(choices["points"])
    marks = complete.sample(points, random_state=0) if len(complete) > points else complete
    marks = marks.sort_index().reset_index(drop=True)
    figure = go.Figure(_traces(marks, x, y, choices["color"]))
    figure.update_layout(xaxis_title=title(x), yaxis_title=title(y), dragmode="select")
    figure.update_layout(coloraxis_colorbar_title_text=title(choices["color"] or ""))
    return Drawing(figure, marks, _note(len(marks), len(complete), len(frame)))


def _traces(marks: pd.DataFrame, x: str, y: str, color: str | None) -> list[go.Scattergl]:
    if color is None:
        return [_trace(marks, x, y)]
    if kind_of(marks[color]) == "category":
        groups = largest_groups(marks[color], COLOURS)
        names = groups.value_counts().index
        return [_trace(marks[groups == name], x, y, name=str(name)) for name in names]
    return [_trace(marks, x, y, marker={"color": _numbers(marks[color]), "coloraxis": "coloraxis"})]


def _trace(marks: pd.DataFrame, x: str, y: str, **style: object) -> go.Scattergl:
    trace = go.Scattergl(x=marks[x], y=marks[y], customdata=rows_of(marks), mode="markers", **style)
    return trace.update(marker_size=5, marker_opacity=0.65)


def _numbers(values: pd.Series) -> pd.Series:
    return values if kind_of(values) == "number" else values.astype("int64")


def _note(drawn: int, complete: int, rows: int) -> str:
    sampled = "a random sample of " if drawn < complete else ""
    left_out = f"; {rows - complete:,} rows lack a value" if complete < rows else ""
    return f"Showing {sampled}{count_of(drawn, rows)}{left_out}."


CHART = Chart(
    "scatter",
    "Scatter",
    (
        Role("x", "X axis", ("number", "date"), ("dep_delay", "distance")),
        Role("y", "Y axis", ("number",), ("arr_delay", "air_time")),
        Role("color", "Color", ("category", "number"), ("origin",), optional=True),
        Role("points", "Points", options=tuple((str(n), f"up to {n:,}") for n in (10_000, 2_000, 50_000))),
    ),
    draw,
)
