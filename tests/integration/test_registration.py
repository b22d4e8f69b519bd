"""However an app is put together, its stores work; and where there are none, nothing happens."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dash
import flask
import pandas as pd
import pytest
from dash import Input, Output, State, dcc, html

from dash_statemanager import ServerStore, reset

from .features.table import API, ASYNC
from .page import Page

Script = Callable[..., str]


# -- apps of many kinds


def test_a_server_that_comes_later() -> None:
    app = dash.Dash(__name__, server=False)
    add_callbacks(app)
    server = flask.Flask(__name__)
    app.init_app(server)
    assert_works(Page(server.test_client()).open())


def test_a_server_of_ones_own_and_a_prefix() -> None:
    server = flask.Flask(__name__)
    app = dash.Dash(__name__, server=server, url_base_pathname="/some/where/")
    add_callbacks(app)
    assert_works(Page(server.test_client(), "/some/where/").open())


def test_two_apps_on_one_server_know_their_own_stores() -> None:
    server = flask.Flask(__name__)
    apps = [dash.Dash(__name__, server=server, url_base_pathname=f"/{name}/") for name in ("ours", "plain", "mine")]
    add_callbacks(apps[0])
    add_callbacks(apps[1], dcc.Store)
    add_callbacks(apps[2])
    client = server.test_client()
    pages = [Page(client, f"/{name}/").open() for name in ("ours", "plain", "mine")]
    for page in (pages[0], pages[2]):
        assert_works(page)
    pages[1].change("go", n_clicks=1)
    assert pages[1].get("a") == {"n": 1, "b": {"initial": True}}
    assert pages[1].get("out", "children") == "{'n': 1, 'b': {'initial': True}}"


def add_callbacks(app: dash.Dash, Store: Any = ServerStore) -> None:
    app.layout = [
        Store(id="a", storage_type="local"),
        Store(id="b", data={"initial": True}),
        html.Button(id="go"),
        html.Div(id="out"),
    ]

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), State("b", "data"), prevent_initial_call=True)
    def write(n: int, b: Any) -> Any:
        return {"n": n, "b": b}

    @app.callback(Output("out", "children"), Input("a", "data"), prevent_initial_call=True)
    def read(a: Any) -> str:
        return str(a)


def assert_works(page: Page) -> None:
    for n in (1, 2):
        page.change("go", n_clicks=n)
        assert page.get("out", "children") == str({"n": n, "b": {"initial": True}})
        assert list(page.get("a")) == ["__store__"]


def test_pages_share_a_store_of_the_apps_layout(tmp_path: Path) -> None:
    app = dash.Dash(__name__, use_pages=True, pages_folder="", suppress_callback_exceptions=True)
    dash.register_page("write", path="/", layout=[html.Button(id="go"), ServerStore(id="own", data=[1])])
    dash.register_page(
        "read", path="/read", layout=lambda **query: [html.Div(id="out"), ServerStore(id="q", data=query)]
    )
    app.layout = [ServerStore(id="shared"), dash.page_container]

    @app.callback(Output("shared", "data"), Input("go", "n_clicks"), State("own", "data"), prevent_initial_call=True)
    def write(n: int, own: Any) -> Any:
        return {"n": n, "own": own}

    @app.callback(Output("out", "children"), Input("q", "data"), State("shared", "data"))
    def read(query: Any, shared: Any) -> str:
        return f"{query} {shared}"

    page = Page(app.server.test_client()).open()
    page.change("_pages_location", pathname="/", search="").change("go", n_clicks=3)
    page.change("_pages_location", pathname="/read", search="?x=y")
    page.start()
    assert page.get("out", "children") == "{'x': 'y'} {'n': 3, 'own': [1]}"


def test_the_validation_layout_in_the_index_holds_references() -> None:
    app = dash.Dash(__name__)
    app.layout = lambda: [ServerStore(id="a", data={"secret": "value"})]
    app.validation_layout = html.Div([ServerStore(id="a", data={"secret": "value"}), ServerStore(id="b")])
    index = app.server.test_client().get("/", headers={"Accept": "text/html"}).text
    assert "__store__" in index
    assert "value" not in index


@pytest.mark.skipif(not API.is_due(), reason="this Dash has no API endpoints")
def test_callbacks_are_api_endpoints_with_values() -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a"), html.Button(id="go")]

    @dash.callback(
        Output("a", "data"), Input("go", "n_clicks"), State("a", "data"), api_endpoint="/add", prevent_initial_call=True
    )
    def add(n: int, a: Any) -> Any:
        return {"n": n, "a": a}

    app.setup_apis()
    page = Page(app.server.test_client()).open()
    answer = page.client.post("/add", json={"n": 1, "a": {"raw": True}})
    assert answer.json == {"n": 1, "a": {"raw": True}}
    page.change("go", n_clicks=2)
    assert list(page.get("a")) == ["__store__"]


def test_a_user_may_call_a_callbacks_function() -> None:
    app = dash.Dash(__name__)

    @app.callback(Output("a", "data"), Input("b", "data"))
    def double(value: Any) -> Any:
        """Doubles."""
        return value * 2

    assert double(2) == 4
    assert (double.__name__, double.__doc__) == ("double", "Doubles.")


def test_the_traceback_of_a_users_error_shows_the_users_frames(caplog: pytest.LogCaptureFixture) -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a", data={"x": 1}), html.Button(id="go")]
    app.enable_dev_tools(debug=True, dev_tools_hot_reload=False, dev_tools_prune_errors=True)

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), State("a", "data"), prevent_initial_call=True)
    def users_callback(n: int, a: Any) -> Any:
        return users_helper(a)

    def users_helper(a: Any) -> Any:
        raise LookupError("the user's own")

    page = Page(app.server.test_client()).open()
    with caplog.at_level(logging.CRITICAL):
        answer = page.post(page.request("a.data", ["go.n_clicks"]))
    assert answer.status_code == 500
    assert "users_callback" in answer.text
    assert "users_helper" in answer.text
    assert "the user's own" in answer.text.replace("&#39;", "'")
    assert "binding/callbacks.py" not in answer.text


# -- on the wire


def test_a_store_is_a_plain_store_on_the_wire() -> None:
    from plotly.utils import PlotlyJSONEncoder

    def on_the_wire(store: Any) -> Any:
        return json.loads(json.dumps(store, cls=PlotlyJSONEncoder))

    app = dash.Dash(__name__)
    app.layout = []
    for arguments in ({}, {"storage_type": "local"}, {"clear_data": True}, {"modified_timestamp": 3}):
        plain = on_the_wire(dcc.Store(id="a", **{"storage_type": "session", **arguments}))
        assert on_the_wire(ServerStore(id="a", **arguments)) == plain
    ours, plain = (on_the_wire(Store(id={"a": 1}, data={"x": 1})) for Store in (ServerStore, dcc.Store))
    assert (ours["type"], ours["namespace"]) == (plain["type"], plain["namespace"]) == ("Store", "dash_core_components")
    assert list(ours["props"]["data"]) == ["__store__"]
    assert len(json.dumps(ours["props"]["data"])) < 120


def test_no_value_travels(backend: str) -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a", data={"secret": "initial"}), html.Button(id="go"), html.Button(id="read")]

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), State("a", "data"), prevent_initial_call=True)
    def write(n: int, a: Any) -> Any:
        return {"secret": pd.DataFrame({"secret": ["secret"] * 1_000_000}), "n": n}

    @app.callback(Output("read", "title"), Input("a", "data"), prevent_initial_call=True)
    def read(a: Any) -> str:
        return str(len(a["secret"]))

    page = Page(app.server.test_client()).open()
    for n in (1, 2):
        page.change("go", n_clicks=n)
        assert page.get("read", "title") == "1000000"
    assert len(page.sent) == len(page.received) == 4
    for text in (*page.sent, *page.received, json.dumps(page.props)):
        assert "secret" not in text
        assert len(text) < 1000


def test_frames_nested_in_values_come_back(backend: str) -> None:
    frame = pd.DataFrame({"x": [1.5, None], "t": pd.to_datetime(["2024-01-01", None])}, index=["a", "b"])
    value = {"one": frame, "more": [frame, {"deep": frame}], "blob": b"x", "set": {1}, "plain": [1, None, float("nan")]}
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a"), html.Button(id="go"), html.Div(id="out")]
    app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(lambda n: value)
    seen = []
    app.callback(Output("out", "children"), Input("a", "data"), prevent_initial_call=True)(lambda a: seen.append(a))
    Page(app.server.test_client()).open().change("go", n_clicks=1)
    (got,) = seen
    for found in (got["one"], got["more"][0], got["more"][1]["deep"]):
        pd.testing.assert_frame_equal(found, frame)
    assert (got["blob"], got["set"], got["plain"]) == (b"x", {1}, [1, None, None])


# -- what comes before us, and apps that have no stores

EARLY = """
import sys, json, warnings
import dash
from dash import ALL, Input, Output, Patch, State, callback, ctx, dcc, html, set_props

