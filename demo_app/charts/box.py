"""Quartiles by group: computed from every row on the server, so that each box is five numbers in the browser."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ..summary import kind_of
from ..tables import title
from .base import CannotDraw, Chart, Choices, Drawing, Role, in_bins, need, rows_of

BOXES = 24
IN_ORDER = ("weekday",)


def draw(frame: pd.DataFrame, choices: Choices) -> Drawing:
    """One mark per box: its rows, quartiles, whiskers and mean. The mean is a point that can be selected."""
    x, y = need(choices, "x", "y")
    present = frame.dropna(subset=[x, y])
    if present.empty:
        raise CannotDraw(f"No row has both {title(x)} and {title(y)}. Choose other columns.")
    marks = _quartiles(in_bins(present[x], BOXES), present[y])
    shown = marks.nlargest(BOXES, "rows").pipe(_arrange, x, frame).reset_index(drop=True)
    figure = go.Figure([_boxes(shown), _means(shown)])
    figure.update_layout(xaxis_title=title(x), yaxis_title=title(y), dragmode="select", showlegend=False)
    return Drawing(figure, shown, _note(shown, marks, len(present), len(frame)))


def _quartiles(groups: pd.Series, values: pd.Series) -> pd.DataFrame:
    """Whiskers reach 1.5 times the quartiles' distance, and never past the extremes."""
    by_group = values.groupby(groups, observed=True)
    marks = by_group.quantile([0.25, 0.5, 0.75]).unstack().set_axis(["q1", "median", "q3"], axis=1)
    reach = 1.5 * (marks["q3"] - marks["q1"])
    marks["low"] = (marks["q1"] - reach).clip(lower=by_group.min())
    marks["high"] = (marks["q3"] + reach).clip(upper=by_group.max())
    marks["mean"], marks["rows"] = by_group.mean(), by_group.size()
    return marks.rename_axis("group").reset_index()


def _arrange(marks: pd.DataFrame, x: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers, dates and weekdays in their own order, names by their median."""
    own_order = kind_of(frame[x]) != "category" or x in IN_ORDER
    return marks.sort_values("group" if own_order else "median").assign(group=lambda kept: kept["group"].astype(object))


def _boxes(marks: pd.DataFrame) -> go.Box:
    return go.Box(
        x=marks["group"],
        q1=marks["q1"],
        median=marks["median"],
        q3=marks["q3"],
        lowerfence=marks["low"],
        upperfence=marks["high"],
        name="quartiles",
    )


def _means(marks: pd.DataFrame) -> go.Scatter:
    marker = {"symbol": "diamond", "size": 9, "line": {"width": 1}}
    return go.Scatter(
        x=marks["group"], y=marks["mean"], name="mean", mode="markers", marker=marker, customdata=rows_of(marks)
    )


def _note(shown: pd.DataFrame, marks: pd.DataFrame, present: int, rows: int) -> str:
    groups = f"the {len(shown)} largest of {len(marks)} groups" if len(shown) < len(marks) else f"{len(marks)} groups"
    left_out = f"; {rows - present:,} lack a value" if present < rows else ""
    return f"Quartiles of {shown['rows'].sum():,} of {rows:,} rows in {groups}{left_out}. Diamonds are means."


CHART = Chart(
    "box",
    "Box",
    (
        Role("x", "Groups", ("category", "number", "date"), ("airline", "carrier", "origin")),
        Role("y", "Values", ("number",), ("arr_delay", "dep_delay")),
    ),
    draw,
)
