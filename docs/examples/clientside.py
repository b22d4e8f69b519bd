"""A clientside callback, unchanged, over a table that is kept on the server."""

from __future__ import annotations

import pandas as pd
from dash import Dash, Input, Output, callback, clientside_callback, html

from dash_statemanager import ServerStore

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        html.Button("Measure", id="measure"),
        html.P(id="highest"),
        ServerStore(id="readings"),
    ]
)


@callback(
    Output("readings", "data"),
    Input("measure", "n_clicks"),
    prevent_initial_call=True,
)
def measure(clicks):
    return pd.DataFrame({"hour": range(24), "celsius": range(clicks, clicks + 24)})


clientside_callback(
    """function (rows) {
        return rows ? `${Math.max(...rows.map(row => row.celsius))} °C` : "nothing yet";
    }""",
    Output("highest", "children"),
    Input("readings", "data"),
)
