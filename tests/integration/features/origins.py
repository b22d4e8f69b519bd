"""Where stores come from."""

from __future__ import annotations

import warnings
from typing import Any

import dash
from dash import ALL, Input, Output, State, ctx, dcc, html

from ..page import Page
from .table import Seen, Visit, click, feature, go


@feature
def initial_values(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    values = [{"x": [1]}, [1, 2], [], {}, 0, 0.5, False, True, "", "text"]
    stores = [Store(id={"kind": "s", "i": i}, data=value) for i, value in enumerate(values)]
    seen([hasattr(store, "data") for store in stores], [getattr(store, "data", "unset") for store in stores])
    seen(hasattr(Store(id="unset"), "data"))
    app.layout = [*stores, Store(id="unset"), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input({"kind": "s", "i": ALL}, "data"), State("unset", "data"))
    def read(values: Any, unset: Any) -> str:
        seen(values, unset)
        return str(values)

    return lambda page: page.start()


@feature
def a_layout_function(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    served: list[int] = []

    def layout() -> Any:
        served.append(1)
        return [Store(id="a", data={"visit": "any"}), Store(id="b"), go(), html.Div(id="out")]

    app.layout = layout
    app.callback(Output("b", "data"), Input("go", "n_clicks"), State("a", "data"))(lambda n, a: [n, a])

    @app.callback(Output("out", "children"), Input("a", "data"), Input("b", "data"))
    def read(a: Any, b: Any) -> str:
        seen(a, b)
        return str(a)

    return lambda page: click(page.start())


@feature
def a_store_made_in_a_callback(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [go(), html.Div(id="box"), html.Div(id="out")]
    app.config.suppress_callback_exceptions = True

    @app.callback(Output("box", "children"), Input("go", "n_clicks"), prevent_initial_call=True)
    def make(n: int) -> Any:
        return html.Div([Store(id="new", data={"made": n}), Store(id="empty"), html.Button(id="next")])

    @app.callback(Output("empty", "data"), Input("next", "n_clicks"), State("new", "data"), prevent_initial_call=True)
    def write(n: int, new: Any) -> Any:
        seen(n, new)
        return {"n": n, "new": new}

    @app.callback(Output("out", "children"), Input("new", "data"), Input("empty", "data"), prevent_initial_call=True)
    def read(new: Any, empty: Any) -> str:
        seen(new, empty)
        return str(new)

    def visit(page: Page) -> None:
        for n in (1, 2):
            click(page)
            page.change("next", n_clicks=n)

    return visit


@feature
def subclasses(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    class Filters(Store):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(id=f"filters-{name}", data=None)
            self.name = name

    class Counted(Store):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, storage_type="memory", **kwargs)

    app.layout = [Filters("x"), Counted("counted", data=3), go(), html.Div(id="out")]
    app.callback(Output("filters-x", "data"), Input("go", "n_clicks"), State("counted", "data"))(lambda *a: list(a))

    @app.callback(Output("out", "children"), Input("filters-x", "data"), Input("counted", "data"))
    def read(x: Any, counted: Any) -> str:
        seen(x, counted)
        return str(x)

    return lambda page: click(click(page.start()))


@feature
def other_components_with_data(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    from dash import dash_table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Dash 3.3 and newer: it is to leave Dash
        table = dash_table.DataTable(id="table")
    app.layout = [
        Store(id="a"),
        dcc.Store(id="plain"),
        table,
        dcc.Graph(id="graph"),
        go(),
        html.Div(id="out"),
    ]
    rows = [{"x": 1}, {"x": 2}]

    @app.callback(
        Output("a", "data"),
        Output("plain", "data"),
        Output("table", "data"),
        Output("graph", "figure"),
        Input("go", "n_clicks"),
    )
    def write(n: int) -> Any:
        return rows, rows, rows, {"data": [{"y": [n]}]}

    @app.callback(Output("out", "children"), Input("a", "data"), Input("plain", "data"), Input("table", "data"))
    def read(a: Any, plain: Any, table: Any) -> str:
        seen(a, plain, table, ctx.inputs)
        return str(a)

    def visit(page: Page) -> None:
        click(page)
        seen(page.get("plain"), page.get("table"), page.get("graph", "figure"))

    return visit
