"""Asynchronous callbacks, and other ways to register one."""

from __future__ import annotations

from typing import Any

import dash
from dash import ALL, Input, Output, State, callback, ctx, html, no_update, set_props

from ..page import Page
from .table import ASYNC, Seen, Visit, click, feature, go, many_stores, since


@since(ASYNC)
def asynchronous(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), *many_stores(Store), go(), html.Div(id="out")]

    @app.callback(
        Output("a", "data"), Output({"kind": "s", "i": ALL}, "data"), Input("go", "n_clicks"), State("a", "data")
    )
    async def write(n: int, a: Any) -> Any:
        seen(n, a, ctx.states)
        set_props("out", {"title": str(n)})
        return {"n": n, "before": a}, [n, no_update, {"n": n}]

    @app.callback(Output("out", "children"), Input("a", "data"), Input({"kind": "s", "i": ALL}, "data"))
    async def read(a: Any, values: Any) -> str:
        seen(a, values)
        return str(a)

    return lambda page: click(click(page))


@since(ASYNC)
def asynchronous_failure(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data=[1]), go()]

    def rescue(error: Exception) -> Any:
        seen(str(error), ctx.states)
        return {"rescued": True}

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), State("a", "data"), on_error=rescue)
    async def fail(n: int, a: Any) -> Any:
        seen(a)
        raise LookupError("later")

    return lambda page: click(click(page))


@feature
def global_callbacks(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), go()]

    @callback(Output("a", "data"), Input("go", "n_clicks"), State("b", "data"), prevent_initial_call=True)
    def write(n: int, b: Any) -> Any:
        seen(n, b)
        return {"n": n}

    @dash.callback(Output("b", "data"), Input("a", "data"), prevent_initial_call=True)
    def follow(a: Any) -> Any:
        seen(a)
        return [a]

    return lambda page: click(click(page))


@feature
def no_inputs_and_outputs(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), html.Div(id="out")]

    @app.callback()
    def first() -> None:
        set_props("a", {"data": {"from": "first"}})

    @app.callback()
    def second() -> None:
        set_props("b", {"data": {"from": "second"}})

    @app.callback(Output("out", "children"), Input("a", "data"), Input("b", "data"))
    def read(a: Any, b: Any) -> str:
        seen(a, b)
        return str(a)

    def visit(page: Page) -> None:
        ids = [spec["output"] for spec in page.callbacks if not spec["inputs"]]
        seen(len(ids), len(set(ids)))
        page.start()

    return visit


@feature
def values_while_running(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), go(), html.Div(id="out")]

    @app.callback(
        Output("out", "children"),
        Input("go", "n_clicks"),
        State("a", "data"),
        running=[(Output("a", "data"), {"running": True}, {"running": False})],
    )
    def work(n: int, a: Any) -> str:
        seen(a)
        return str(n)

    def visit(page: Page) -> None:
        (running,) = [spec["running"] for spec in page.callbacks if spec.get("running")]
        click(page)
        page.change("a", data=running["runningOff"]["a.data"])
        click(page)

    return visit
