"""Workers in which no store was made yet: the app means to use some, or has none and is to be left alone."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dash
import flask
import pytest
from dash import Input, Output, html

from dash_statemanager import ServerStore, SessionError, configure, get_store, rotate_session, set_store
from dash_statemanager.api import definitions, get_state_manager
from dash_statemanager.definitions import Definitions

from .page import Page

APP = """
    import json, sys
    from pathlib import Path
    import pandas as pd
    from dash import Dash, Input, Output, State, html
    from dash_statemanager import ServerStore, get_store

    app = Dash(__name__, suppress_callback_exceptions=True)
    app.layout = [html.Button(id="open"), html.Div(id="page")]

    @app.callback(Output("page", "children"), Input("open", "n_clicks"), prevent_initial_call=True)
    def render(n):
        return [ServerStore(id="late"), html.Button(id="go"), html.Div(id="seen")]

    @app.callback(Output("late", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n):
        return pd.DataFrame({"n": [n]})

    def ask(output, button, prop):
        body = {
            "output": f"{output}.{prop}",
            "outputs": {"id": output, "property": prop},
            "inputs": [{"id": button, "property": "n_clicks", "value": 7}],
            "changedPropIds": [f"{button}.n_clicks"],
            "state": [],
        }
        return client.post("/_dash-update-component", json=body)

    client, cookie = app.server.test_client(), Path("cookie.json")
    if not cookie.exists():
        index = client.get("/", headers={"Accept": "text/html"}).text
        assert "/dash_statemanager/static" in index  # the script, which the page needs once it has a store
        assert ask("page", "open", "children").status_code == 200
        held = client._cookies.values()
        cookie.write_text(json.dumps([(each.key, each.value) for each in held]))
    else:
        for name, value in json.loads(cookie.read_text()):
            client.set_cookie(name, value)
        answer = ask("late", "go", "data")
        print(json.dumps([answer.status_code, answer.json["response"]["late"]["data"]]))
"""


def test_a_worker_that_made_no_store_itself_keeps_values_like_the_one_that_did(
    script: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert script(APP) == ""
    status, sent = json.loads(script(APP))
    assert status == 200
    assert list(sent) == ["__store__"]


def test_an_app_that_does_not_name_the_store_is_left_alone(
    script: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = """
        import dash_statemanager  # as Dash does in every app of an environment
        from dash import Dash, html

        app = Dash(__name__)
        app.layout = html.Div()
        answer = app.server.test_client().get("/", headers={"Accept": "text/html"})
        print(answer.status_code, answer.headers.getlist("Set-Cookie"), "/dash_statemanager/static" in answer.text)
    """
    assert script(source) == "200 [] False\n"
    assert not list(tmp_path.glob("*.db"))


@pytest.fixture(params=["stores", "none yet"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dash.Dash:
    """An app with a login, in a process that has made its stores or not."""
    configure(backend="memory")
    app = dash.Dash(__name__, suppress_callback_exceptions=True)
    app.layout = [html.Button(id="go"), html.Div(id="out")]
    if request.param == "stores":
        ServerStore(id="cart")
    else:
        for name in ("_lasting", "_passing"):
            monkeypatch.setattr(definitions, name, type(getattr(definitions, name))())
        monkeypatch.setattr(definitions, "_expected", False)

    @app.server.route("/login")
    def login() -> str:
        rotate_session()
        return "welcome"

    @app.callback(Output("out", "children"), Input("go", "n_clicks"), prevent_initial_call=True)
    def count(n: int) -> str:
        try:
            before = get_store("cart")
            set_store("cart", n)
        except SessionError as exc:
            return type(exc).__name__
        return str(before)

    return app


def click(client: Any, n: int) -> str:
    body = {
        "output": "out.children",
        "outputs": {"id": "out", "property": "children"},
        "inputs": [{"id": "go", "property": "n_clicks", "value": n}],
        "changedPropIds": ["go.n_clicks"],
        "state": [],
    }
    answer = client.post("/_dash-update-component", json=body)
    assert answer.status_code == 200
    return str(answer.json["response"]["out"]["children"])


def test_a_login_of_one_visitor_is_none_of_the_next_one_in_the_thread(app: dash.Dash) -> None:
    assert app.server.test_client().get("/login").text == "welcome"
    strangers = [click(app.server.test_client(), n) for n in (1, 2)]
    assert strangers == ["SessionError", "SessionError"]


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
def test_a_user_whom_a_request_enters_ends_with_it(backend: str) -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="mine", scope="user"), html.Button(id="go"), html.Div(id="out")]

    @app.server.before_request
    def know_the_visitor() -> None:
        if name := flask.request.headers.get("X-Login"):
            get_state_manager().set_user_context(name)

    @app.callback(Output("mine", "data"), Output("out", "children"), Input("go", "n_clicks"), prevent_initial_call=True)
    def swap(n: int) -> tuple[int, str]:
        return n, str(get_store("mine"))

    def swapped(n: int, **headers: str) -> str:
        page = Page(app.server.test_client()).open()
        page.client.environ_base.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        return str(page.change("go", n_clicks=n).get("out", "children"))

    assert [swapped(1, x_login="Ann"), swapped(2, x_login="Ann")] == ["None", "1"]
    assert swapped(3) == "None"


def test_what_a_layout_gives_the_first_visitor_is_nobody_elses_initial_value(script: Callable[..., str]) -> None:
    source = """
        from dash import Dash, Input, Output, State, html
        from dash_statemanager import ServerStore, configure

        configure(backend="memory")
        app = Dash(__name__, suppress_callback_exceptions=True)
        page = html.Button(id="go"), html.Div(id="out")
        app.layout = lambda: [ServerStore(id="own", data="the first visitor's"), *page]

        @app.callback(Output("out", "children"), Input("go", "n_clicks"), State("own", "data"))
        def read(n, own):
            return str(own)

        app.server.test_client().get("/_dash-layout")
        body = {
            "output": "out.children",
            "outputs": {"id": "out", "property": "children"},
            "inputs": [{"id": "go", "property": "n_clicks", "value": 1}],
            "changedPropIds": ["go.n_clicks"],
            "state": [{"id": "own", "property": "data", "value": {"__store__": "made up"}}],
        }
        print(app.server.test_client().post("/_dash-update-component", json=body).text)
    """
    answer = json.loads(script(source))
    assert answer["response"]["out"]["children"] == "None"


def test_a_store_for_ever_that_a_visit_makes_is_known_to_other_workers(backend: str) -> None:
    app = dash.Dash(__name__)
    app.layout = lambda: [ServerStore(id="for-ever", ttl=math.inf), html.Button(id="go")]

    @app.callback(Output("for-ever", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> int:
        return n

    page = Page(app.server.test_client()).open()
    other = Definitions(time.time)
    manager = get_state_manager()
    found = other.find("/", "for-ever", lambda: manager.backend, manager.settings.namespace)
    assert found is not None
    assert found.ttl == math.inf
    page.change("go", n_clicks=1)
    assert list(page.get("for-ever")) == ["__store__"]
