"""An app that keeps its data on the server with ServerStore."""

from __future__ import annotations

import pandas as pd
from dash import Dash, Input, Output, html

from dash_statemanager import ServerStore

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        html.Button("Load", id="load"),
        html.P(id="rows"),
        ServerStore(id="flights"),
    ]
)


@app.callback(
    Output("flights", "data"), Input("load", "n_clicks"), prevent_initial_call=True
)
def load(clicks):
    return pd.DataFrame({"flight": range(1000 * clicks)})


@app.callback(
    Output("rows", "children"), Input("flights", "data"), prevent_initial_call=True
)
def count(flights):
    return f"{len(flights):,} flights"


if __name__ == "__main__":
    app.run()
