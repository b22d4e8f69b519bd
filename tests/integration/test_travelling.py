"""The log names, at start, each store whose data travels to a clientside callback."""

from __future__ import annotations

import dash
import pytest
from dash import ALL, MATCH, ClientsideFunction, Input, Output, State, dcc, html

from dash_statemanager import ServerStore

FUNCTION = ClientsideFunction("own", "draw")


def test_each_store_whose_data_travels_is_named_once(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    app = dash.Dash(__name__)
    app.layout = [
        ServerStore(id="travels"),
        ServerStore(id="stays"),
        ServerStore(id="kept", clientside="reference"),
        ServerStore(id={"kind": "pattern", "i": 0}),
        ServerStore(id={"kind": "kept", "i": 0}, clientside="reference"),
        dcc.Store(id="plain"),
        *[html.Div(id=name) for name in ("out", "seen")],
        html.Div(id={"kind": "out", "i": 0}),
    ]
    app.clientside_callback(
        FUNCTION,
        Output("out", "children"),
        Input("travels", "data"),
        State("kept", "data"),
        State("plain", "data"),
        State("stays", "modified_timestamp"),
        State({"kind": "kept", "i": ALL}, "data"),
    )
    app.clientside_callback(
        FUNCTION, Output({"kind": "out", "i": MATCH}, "children"), Input({"kind": "pattern", "i": MATCH}, "data")
    )
    app.callback(Output("seen", "children"), Input("stays", "data"))(lambda data: data)
    client = app.server.test_client()
    with caplog.at_level("INFO", "dash_statemanager"):
        for path in ("/", "/_dash-layout", "/_dash-dependencies", "/_dash-dependencies"):
            assert client.get(path).status_code == 200
    said = [record.getMessage() for record in caplog.records if "travels" in record.getMessage()]
    stores = ["'travels'", '\'{"i":["MATCH"],"kind":"pattern"}\'']
    told = "the data of store {} travels to the browser for the clientside callback own/draw"
    assert said == [told.format(store) for store in stores]
