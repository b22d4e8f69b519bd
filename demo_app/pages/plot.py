"""Draw the result of the query; what is selected in the drawing is kept and listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
import pandas as pd
import plotly.graph_objects as go
from dash import ALL, Input, Output, Patch, State, callback, ctx, dcc, get_relative_path, html, no_update, register_page

from .. import grid, theme, ui
from ..charts import CHARTS, CannotDraw, Chart, Role

LISTED = 1_000
ANY_CHOICE = {"type": "choice", "chart": ALL, "role": ALL}

Choices = dict[str, Any]


def register() -> None:
    """Adds the page to the app."""
    about = "Five charts, one selection"
    title = "Plot · Flight Deck"
    register_page("plot", path="/plot", name="Plot", title=title, description=about, icon="plot", layout=layout)


def layout(**_: Any) -> html.Div:
    """The page; its body depends on whether there is something to draw."""
    return html.Div(id="plot-body", className="plot-page")


@callback(Output("plot-body", "children"), Input("flights", "data"), State("plot-choices", "data"))
def show_page(frame: pd.DataFrame | None, choices: Choices | None) -> Any:
    """The chart as it was left, or the way to the Query page."""
    if frame is None:
        return ui.empty_state("Charts show the result of a query.")
    chosen = (choices or {}).get("chart", "scatter")
    return [_controls(chosen), _chart_card(), html.Div(id="selected")]


def _controls(chosen: str) -> dmc.Paper:
    kinds = [{"value": chart.name, "label": _chart_label(chart)} for chart in CHARTS.values()]
    picker = dmc.SegmentedControl(id="chart", data=kinds, value=chosen, fullWidth=True, **ui.aria(label="Chart"))
    return ui.card(picker, html.Div(id="choices", className="choices"))


def _chart_label(chart: Chart) -> html.Div:
    return html.Div([ui.icon(chart.name, 18), html.Span(chart.label)], className="chart-label")


def _chart_card() -> dmc.Paper:
    config: Any = {
        "topojsonURL": get_relative_path("/assets/topojson/"),
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": ["autoScale2d", "toImage", "sendChartToCloud"],
    }
    graph = dcc.Graph(id="graph", config=config, className="graph", figure=_blank())
    note = html.Div(id="note", className="note", role="status")
    return ui.card(note, dcc.Loading(graph, delay_show=400, type="dot", parent_className="graph-frame"))


def _blank() -> go.Figure:
    axis = {"visible": False}
    return go.Figure(layout={"xaxis": axis, "yaxis": axis, "template": theme.template("light")})


@callback(
    Output("choices", "children"),
    Input("chart", "value"),
    State("flights", "data"),
    State("plot-choices", "data"),
)
def show_choices(name: str, frame: pd.DataFrame | None, choices: Choices | None) -> Any:
    """One select per role of the chart, with what was chosen for this chart before."""
    if frame is None:
        return no_update
    chart = CHARTS[name]
    settled = chart.settle(frame, (choices or {}).get(name, {}))
    return [_select(chart, role, frame, settled[role.name]) for role in chart.roles]


def _select(chart: Chart, role: Role, frame: pd.DataFrame, value: str | None) -> dmc.Select:
    return dmc.Select(
        id={"type": "choice", "chart": chart.name, "role": role.name},
        label=role.label,
        data=[{"value": option, "label": label} for option, label in role.offers(frame)],
        value=value,
        placeholder="none" if role.optional else "",
        clearable=role.optional,
        searchable=not role.options,
        size="xs",
    )


@callback(
    Output("graph", "figure"),
    Output("note", "children"),
    Output("marks", "data"),
    Output("plot-choices", "data"),
    Input(ANY_CHOICE, "value"),
    State("flights", "data"),
    State("plot-choices", "data"),
    State("color-scheme", "data"),
    prevent_initial_call=True,
)
def draw(values: list[Any], frame: pd.DataFrame | None, choices: Choices | None, scheme: str | None) -> tuple[Any, ...]:
    """Draws on every choice; the choices and the table behind the drawing go into stores."""
    ids = [one["id"] for one in ctx.inputs_list[0]]
    if frame is None or not ids:
        return (no_update,) * 4
    name = ids[0]["chart"]
    chosen = {one["role"]: value for one, value in zip(ids, values, strict=True)}
    kept = {**(choices or {}), "chart": name, name: chosen}
    try:
        drawing = CHARTS[name].draw(frame, chosen)
    except CannotDraw as exc:
        return _blank(), str(exc), None, kept
    figure = drawing.figure.update_layout(template=theme.template(scheme), uirevision=f"{name} {chosen}")
    return figure, drawing.note, drawing.marks, kept


@callback(
    Output("graph", "figure", allow_duplicate=True),
    Input("color-scheme", "data"),
    prevent_initial_call=True,
)
def change_scheme(scheme: str) -> Patch:
    """New colours for the same drawing: only the template travels."""
    patch = Patch()
    patch["layout"]["template"] = theme.template(scheme).to_plotly_json()
    return patch


# -- the selection


@callback(
    Output("selection", "data"),
    Input("graph", "selectedData"),
    State("marks", "data"),
    prevent_initial_call=True,
)
def select(selected: Mapping[str, Any] | None, marks: pd.DataFrame | None) -> Any:
    """The rows of the marks that were selected."""
    points = (selected or {}).get("points") or []
    chosen = sorted({_row(point["customdata"]) for point in points if "customdata" in point})
    if marks is None or not chosen:
        return no_update
    return marks.iloc[chosen].reset_index(drop=True)


def _row(customdata: Any) -> int:
    return int(customdata[0] if isinstance(customdata, list) else customdata)


@callback(Output("selection", "data", allow_duplicate=True), Input("forget", "n_clicks"), prevent_initial_call=True)
def forget(clicks: int | None) -> Any:
    """Empties the selection."""
    return None if clicks else no_update


@callback(Output("selected", "children"), Input("selection", "data"), Input("plot-body", "id"))
def list_selection(selection: pd.DataFrame | None, page: str) -> Any:
    """What is selected, as a table."""
    if selection is None:
        hint = "Draw a box or a lasso around marks of the chart to list them here."
        return ui.card(dmc.Text(hint, size="sm", c="dimmed", ta="center"))
    shown = selection.head(LISTED)
    count = ui.count(len(shown), len(selection), "selected mark")
    button = dmc.Button("Clear selection", id="forget", variant="default", size="xs")
    heading = dmc.Group([dmc.Text(count, fw=650, id="selected-count"), button], justify="space-between", mb="xs")
    return ui.card(heading, html.Div(_table(shown), className="selection-frame"))


def _table(selection: pd.DataFrame) -> dag.AgGrid:
    return dag.AgGrid(
        id="selection-grid",
        rowData=grid.records(selection),
        columnDefs=grid.column_defs(selection),
        defaultColDef={"sortable": True, "resizable": True},
        dashGridOptions=grid.OPTIONS,
        className="ag-theme-quartz grid",
    )
