"""Which values a store holds, and who puts them there."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, html

from ..page import Page
from .table import Seen, Visit, click, feature, go


@feature
def falsy_values(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    values = [0, 0.0, False, "", [], {}, None, [None], {"": None}, float("nan"), -0.0]
    app.layout = [Store(id="a"), go(), html.Div(id="out")]

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> Any:
        return values[n - 1]

    @app.callback(Output("out", "children"), Input("a", "data"))
    def read(a: Any) -> str:
        seen(a)
        return repr(a)

    return lambda page: [click(page) for _ in values]


@feature
def a_chain_of_stores(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*(Store(id=f"s{i}") for i in range(4)), go()]
    app.callback(Output("s0", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(lambda n: [n])
    for i in range(3):

        @app.callback(Output(f"s{i + 1}", "data"), Input(f"s{i}", "data"), prevent_initial_call=True)
        def follow(value: Any, i: int = i) -> Any:
            seen(i, value)
            return [*value, i]

    return lambda page: click(click(page))


@feature
def a_store_that_is_input_and_output(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data={"n": 0}), html.Div(id="out")]

    @app.callback(Output("a", "data"), Output("out", "children"), Input("a", "data"), prevent_initial_call=True)
    def normalise(a: Any) -> Any:
        seen(a)
        a["n"] += 1
        return a, str(a)

    def visit(page: Page) -> None:
        page.change("a", data={"n": 10})
        page.change("a", data=page.get("a"))

    return visit


@feature
def raw_json_from_the_browser(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input("a", "data"))
    def read(a: Any) -> str:
        seen(a)
        return str(a)

    def visit(page: Page) -> None:
        for value in ({"raw": [1]}, [1, {}], "text", 0, False, None):
            page.change("a", data=value)

    return visit


@feature
def a_value_copied_in_the_browser(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), html.Div(id="c"), go(), html.Div(id="out")]
    app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(lambda n: {"n": n})

    @app.callback(Output("out", "children"), Input("b", "data"), Input("c", "title"))
    def read(b: Any, c: Any) -> str:
        seen(b, c)
        return str(b)

    def visit(page: Page) -> None:
        click(page)
        page.change("b", data=page.get("a"))
        page.change("c", title=page.get("a"))

    return visit


@feature
def a_component_as_dependency(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    store, button = Store(id="a"), html.Button(id={"kind": "go"})
    app.callback(Output(store, "data"), Input(button, "n_clicks"), prevent_initial_call=True)(lambda n: [n])
    app.layout = [store, button]

    @app.callback(Output(button, "title"), Input(store, "data"))
    def read(value: Any) -> str:
        seen(value)
        return str(value)

    def visit(page: Page) -> None:
        for n in (1, 2):
            page.start().change(button.id, n_clicks=n)

    return visit