kind, when = sys.argv[1:]
if when == "first":
    import dash_statemanager

app = dash.Dash(__name__, on_error=lambda error: ({"error": str(error)}, str(ctx.states)))
seen = []

@callback(Output("a", "data"), Output({"s": ALL}, "data"), Input("go", "n_clicks"), State("a", "data"))
def write(n, a):
    seen.append([n, a, ctx.states])
    set_props("b", {"data": {"set": n}})
    return {"n": n, "before": a}, [n, {"n": n}]

@app.callback(Output("out", "children"), Input("a", "data"), Input({"s": ALL}, "data"), State("b", "data"))
async def read(a, s, b):
    seen.append([a, s, b])
    return repr([a, s, b])

@app.callback(Output("b", "data"), Output("out", "title"), Input("fail", "n_clicks"), State("a", "data"),
              prevent_initial_call=True)
def fail(n, a):
    raise ValueError(f"{n} {a}")

def rescue(error):
    seen.append([str(error), ctx.states])
    return {"rescued": True}

@app.callback(Output("b", "data", allow_duplicate=True), Input("fail", "title"), State("a", "data"), on_error=rescue,
              prevent_initial_call=True)
def fail_too(n, a):
    raise ValueError(f"{n} {a}")

@app.callback(Output("a", "data", allow_duplicate=True), Input("patch", "n_clicks"), prevent_initial_call=True)
def patch(n):
    patch = Patch()
    patch["patched"] = n
    return patch

