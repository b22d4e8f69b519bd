"""Ids that match patterns."""

from __future__ import annotations

from typing import Any

import dash
from dash import ALL, ALLSMALLER, MATCH, Input, Output, State, ctx, html, no_update

from ..page import Page
from .table import Seen, Visit, click, feature, go, many_buttons, many_stores


@feature
def match(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store), *many_buttons(), *(html.Div(id={"kind": "out", "i": i}) for i in range(3))]

    @app.callback(
        Output({"kind": "s", "i": MATCH}, "data"),
        Input({"kind": "go", "i": MATCH}, "n_clicks"),
        State({"kind": "s", "i": MATCH}, "data"),
        State({"kind": "s", "i": MATCH}, "id"),
        prevent_initial_call=True,
    )
    def write(n: Any, s: Any, own: Any) -> Any:
        seen(n, s, own, ctx.triggered_id)
        return {"n": n, "of": own, "before": s}

    @app.callback(Output({"kind": "out", "i": MATCH}, "children"), Input({"kind": "s", "i": MATCH}, "data"))
    def read(s: Any) -> str:
        seen(s)
        return str(s)

    def visit(page: Page) -> None:
        page.start()
        for i in (1, 2, 1):
            page.change({"kind": "go", "i": i}, n_clicks=i)

    return visit


@feature
def all_inputs_and_states(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store), *many_buttons(), html.Div(id="out"), html.Div(id="more")]

    @app.callback(
        Output({"kind": "s", "i": MATCH}, "data"),
        Input({"kind": "go", "i": MATCH}, "n_clicks"),
        State({"kind": "s", "i": ALL}, "data"),
        prevent_initial_call=True,
    )
    def write(n: Any, others: Any) -> Any:
        seen(n, others)
        return [n, len([other for other in others if other])]

    @app.callback(Output("out", "children"), Input({"kind": "s", "i": ALL}, "data"))
    def only_argument(values: Any) -> str:
        seen(values, ctx.triggered_id)
        return str(values)

    @app.callback(Output("more", "children"), Input({"kind": "s", "i": ALL}, "data"), State("out", "children"))
    def beside_another(values: Any, out: Any) -> str:
        seen(values, out)
        return str(values)

    def visit(page: Page) -> None:
        page.start()
        for i in (2, 0):
            page.change({"kind": "go", "i": i}, n_clicks=i)

    return visit


@feature
def all_as_the_only_argument_by_name(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store, data={"x": 1}), html.Div(id="out"), html.Div(id="more")]

    @app.callback(Output("out", "children"), inputs={"values": Input({"kind": "s", "i": ALL}, "data")})
    def by_name(values: Any) -> str:
        seen(values, [spec["value"] for spec in ctx.args_grouping["values"]])
        return str(values)

    @app.callback(Output("more", "children"), inputs=[Input({"kind": "s", "i": ALL}, "data")])
    def in_a_list(values: Any) -> str:
        seen(values)
        return str(values)

    return lambda page: page.start()


@feature
def all_without_a_match(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data=1), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input({"kind": "s", "i": ALL}, "data"), Input("a", "data"))
    def read(values: Any, a: Any) -> str:
        seen(values, a)
        return str(values)

    return lambda page: page.start()


@feature
def all_outputs(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store), go(), html.Div(id="out")]

    @app.callback(Output({"kind": "s", "i": ALL}, "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> Any:
        return [{"n": n}, no_update if n == 2 else [n], None]

    @app.callback(Output("out", "children"), Input({"kind": "s", "i": ALL}, "data"))
    def read(values: Any) -> str:
        seen(values)
        return str(values)

    return lambda page: click(click(page))


@feature
def all_outputs_beside_others(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store), Store(id="a"), go(), html.Div(id="out")]

    @app.callback(
        Output("a", "data"),
        Output({"kind": "s", "i": ALL}, "data"),
        Output({"kind": "s", "i": ALL}, "storage_type"),
        Input("go", "n_clicks"),
        State({"kind": "s", "i": ALL}, "data"),
        prevent_initial_call=True,
    )
    def write(n: int, old: Any) -> Any:
        seen(n, old)
        return (no_update if n == 2 else {"n": n}), (no_update, (n,), {"i": n}), ["session"] * 3

    @app.callback(Output("out", "children"), Input("a", "data"), Input({"kind": "s", "i": ALL}, "data"))
    def read(a: Any, values: Any) -> str:
        seen(a, values)
        return str(values)

    return lambda page: click(click(page))


@feature
def all_outputs_in_groups(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store), Store(id="a"), go(), html.Div(id="out")]

    @app.callback(
        output={"those": Output({"kind": "s", "i": ALL}, "data"), "that": (Output("a", "data"),)},
        inputs={"n": Input("go", "n_clicks"), "old": (State({"kind": "s", "i": ALL}, "data"), State("a", "data"))},
    )
    def write(n: int, old: Any) -> Any:
        seen(n, old)
        return {"those": [n, {"n": n}, no_update], "that": ([n],)}

    return lambda page: click(click(page))


@feature
def smaller(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store), *(html.Div(id={"kind": "out", "i": i}) for i in range(3))]

    @app.callback(
        Output({"kind": "out", "i": MATCH}, "children"),
        Input({"kind": "s", "i": MATCH}, "data"),
        Input({"kind": "s", "i": ALLSMALLER}, "data"),
    )
    def read(own: Any, smaller: Any) -> str:
        seen(own, smaller)
        return str(smaller)

    def visit(page: Page) -> None:
        for i in range(3):
            page.change({"kind": "s", "i": i}, data={"i": i})

    return visit
