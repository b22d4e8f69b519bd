"""Websocket callbacks see values, whichever way they come and go."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from dash import Dash, Input, Output, ctx, html, set_props

from dash_statemanager import ServerStore

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

    @app.callback(Output("looked", "children"), Input("look", "n_clicks"), prevent_initial_call=True)
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
