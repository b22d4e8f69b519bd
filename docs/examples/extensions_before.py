"""An app that keeps its data on the server with dash-extensions."""

from __future__ import annotations

import pandas as pd
from dash_extensions.enrich import (
    DashProxy,
    Input,
    Output,
    Serverside,
    ServersideOutputTransform,
    dcc,
    html,
)

app = DashProxy(__name__, transforms=[ServersideOutputTransform()])
server = app.server

app.layout = html.Div(
    [
        html.Button("Load", id="load"),
        html.P(id="rows"),
        dcc.Store(id="flights"),
    ]
)


@app.callback(
    Output("flights", "data"), Input("load", "n_clicks"), prevent_initial_call=True
)
def load(clicks):
    return Serverside(pd.DataFrame({"flight": range(1000 * clicks)}))


@app.callback(
    Output("rows", "children"), Input("flights", "data"), prevent_initial_call=True
)
def count(flights):
    return f"{len(flights):,} flights"


if __name__ == "__main__":
    app.run()
