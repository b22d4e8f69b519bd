"""A map of the routes: each is one arc, however many flights took it."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from .. import data
from ..tables import title
from .base import CannotDraw, Chart, Choices, Drawing, Role, rows_of

COUNT = "rows"
WIDTHS = (0.6, 1.2, 2.0, 3.2)
ARC, ORIGIN = "#748ffc", "#fa5252"  # seen well on light and on dark
WEST = -130  # Alaska and Hawaii lie west of it; the map shows them as insets, where no arc can reach


def draw(frame: pd.DataFrame, choices: Choices) -> Drawing:
    """One mark per route that has a position at both ends. Destinations are points that can be selected."""
    if not {"origin", "dest"} <= set(frame.columns):
        raise CannotDraw("The map needs the columns Origin and Destination. Add them on the Query page.")
    measure = choices["measure"] or COUNT
    routes = _routes(frame, measure)
    marks = routes.dropna(subset=["origin_lat", "dest_lat"]).sort_values("rows").reset_index(drop=True)
    figure = go.Figure([*_arcs(marks), _destinations(marks, measure), _origins(marks)])
    figure.update_layout(coloraxis_colorbar_title_text=_label(measure))
    figure.update_layout(geo={"scope": "usa", "projection_type": "albers usa"}, dragmode="select", showlegend=False)
    figure.update_layout(margin={"l": 8, "r": 8, "b": 8})
    return Drawing(figure, marks, _note(marks, routes))


def _routes(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    grouped = frame.groupby(["origin", "dest"], observed=True)
    routes = pd.DataFrame({"rows": grouped.size()})
    if measure != COUNT:
        routes["value"] = grouped[measure].mean()
    routes = routes.reset_index().astype({"origin": str, "dest": str})
    for end in ("origin", "dest"):
        routes = routes.join(data.airports().add_prefix(f"{end}_"), on=end)
    return routes


def _arcs(marks: pd.DataFrame) -> list[go.Scattergeo]:
    """One trace per width: the more flights, the wider."""
    shown = marks[marks["dest_lon"] > WEST]
    if shown.empty:
        return []
    levels = pd.cut(shown["rows"].rank(pct=True), len(WIDTHS), labels=False)
    return [_arc(shown[levels == level], width) for level, width in enumerate(WIDTHS)]


def _arc(marks: pd.DataFrame, width: float) -> go.Scattergeo:
    ends = marks.assign(gap=None)
    return go.Scattergeo(
        lon=ends[["origin_lon", "dest_lon", "gap"]].to_numpy().ravel(),
        lat=ends[["origin_lat", "dest_lat", "gap"]].to_numpy().ravel(),
        mode="lines",
        line={"width": width, "color": ARC},
        opacity=0.4,
        hoverinfo="skip",
    )


def _destinations(marks: pd.DataFrame, measure: str) -> go.Scattergeo:
    values = marks["rows" if measure == COUNT else "value"]
    size = 6 + 16 * (marks["rows"] / max(1, marks["rows"].max())) ** 0.5
    return go.Scattergeo(
        lon=marks["dest_lon"],
        lat=marks["dest_lat"],
        mode="markers",
        marker={"size": size, "color": values, "coloraxis": "coloraxis", "opacity": 0.9},
        text=marks["origin"] + " – " + marks["dest"] + " " + marks["dest_name"],
        customdata=rows_of(marks),
        hovertemplate=f"%{{text}}<br>{_label(measure)}: %{{marker.color:,.5~g}}<extra></extra>",
    )


def _label(measure: str) -> str:
    return "Flights" if measure == COUNT else f"Mean of {title(measure)}"


def _origins(marks: pd.DataFrame) -> go.Scattergeo:
    origins = marks.drop_duplicates("origin")
    return go.Scattergeo(
        lon=origins["origin_lon"],
        lat=origins["origin_lat"],
        mode="markers",
        marker={"size": 9, "symbol": "diamond", "color": ORIGIN},
        text=origins["origin"] + " " + origins["origin_name"],
        hovertemplate="%{text}<extra></extra>",
    )


def _note(marks: pd.DataFrame, routes: pd.DataFrame) -> str:
    lost = routes["rows"].sum() - marks["rows"].sum()
    left_out = f"; {lost:,} flights go where no position is known" if lost else ""
    return f"{marks['rows'].sum():,} of {routes['rows'].sum():,} flights on {len(marks)} routes{left_out}."


CHART = Chart(
    "routes",
    "Map",
    (Role("measure", "Color", ("number",), (COUNT,), extra=((COUNT, "Number of flights"),)),),
    draw,
)
