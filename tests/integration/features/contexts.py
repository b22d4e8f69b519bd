"""What `ctx` tells, errors and their handlers."""

from __future__ import annotations

from typing import Any

import dash
from dash import ALL, Input, Output, State, ctx, html, no_update, set_props

from ..page import Page
from .table import Seen, Visit, click, feature, go, many_stores


@feature
def context(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [
        Store(id="a", data={"a": 1}),
        Store(id="b", data=[2]),
        *many_stores(Store, data="s"),
        html.Div(id="out"),
    ]

    @app.callback(
        Output("out", "children"),
        Input("a", "data"),
        Input({"kind": "s", "i": ALL}, "data"),
        State("b", "data"),
        State("out", "children"),
    )
    def read(a: Any, values: Any, b: Any, out: Any) -> str:
        (triggered,) = ctx.triggered
        seen(triggered, ctx.triggered_id, ctx.triggered_prop_ids, bool(ctx.triggered))
        seen(ctx.inputs, ctx.states, ctx.inputs_list, ctx.states_list, ctx.args_grouping)
        seen(triggered["value"] is a, ctx.inputs["a.data"] is a, ctx.inputs_list[0]["value"] is a)
        seen(ctx.states["b.data"] is b, ctx.states_list[0]["value"] is b, ctx.args_grouping[2]["value"] is b)
        seen(
            [spec["value"] for spec in ctx.inputs_list[1]] == values,
            [spec.value for spec in ctx.args_grouping[1]] == values,
        )
        return str(a)

    def visit(page: Page) -> None:
        page.start()
        page.change("a", data=page.get("b"))
        page.change({"kind": "s", "i": 2}, data=page.get("a"))

    return visit


@feature
def context_of_a_group(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data={"a": 1}), Store(id="b", data=[2]), html.Div(id="out")]

    @app.callback(
        Output("out", "children"),
        inputs={"one": Input("a", "data"), "rest": {"b": (Input("b", "data"),)}, "out": State("out", "children")},
    )
    def read(one: Any, rest: Any, out: Any) -> str:
        grouping = ctx.args_grouping
        seen(grouping, grouping.one.triggered, grouping["rest"]["b"][0]["triggered"], ctx.triggered_id)
        seen(grouping.one.value is one, grouping.rest.b[0].value is rest["b"][0], ctx.inputs["a.data"] is one)
        return str(one)

    return lambda page: page.start().change("b", data=page.get("a"))


class Oops(Exception):
    """What a user's callback raises."""


@feature
def error_handler_of_a_callback(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data={"a": 1}), Store(id="b"), go(), html.Div(id="out")]

    def rescue(error: Exception) -> Any:
        seen(str(error), ctx.states["a.data"], ctx.triggered_id)
        set_props("b", {"data": {"rescued": str(error)}})
        return {"from": "handler"} if "1" in str(error) else None

    @app.callback(
        Output("a", "data"),
        Input("go", "n_clicks"),
        State("a", "data"),
        State("b", "data"),
        on_error=rescue,
        prevent_initial_call=True,
    )
    def fail(n: int, a: Any, b: Any) -> Any:
        seen(a, b)
        raise Oops(f"number {n}")

    return lambda page: click(click(click(page)))


@feature
def error_handler_of_the_app(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data={"a": 1}), Store(id="b"), go(), html.Div(id="out")]

    @app.callback(
        Output("a", "data"), Output("b", "data"), Input("go", "n_clicks"), State("a", "data"), prevent_initial_call=True
    )
    def fail(n: int, a: Any) -> Any:
        seen(n, a)
        if n == 1:
            set_props("b", {"data": "before the error"})
        raise Oops(str(n))

    @app.callback(Output("out", "children"), Input("a", "data"), Input("b", "data"))
    def read(a: Any, b: Any) -> str:
        seen(a, b)
        return str(a)

    return lambda page: click(click(page))


def on_app_error(error: Exception) -> Any:
    """Handles the errors of all features' apps: those of `error_handler_of_the_app`."""
    if not isinstance(error, Oops):
        raise error
    set_props("out", {"title": str(error)})
    return {"error": str(error)}, no_update
