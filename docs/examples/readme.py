"""The app of the README: it reads `flights.parquet` from the working directory."""

from __future__ import annotations

import pandas as pd
from dash import Dash, Input, Output, callback, html

from dash_statemanager import ServerStore

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        html.Button("Load", id="load"),
        ServerStore(id="flights"),
        html.P(id="rows"),
    ]
)


@callback(
    Output("flights", "data"), Input("load", "n_clicks"), prevent_initial_call=True
)
def load(_clicks):
    return pd.read_parquet("flights.parquet")


@callback(Output("rows", "children"), Input("flights", "data"))
def count(flights):
    return "" if flights is None else f"{len(flights):,} flights"


if __name__ == "__main__":
    app.run(debug=True)
