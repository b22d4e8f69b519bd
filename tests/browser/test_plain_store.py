"""Chromium, chromedriver and dash[testing] work together: what a plain dcc.Store does in this setup."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, dcc, html


def test_a_plain_store_carries_a_value_through_the_browser(dash_duo: Any) -> None:
    app = dash.Dash(__name__)
    app.layout = [dcc.Store(id="store", data={"n": 1}), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input("store", "data"))
    def show(data: dict[str, int]) -> str:
        return f"n is {data['n']}"

    dash_duo.start_server(app)
    dash_duo.wait_for_text_to_equal("#out", "n is 1")
    assert dash_duo.get_logs() == []
