"""Arguments and results of callbacks, one by one and in groups."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from .table import Seen, Visit, click, feature, go


@feature
def one_output_and_one_input(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), go(), html.Div(id="out")]

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> Any:
        return {"n": n, "list": [1, 2.5, None, True, "ä"], "deep": {"er": [{}]}}

    @app.callback(Output("out", "children"), Input("a", "data"))
    def read(a: Any) -> str:
        seen(a)
        return repr(a)

    return lambda page: click(click(page.start()))


@feature
def several_outputs_and_states(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), go(), html.Div(id="out")]

    @app.callback(
        [Output("a", "data"), Output("out", "children"), Output("b", "data")],
        Input("go", "n_clicks"),
        [State("a", "data"), State("b", "data"), State("out", "children")],
    )
    def step(n: Any, a: Any, b: Any, out: Any) -> Any:
        seen(n, a, b, out)
        return [n, a], str(n), {"before": b, "n": n}

    return lambda page: click(click(page.start()))


@feature
def one_output_in_a_list(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), go()]

    @app.callback([Output("a", "data")], [Input("go", "n_clicks")], [State("a", "data")])
    def step(n: Any, a: Any) -> Any:
        seen(n, a)
        return [[n, a]]

    return lambda page: click(click(page))


@feature
def groups_by_name(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), go(), html.Div(id="out")]

    @app.callback(
        output={"first": Output("a", "data"), "text": Output("out", "children"), "second": Output("b", "data")},
        inputs={"n": Input("go", "n_clicks"), "first": State("a", "data"), "second": State("b", "data")},
    )
    def step(n: Any, first: Any, second: Any) -> Any:
        seen(n, first, second, ctx.args_grouping["first"]["value"] is first, ctx.args_grouping.second.value is second)
        return {"second": [n, second], "first": {"n": n, "first": first}, "text": str(n)}

    return lambda page: click(click(page))


@feature
def groups_by_place(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), Store(id="c"), go()]

    @app.callback(
        output=(Output("a", "data"), (Output("b", "data"), Output("c", "data"))),
        inputs=(Input("go", "n_clicks"), (State("a", "data"), (State("b", "data"), State("c", "data")))),
    )
    def step(n: Any, stores: Any) -> Any:
        seen(n, stores, type(stores))
        return [n, stores[0]], ({"b": n}, stores[1][1] or "c")

    return lambda page: click(click(page))


@feature
def groups_within_groups(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), Store(id="c"), go()]

    @app.callback(
        output={"x": (Output("a", "data"), {"y": Output("b", "data")}), "z": Output("c", "data")},
        inputs={"n": Input("go", "n_clicks"), "old": {"x": (State("a", "data"), State("b", "data"))}},
        state={"c": State("c", "data")},
    )
    def step(n: Any, old: Any, c: Any) -> Any:
        seen(n, old, c)
        return {"z": [n, c], "x": ({"n": n}, {"y": no_update if n == 2 else f"y{n}"})}

    return lambda page: click(click(click(page)))


@feature
def starred_arguments(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data=1), Store(id="b", data={"b": 2}), go(), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input("a", "data"), Input("b", "data"), State("go", "n_clicks"))
    def read(*args: Any) -> str:
        seen(args)
        return str(args)

    @app.callback(Output("go", "title"), inputs={"a": Input("a", "data"), "b": Input("b", "data")})
    def named(**kwargs: Any) -> str:
        seen(sorted(kwargs.items()))
        return str(kwargs)

    return lambda page: page.start()


@feature
def keywords(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data=[1]), go()]

    @app.callback(output=Output("a", "data"), inputs=[Input("go", "n_clicks")], state=[State("a", "data")])
    def step(n: Any, a: Any) -> Any:
        seen(n, a)
        return [*a, n]

    return lambda page: click(click(page))


@feature
def no_update_of_everything(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data="old"), Store(id="b"), go(), html.Div(id="out")]

    @app.callback(Output("a", "data"), Output("b", "data"), Input("go", "n_clicks"), State("a", "data"))
    def write(n: int, a: Any) -> Any:
        seen(n, a)
        return no_update if n == 2 else (n, {"n": n})

    @app.callback(Output("out", "children"), Input("b", "data"))
    def read(b: Any) -> str:
        seen("read", b)
        return str(b)

    return lambda page: click(click(click(page.start())))


@feature
def no_update_of_one(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data="old"), Store(id="b"), go()]

    @app.callback(Output("a", "data"), Output("b", "data"), Input("go", "n_clicks"), State("a", "data"))
    def write(n: int, a: Any) -> Any:
        seen(n, a)
        return (no_update, {"n": n}) if n % 2 else ([n], no_update)

    return lambda page: click(click(click(page)))


@feature
def prevent_update(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data="old"), go()]

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), State("a", "data"))
    def write(n: int, a: Any) -> Any:
        seen(n, a)
        if n == 2:
            raise PreventUpdate
        return [n]

    return lambda page: click(click(click(page)))


@feature
def none_empties_a_store(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data={"initial": 1}), go(), html.Div(id="out")]

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> Any:
        return None if n == 1 else n

    @app.callback(Output("out", "children"), Input("a", "data"))
    def read(a: Any) -> str:
        seen(a)
        return str(a)

    return lambda page: click(click(page.start()))


@feature
def clear_data(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data={"initial": 1}), go(), html.Div(id="out")]

    @app.callback(Output("a", "clear_data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def clear(n: int) -> Any:
        return True

    @app.callback(Output("out", "children"), Input("a", "data"), Input("a", "clear_data"))
    def read(a: Any, clear: Any) -> str:
        seen(a)
        return str(a)

    return lambda page: click(page.start())
