"""Arguments that are annotated as handles, in every form in which a callback can have arguments."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Optional

import dash
import pandas as pd
import pytest
from dash import ALL, Input, Output, State, ctx, dcc, html

import dash_statemanager as dsm
from dash_statemanager import ServerStore, Stored

from .page import Page

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
Handle = Stored
Script = Callable[..., str]


@pytest.fixture
def app(backend: str) -> dash.Dash:
    """An app whose button writes a frame into a store."""
    app = dash.Dash(__name__)
    app.layout = [
        ServerStore(id="s"),
        ServerStore(id="lazy", lazy=True),
        *[ServerStore(id={"kind": "s", "i": i}, data=[i]) for i in range(2)],
        dcc.Store(id="plain", data={"raw": True}),
        html.Button(id="go"),
        html.Button(id="read"),
        html.Div(id="out"),
    ]

    @app.callback(Output("s", "data"), Output("lazy", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(_: int) -> Any:
        return FRAME, FRAME

    return app


def got(app: dash.Dash, *arguments: Any) -> Callable[[Any], Page]:
    """Registers a function as the callback of the button "read", and clicks."""

    def decorate(function: Any) -> Page:
        app.callback(Output("out", "children"), Input("read", "n_clicks"), *arguments, prevent_initial_call=True)(
            function
        )
        return Page(app.server.test_client()).open().change("go", n_clicks=1).change("read", n_clicks=1)

    return decorate


def test_an_annotated_argument_is_a_handle_and_the_others_are_values(app: dash.Dash) -> None:
    seen: list[Any] = []

    @got(app, State("s", "data"), State("lazy", "data"), State({"kind": "s", "i": 0}, "data"), State("plain", "data"))
    def page(_: int, s: Stored[pd.DataFrame], lazy: Any, value: Any, plain: dict[str, bool]) -> str:
        seen.extend([s, lazy, value, plain, ctx.states["s.data"] is s])
        return str(s.columns(["a"])["a"].sum())

    assert page.get("out", "children") == "6"
    s, lazy, value, plain, same = seen
    assert isinstance(s, Stored)
    assert isinstance(lazy, Stored)
    assert lazy.rows(1, 1)["b"].tolist() == ["y"]
    assert (value, plain, same) == ([0], {"raw": True}, True)


HANDLES: list[Any] = [
    Stored,
    Stored[pd.DataFrame],
    Stored[pd.DataFrame] | None,
    Optional["Stored[pd.DataFrame]"],
    "Stored",
    "'Stored'",
    "Stored[pd.DataFrame] | None",
    "dsm.Stored[pd.DataFrame]",
    "Optional[Stored[OnlyForTypeCheckers]]",
    "dash_statemanager.Stored[pd.DataFrame]",
    "Handle[pd.DataFrame]",
]
OTHERS: list[Any] = [pd.DataFrame, "pd.DataFrame", "no (annotation", None, Any, Literal["Stored"], "Restored"]


@pytest.mark.parametrize("annotation", HANDLES, ids=str)
def test_annotations_in_every_way_of_writing(app: dash.Dash, annotation: Any) -> None:
    assert kind_of_argument(app, annotation) == "Stored"


@pytest.mark.parametrize("annotation", OTHERS, ids=str)
def test_other_annotations_are_left_alone(app: dash.Dash, annotation: Any) -> None:
    assert kind_of_argument(app, annotation) == "DataFrame"


def test_a_name_of_somebody_else_is_left_alone(app: dash.Dash, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "Stored", dict)
    assert kind_of_argument(app, "Stored[str, int]") == "DataFrame"


def kind_of_argument(app: dash.Dash, annotation: Any) -> str:
    def function(_: int, s: Any) -> str:
        return type(s).__name__

    function.__annotations__["s"] = annotation
    return str(got(app, State("s", "data"))(function).get("out", "children"))


def test_lists_of_all_stores_are_lists_of_handles(app: dash.Dash) -> None:
    @got(app, State({"kind": "s", "i": ALL}, "data"))
    def page(_: int, items: list[Stored[list[int]]]) -> str:
        return repr([item.value for item in items])

    assert page.get("out", "children") == "[[0], [1]]"


def test_groups_and_keyword_arguments(app: dash.Dash) -> None:
    @app.callback(
        output={"out": Output("out", "children")},
        inputs={
            "n": Input("read", "n_clicks"),
            "data": {"s": State("s", "data"), "i": State({"kind": "s", "i": 1}, "data")},
        },
        state={"value": State("s", "data"), "other": State({"kind": "s", "i": 0}, "data")},
        prevent_initial_call=True,
    )
    def read(n: int, data: dict[str, Stored[Any]], *, other: list[int], **rest: Any) -> dict[str, str]:
        return {"out": f"{len(data['s'].value)} {data['i'].value} {other} {sorted(rest)}"}

    page = Page(app.server.test_client()).open().change("go", n_clicks=1).change("read", n_clicks=1)
    assert page.get("out", "children") == "3 [1] [0] ['value']"


def test_arguments_that_are_collected(app: dash.Dash) -> None:
    @got(app, State("s", "data"), State({"kind": "s", "i": 0}, "data"))
    def page(n: int, *stores: Stored[Any]) -> str:
        return f"{n} {[type(store.value).__name__ for store in stores]}"

    assert page.get("out", "children") == "1 ['DataFrame', 'list']"


def test_async_callbacks_get_handles_too(app: dash.Dash) -> None:
    pytest.importorskip("asgiref")

    @got(app, State("s", "data"))
    async def page(_: int, s: Stored[pd.DataFrame]) -> str:
        return str(s.rows(2)["b"].tolist())

    assert page.get("out", "children") == "['z']"


def test_an_empty_store_and_a_refused_reference_are_none(app: dash.Dash) -> None:
    seen: list[Any] = []

    @app.callback(Output("out", "children"), Input("s", "data"), State("lazy", "data"))
    def read(s: Stored[Any] | None, lazy: Any) -> None:
        seen.append((s, lazy))

    page = Page(app.server.test_client()).open().start()
    page.change("s", data={"__store__": "a" * 77})
    assert seen == [(None, None)] * 2
    assert dsm.get_state_manager().counters["refused"] == 1


def test_json_that_the_browser_wrote_has_a_handle_as_well(app: dash.Dash) -> None:
    @app.callback(Output("out", "children"), Input("s", "data"), State("lazy", "data"), prevent_initial_call=True)
    def read(s: Stored[Any], lazy: Stored[Any]) -> str:
        return f"{s.value} {lazy.value}"

    page = Page(app.server.test_client()).open()
    page.props["lazy"]["data"] = [1]
    assert page.change("s", data={"from": "page"}).get("out", "children") == "{'from': 'page'} [1]"


def test_a_sealed_store_gives_no_handle_of_what_the_browser_wrote(backend: str) -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="s", sealed=True), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input("s", "data"), prevent_initial_call=True)
    def read(s: Stored[Any] | None) -> str:
        return repr(s)

    page = Page(app.server.test_client()).open()
    assert page.change("s", data={"from": "page"}).get("out", "children") == "None"


def test_an_app_without_server_stores_gives_handles_where_they_are_annotated(backend: str) -> None:
    app = dash.Dash(__name__)
    app.layout = [dcc.Store(id="plain", data=[1, 2]), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input("plain", "data"))
    def read(plain: Stored[list[int]]) -> str:
        return str(plain.value)

    assert Page(app.server.test_client()).open().start().get("out", "children") == "[1, 2]"


def test_a_handle_that_is_returned_is_stored_as_its_value(app: dash.Dash) -> None:
    @app.callback(
        Output({"kind": "s", "i": 0}, "data"), Input("read", "n_clicks"), State("s", "data"), prevent_initial_call=True
    )
    def copy(_: int, s: Stored[pd.DataFrame]) -> Stored[pd.DataFrame]:
        return s

    @app.callback(Output("out", "children"), Input({"kind": "s", "i": 0}, "data"), prevent_initial_call=True)
    def show(copied: pd.DataFrame) -> str:
        return str(copied["a"].tolist())

    page = Page(app.server.test_client()).open().change("go", n_clicks=1).change("read", n_clicks=1)
    assert page.get("out", "children") == "[1, 2, 3]"


def test_functions_below_other_decorators_keep_their_annotations(app: dash.Dash) -> None:
    @got(app, State("s", "data"))
    @dsm.locked("s")
    def page(_: int, s: Stored[pd.DataFrame]) -> str:
        return type(s).__name__

    assert page.get("out", "children") == "Stored"


def test_a_background_callback_gets_handles(script: Script, tmp_path: Path) -> None:
    source = """
    from __future__ import annotations
    import diskcache, pandas as pd
    from dash import Dash, Input, Output, State, html
    from dash_statemanager import ServerStore, Stored
    from tests.integration.jobs import Manager
    from tests.integration.page import Page

    app = Dash(__name__, background_callback_manager=Manager(diskcache.Cache("cache")))
    app.layout = [ServerStore(id="s"), html.Button(id="go"), html.Button(id="read"), html.Div(id="out"), html.P(id="p")]

    @app.callback(Output("s", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n):
        return pd.DataFrame({"a": range(100_000)})

    @app.callback(
        Output("out", "children"), Input("read", "n_clicks"), State("s", "data"), background=True,
        progress=[Output("p", "children")], prevent_initial_call=True,
    )
    def read(progress, n, s: Stored[pd.DataFrame]):
        progress(("half",))
        return f"{n} {type(s).__name__} {s.rows(99_999)['a'].tolist()}"

    if __name__ == "__main__":
        page = Page(app.server.test_client()).open().change("go", n_clicks=1).change("read", n_clicks=1).finish_jobs()
        print(page.get("out", "children"))
    """
    assert script(textwrap.dedent(source)).strip() == "1 Stored [99999]"
