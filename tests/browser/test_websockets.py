"""Websocket callbacks see values, whichever way they come and go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dash import Dash, Input, Output, ctx, html, set_props
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from dash_statemanager import ServerStore
from tests.browser.server import APPS, serving
from tests.browser.support import await_text, errors, text
from tests.servers.base import wait_until

pytest_plugins = ["tests.browser.fixtures"]
pytestmark = pytest.mark.browser


@pytest.mark.parametrize("backend", ["fastapi", "quart"])
def test_arguments_results_and_properties_on_the_way(dash_duo: Any, backend: str) -> None:
    pytest.importorskip(backend)
    app = Dash(__name__, backend=backend, websocket_callbacks=True)
    app.layout = html.Div(
        [
            ServerStore(id="frame"),
            ServerStore(id="list", data=[1]),
            html.Button("go", id="go"),
            html.Button("look", id="look"),
            *[html.Div(id=name) for name in ("out", "looked")],
        ]
    )

    @app.callback(Output("frame", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    async def write(n: int) -> pd.DataFrame:
        set_props("list", {"data": [n, n]})
        return pd.DataFrame({"a": range(n)})

    @app.callback(Output("out", "children"), Input("frame", "data"), Input("list", "data"))
    def show(frame: pd.DataFrame | None, items: list[int]) -> str:
        assert ctx.websocket is not None
        return json.dumps([None if frame is None else list(frame["a"]), items])

    @app.callback(Output("looked", "children"), Input("look", "n_clicks"), prevent_initial_call=True, persistent=True)
    async def look(_: int) -> str:
        frame = await ctx.websocket.get_prop("frame", "data")
        await ctx.websocket.set_prop("list", "data", ["seen"])
        return f"{type(frame).__name__} of {len(frame)}"

    dash_duo.start_server(app)
    dash_duo.wait_for_text_to_equal("#out", "[null, [1]]")
    dash_duo.find_element("#go").click()
    dash_duo.wait_for_text_to_equal("#out", "[[0], [1, 1]]")
    assert set(json.loads(dash_duo.driver.execute_script("return sessionStorage.getItem('frame')"))) == {"__store__"}
    dash_duo.find_element("#look").click()
    dash_duo.wait_for_text_to_equal("#looked", "DataFrame of 1")
    dash_duo.wait_for_text_to_equal("#out", '[[0], ["seen"]]')


def test_a_page_goes_on_with_its_values_when_the_connection_comes_back(duo: Any, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    with serving(APPS / "sockets.py", tmp_path / "sockets.log") as server:
        duo.driver.get(server.url)
        await_text(duo.driver, "out", "None")
        duo.driver.find_element(By.ID, "go").click()
        await_text(duo.driver, "out", "[1]")
        server.kill()
        server.start()
        wait_until(lambda: clicked(duo.driver), 30)
        shown = text(duo.driver, "out")
        assert shown.startswith("[1, ")
        assert errors_of_callbacks(duo.driver) == []


def clicked(driver: Any) -> bool:
    """Whether a click arrives; one may be lost while the page has no connection."""
    driver.find_element(By.ID, "go").click()
    WebDriverWait(driver, 3, 0.1).until(lambda _: text(driver, "out") != "[1]")
    return True


def errors_of_callbacks(driver: Any) -> list[str]:
    return [message for message in errors(driver) if "Callback" in message]
