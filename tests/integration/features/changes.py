"""More than one callback for an output, patches, set_props."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dash
from dash import ALL, Input, Output, Patch, State, ctx, html, no_update, set_props

from .table import FEATURES, Feature, Seen, Visit, click, feature, go, many_stores


@feature
def duplicate_outputs(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), Store(id="b"), go(), html.Button(id="other"), html.Div(id="out")]
    app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(lambda n: {"go": n})

    @app.callback(
        Output("a", "data", allow_duplicate=True),
        Input("other", "n_clicks"),
        State("a", "data"),
        prevent_initial_call=True,
    )
    def again(n: int, a: Any) -> Any:
        seen(n, a)
        return {"other": n, "before": a}

    @app.callback(
        Output("a", "data", allow_duplicate=True),
        Output("b", "data", allow_duplicate=True),
        Input("other", "n_clicks"),
        Input("go", "n_clicks"),
        prevent_initial_call=True,
    )
    def both(*_: Any) -> Any:
        return no_update, {"both": True}

    @app.callback(Output("out", "children"), Input("a", "data"), Input("b", "data"))
    def read(a: Any, b: Any) -> str:
        seen(a, b)
        return str(a)

    return lambda page: click(click(page).change("other", n_clicks=1))


def patching(make: Callable[[int], Any], initial: Any) -> Feature:
    def patches(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
        app.layout = [Store(id="a", **({} if initial is None else {"data": initial})), go(), html.Div(id="out")]

        @app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
        def write(n: int) -> Any:
            return make(n)

        @app.callback(Output("out", "children"), Input("a", "data"))
        def read(a: Any) -> str:
            seen(a)
            return str(a)

        return lambda page: click(click(click(page.start())))

    return patches


def patch_of(change: Callable[[Any, int], Any]) -> Callable[[int], Any]:
    def make(n: int) -> Any:
        patch = Patch()
        changed = change(patch, n)
        return patch if changed is None else changed

    return make


def _assign(patch: Any, n: int) -> None:
    patch["n"] = n
    patch["deep"]["list"][0] = {"n": n}


def _grow(patch: Any, n: int) -> None:
    patch["list"].append(n)
    patch["list"].extend([n, n])
    patch["list"].prepend(-n)
    patch["list"].insert(1, "second")


def _shrink(patch: Any, n: int) -> None:
    del patch["list"][0]
    patch["list"].remove(5)
    patch["deep"].clear()


def _arithmetic(patch: Any, n: int) -> None:
    patch["n"] += n
    patch["m"] *= 2
    patch["k"] -= 1
    patch["f"] /= 4


def _merge(patch: Any, n: int) -> None:
    patch.update({f"k{n}": [n]})
    patch["deep"].update(n=n)
    patch["list"].reverse()


def _whole_now_and_then(patch: Any, n: int) -> Any:
    patch["n"] = n
    return {"whole": True, "n": 0} if n == 2 else None


_TREE = {"n": 1, "m": 2, "k": 3, "f": 1.5, "list": [1, 2, 3, 5, 4], "deep": {"list": [0, 1]}}

FEATURES["patch_assigns"] = patching(patch_of(_assign), _TREE)
FEATURES["patch_grows_lists"] = patching(patch_of(_grow), _TREE)
FEATURES["patch_shrinks"] = patching(patch_of(_shrink), {**_TREE, "list": [1, 5, 2, 5, 3, 4, 5]})
FEATURES["patch_computes"] = patching(patch_of(_arithmetic), _TREE)
FEATURES["patch_merges"] = patching(patch_of(_merge), _TREE)
FEATURES["patch_and_whole_values"] = patching(patch_of(_whole_now_and_then), _TREE)
FEATURES["patch_of_a_list"] = patching(patch_of(lambda patch, n: patch.append(n)), [1, 2])
FEATURES["patch_of_an_empty_store"] = patching(patch_of(lambda patch, n: patch.update({f"k{n}": n})), None)


@feature
def patch_of_raw_json(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    patching(patch_of(lambda patch, n: patch.update({"n": n})), None)(app, Store, seen)
    return lambda page: click(click(page.change("a", data={"raw": True})))


@feature
def patch_of_one_of_several(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [*many_stores(Store, data={"n": 0}), Store(id="a", data=[]), go(), html.Div(id="out")]

    @app.callback(
        Output("a", "data", allow_duplicate=True),
        Output({"kind": "s", "i": ALL}, "data"),
        Input("go", "n_clicks"),
        prevent_initial_call=True,
    )
    def write(n: int) -> Any:
        patch, first = Patch(), Patch()
        patch.append(n)
        first["n"] += n
        return patch, [first, {"whole": n}, no_update]

    @app.callback(Output("out", "children"), Input("a", "data"), Input({"kind": "s", "i": ALL}, "data"))
    def read(a: Any, values: Any) -> str:
        seen(a, values)
        return str(a)

    return lambda page: click(click(page.start()))


@feature
def setting_properties(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), *many_stores(Store), go(), html.Div(id="out")]

    @app.callback(Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> None:
        set_props("a", {"data": {"n": n}})
        ctx.set_props({"kind": "s", "i": 1}, {"data": [n], "storage_type": "local"})
        set_props("go", {"title": f"{n}"})

    @app.callback(Output("out", "children"), Input("a", "data"), Input({"kind": "s", "i": ALL}, "data"))
    def read(a: Any, values: Any) -> str:
        seen(a, values)
        return str(a)

    return lambda page: click(click(page))


@feature
def setting_properties_twice(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a"), go(), html.Div(id="out")]

    @app.callback(Output("out", "title"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> str:
        set_props("a", {"data": "first"})
        set_props("a", {"storage_type": "local"})
        ctx.set_props("a", {"data": {"second": n}})
        set_props("a", {"modified_timestamp": n})
        return "done"

    @app.callback(Output("out", "children"), Input("a", "data"), State("a", "modified_timestamp"))
    def read(a: Any, modified: Any) -> str:
        seen(a, modified)
        return str(a)

    return lambda page: click(click(page))


@feature
def setting_properties_with_a_patch(app: dash.Dash, Store: Any, seen: Seen) -> Visit:
    app.layout = [Store(id="a", data={"list": []}), go(), html.Div(id="out")]

    @app.callback(Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> None:
        patch = Patch()
        patch["list"].append(n)
        set_props("a", {"data": patch})

    @app.callback(Output("out", "children"), Input("a", "data"))
    def read(a: Any) -> str:
        seen(a)
        return str(a)

    return lambda page: click(click(page))