@app.callback()
def first():
    seen.append("first")

@app.callback()
def second():
    seen.append("second")

if when == "whole app":
    app.layout = [html.Div(id="out"), dcc.Store(id="a", data="not served")]
    server = app.server

import dash_statemanager
from tests.integration.page import Page

Store = dcc.Store if kind == "plain" else dash_statemanager.ServerStore
app.layout = [Store(id="a"), Store(id="b", data=[]), Store(id={"s": 1}), Store(id={"s": 2}), html.Div(id="out"),
              *(html.Button(id=name) for name in ("go", "fail", "patch"))]
page = Page(app.server.test_client()).open().start()
for n in (1, 2):
    page.change("go", n_clicks=n).change("patch", n_clicks=n)
page.change("fail", n_clicks=1).change("fail", title="x").change("go", n_clicks=3)
references = sum(isinstance(props.get("data"), dict) and "__store__" in props["data"] for props in page.props.values())
print(json.dumps([seen, page.get("out", "children"), page.get("out", "title")]), references, sep="\\n")
"""


@pytest.mark.parametrize("when", ["first", "after callbacks", "whole app"])
def test_callbacks_may_be_registered_before_we_are_imported(when: str, script: Script) -> None:
    source = EARLY if ASYNC.exists else EARLY.replace("async def", "def")
    ours, references = script(source, "ours", when).splitlines()
    plain, none = script(source, "plain", when).splitlines()
    assert json.loads(ours) == json.loads(plain)
    assert (int(references), int(none)) == (4, 0)


INERT = """
import sys, threading
from pathlib import Path
import dash
from dash import Input, Output, dcc, html

BEFORE = set(sys.modules)
if sys.argv[1] == "with us":
    import dash_statemanager  # what Dash does for an entry point
heavy = {"pandas", "pyarrow", "sqlalchemy", "numpy", "sqlite3", "polars", "duckdb"}
print(sorted(heavy & (set(sys.modules) - BEFORE)))

app = dash.Dash(__name__)
app.layout = [dcc.Store(id="a", data={"x": 1}), html.Button(id="go")]
app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(lambda n: {"n": n})
client = app.server.test_client()
index = client.get("/", headers={"Accept": "text/html"})
layout, dependencies = client.get("/_dash-layout"), client.get("/_dash-dependencies")
answer = client.post("/_dash-update-component", json={
    "output": "a.data", "outputs": {"id": "a", "property": "data"}, "changedPropIds": ["go.n_clicks"],
    "inputs": [{"id": "go", "property": "n_clicks", "value": 1}]})
print(sorted(heavy & (set(sys.modules) - BEFORE)))
print([response.headers.getlist("Set-Cookie") for response in (index, layout, dependencies, answer)])
print("statemanager.js" in index.text, layout.json[0]["props"]["data"], answer.json["response"])
files = sorted(path.name for path in Path().glob("state*"))
threads = {thread.name for thread in threading.enumerate() if "ThreadPoolExecutor" not in thread.name}
print(threads, "dash_statemanager.manager" in sys.modules, files)
"""


def test_without_stores_nothing_happens(script: Script) -> None:
    imported, later, cookies, page, rest = script(INERT, "with us").splitlines()
    assert imported == "[]"
    control = script(INERT, "without us").splitlines()
    assert (later, rest) == (control[1], control[4])  # Dash itself may import numpy, and runs async callbacks in a pool
    assert cookies == "[[], [], [], []]"
    assert page == "False {'x': 1} {'a': {'data': {'n': 1}}}"
    assert rest == "{'MainThread'} False []"


# -- signatures


def test_the_signature_is_that_of_a_plain_store_and_more() -> None:
    import inspect

    ours, plain = (inspect.signature(Store.__init__).parameters for Store in (ServerStore, dcc.Store))
    assert [name for name in ours if name in plain] == [name for name in plain if name in ours]
    assert set(plain) <= set(ours)
    for name in ("storage_type", "clear_data", "modified_timestamp"):
        assert ours[name].annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("wrong", [{"scope": "everybody"}, {"types": "xml"}, {"ttl": 0}, {"ttl": -1}, {"unknown": 1}])
def test_arguments_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)) as raised:
        ServerStore(id="a", **wrong)
    assert next(iter(wrong)) in str(raised.value)


def test_the_same_app_goes_on_after_a_restart_of_the_server() -> None:
    app = dash.Dash(__name__)
    add_callbacks(app)
    page = Page(app.server.test_client()).open()
    page.change("go", n_clicks=1)
    reset()
    page.change("a", data=page.get("a"))
    assert page.get("out", "children") == "{'n': 1, 'b': {'initial': True}}"
