"""What visitors of an app see while its backend is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dash
import pandas as pd
import pytest
from dash import Input, Output, State, html

import dash_statemanager
from dash_statemanager import BackendUnavailable, ServerStore
from dash_statemanager.config import Settings
from tests.integration.page import Page
from tests.servers.base import Proxy, wait_until

pytestmark = pytest.mark.parametrize("server", ["redis", "postgresql"], indirect=True)


def make_app() -> dash.Dash:
    app = dash.Dash(__name__)
    app.layout = [
        ServerStore(id="frame"),
        ServerStore(id="settings", data={"a": 1}),
        *(html.Button(id=name) for name in ("load", "plain", "show")),
        *(html.Div(id=name) for name in ("rows", "clock", "trouble")),
    ]

    @app.callback(Output("frame", "data"), Input("load", "n_clicks"), prevent_initial_call=True, on_error=on_error)
    def load(n: int) -> pd.DataFrame:
        return pd.DataFrame({"x": range(n)})

    @app.callback(
        Output("rows", "children"),
        Input("show", "n_clicks"),
        State("frame", "data"),
        State("settings", "data"),
        prevent_initial_call=True,
    )
    def show(_: int, frame: pd.DataFrame, settings: Any) -> str:
        return f"{len(frame)} rows {settings}"

    @app.callback(Output("clock", "children"), Input("plain", "n_clicks"), prevent_initial_call=True)
    def plain(n: int) -> str:
        return f"clicked {n} times"

    return app


def on_error(error: Exception) -> None:
    assert isinstance(error, BackendUnavailable)
    dash.set_props("trouble", {"children": "Please come back in a minute."})


@pytest.fixture
def visit(settings: Callable[..., Settings]) -> Callable[..., Page]:
    """Opens the app on the server, with something in its store."""

    def visit(**more: Any) -> Page:
        dash_statemanager.configure(**settings(**more).model_dump())
        page = Page(make_app().server.test_client()).open()
        page.change("load", n_clicks=3)
        page.change("show", n_clicks=1)
        assert page.get("rows", "children") == "3 rows {'a': 1}"
        return page

    return visit


@contextmanager
def outage(proxy: Proxy, page: Page) -> Iterator[None]:
    """The way to the server hangs; the first who needs it has waited already."""
    proxy.mode = "hang"
    page.change("load", n_clicks=4)
    yield
    proxy.mode = "pass"
    wait_until(lambda: page.change("load", n_clicks=5).change("show", n_clicks=5).get("rows", "children")[0] == "5", 5)


def test_the_app_answers_throughout_and_works_again_by_itself(visit: Callable[..., Page], proxy: Proxy) -> None:
    page = visit()
    with outage(proxy, page):
        assert page.get("trouble", "children") == "Please come back in a minute."
        start = time.monotonic()
        for n in range(20):
            page.change("plain", n_clicks=n)
            assert page.get("clock", "children") == f"clicked {n} times"
            page.change("show", n_clicks=n + 10)
            assert page.get("rows", "children") == "3 rows {'a': 1}"  # the process has it
            page.change("load", n_clicks=n)
        another = Page(page.client.application.test_client()).open()
        another.change("plain", n_clicks=1)
        assert another.get("clock", "children") == "clicked 1 times"
        assert time.monotonic() - start < 2, "none of them was to wait for the backend"


def test_an_app_that_starts_while_the_backend_is_away_answers(settings: Callable[..., Settings], proxy: Proxy) -> None:
    proxy.mode = "refuse"
    dash_statemanager.configure(**settings().model_dump())
    page = Page(make_app().server.test_client()).open()
    page.change("plain", n_clicks=1)
    assert page.get("clock", "children") == "clicked 1 times"
    proxy.mode = "pass"
    wait_until(lambda: page.change("load", n_clicks=2).change("show", n_clicks=2).get("rows", "children"), 5)
    assert page.get("rows", "children") == "2 rows {'a': 1}"


def test_with_the_fallback_nobody_notices(visit: Callable[..., Page], proxy: Proxy) -> None:
    page = visit(fallback="client")
    with outage(proxy, page):
        assert page.get("trouble", "children") is None
        page.change("show", n_clicks=7)
        assert page.get("rows", "children") == "4 rows {'a': 1}"
        assert "__value__" in page.get("frame")
    wait_until(lambda: "__value__" not in page.change("load", n_clicks=6).get("frame"), 5)
