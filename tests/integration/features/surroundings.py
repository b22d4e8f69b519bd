"""Stores beside the components and libraries that apps have."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State, html

from ..page import Page
from .table import OPTIONAL, PERSISTENT, Seen, Visit, click, feature, go, since

try:  # at the module's level: Dash refuses component libraries that are imported later
    import dash_ag_grid as dag
    import dash_bootstrap_components as dbc
    import dash_mantine_components as dmc
except ImportError:
    dag = dbc = dmc = None


def with_libraries(function: Any) -> Any:
    """A feature of apps with component libraries, which not every environment of the tests has."""
    return feature(function) if dag else function


@with_libraries
def a_grid(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    rows = [{"x": 1, "name": "one"}, {"x": 2, "name": "two"}]
    app.layout = [Store(id="a", data=rows), dag.AgGrid(id="grid", columnDefs=[{"field": "x"}]), html.Div(id="out")]

    @app.callback(Output("grid", "rowData"), Input("a", "data"))
    def fill(a: Any) -> Any:
        return a

    @app.callback(
        Output("a", "data"),
        Input("grid", "cellValueChanged"),
        State("a", "data"),
        State("grid", "rowData"),
        prevent_initial_call=True,
    )
    def keep(changes: Any, a: Any, grid: Any) -> Any:
        seen(changes, a, grid)
        for change in changes:
            a[change["rowIndex"]] = change["data"]
        return a

    def visit(page: Page) -> None:
        page.start()
        seen(page.get("grid", "rowData"))
        page.change("grid", cellValueChanged=[{"rowIndex": 1, "data": {"x": 3, "name": "two"}}])
        seen(page.get("grid", "rowData"))

    return visit


@with_libraries
def mantine(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    chart = {"id": "chart", "data": [], "dataKey": "name", "series": [{"name": "of"}]}
    tabs = [
        dmc.TabsPanel([Store(id="a")], value="one"),
        dmc.TabsPanel([dmc.BarChart(**chart)], value="2"),
    ]
    app.layout = dmc.MantineProvider([dmc.Tabs(tabs, value="one"), dmc.Select(id="pick", data=["x", "y"]), go()])

    @app.callback(Output("a", "data"), Input("pick", "value"), State("pick", "data"), prevent_initial_call=True)
    def choose(value: Any, options: Any) -> Any:
        seen(value, options)
        return [{"name": value, "of": len(options)}]

    @app.callback(
        Output("chart", "data"), Output("pick", "data"), Input("a", "data"), State("chart", "data"), State("go", "id")
    )
    def draw(a: Any, before: Any, name: str) -> Any:
        seen(a, before, name)
        return a or [], ["x", "y", "z"]

    def visit(page: Page) -> None:
        page.start().change("pick", value="y").change("pick", value="z")
        seen(page.get("chart"), page.get("pick"))

    return visit


@with_libraries
def bootstrap(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    body = dbc.Form([dbc.Input(id="name"), Store(id="a", data={"names": []})])
    app.layout = dbc.Container([dbc.Modal([dbc.ModalBody(body)], id="modal"), dbc.Alert(id="alert")])

    @app.callback(
        Output("a", "data"),
        Output("modal", "is_open"),
        Input("name", "value"),
        State("a", "data"),
        prevent_initial_call=True,
    )
    def add(name: str, a: Any) -> Any:
        return {"names": [*a["names"], name]}, False

    @app.callback(Output("alert", "children"), Input("a", "data"))
    def tell(a: Any) -> str:
        seen(a)
        return ", ".join(a["names"])

    return lambda page: page.start().change("name", value="Ada").change("name", value="Grace")


@since(OPTIONAL)
def optional_dependencies(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data=1), go(), html.Div(id="out")]

    @app.callback(
        Output("out", "children"),
        Input("go", "n_clicks"),
        State("a", "data", allow_optional=True),
        prevent_initial_call=True,
    )
    def read(n: int, a: Any) -> str:
        seen(n, a)
        return str(a)

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), optional=True, prevent_initial_call=True)
    def write(n: int) -> Any:
        return {"n": n}

    return lambda page: click(click(page))


@since(PERSISTENT)
def persistent_callbacks(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), go(), html.Div(id="out")]

    @app.callback(
        Output("a", "data"), Input("go", "n_clicks"), State("a", "data"), persistent=True, prevent_initial_call=True
    )
    def write(n: int, a: Any) -> Any:
        seen(n, a)
        return {"n": n}

    return lambda page: click(click(page))
