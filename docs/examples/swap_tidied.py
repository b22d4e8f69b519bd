"""An app that counts flights."""

from __future__ import annotations

import pandas as pd
from dash import Dash, Input, Output, callback, dcc, html

from dash_statemanager import ServerStore

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        dcc.Dropdown(["EWR", "JFK", "LGA"], "JFK", id="airport"),
        ServerStore(id="flights"),
        ServerStore(id="visits", data=0),
        html.P(id="rows"),
    ]
)


@callback(Output("flights", "data"), Input("airport", "value"))
def load(airport):
    return pd.DataFrame({"origin": [airport] * 3, "delay": [4.0, None, 11.0]})


@callback(Output("rows", "children"), Input("flights", "data"))
def count(flights):
    return f"{len(flights)} flights from {flights.origin.iloc[0]}"


if __name__ == "__main__":
    app.run(debug=True)
