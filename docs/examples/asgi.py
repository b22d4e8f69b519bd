"""An app on FastAPI: `uvicorn asgi:server`."""

from __future__ import annotations

import asyncio

import pandas as pd
from dash import Dash, Input, Output, callback, html

from dash_statemanager import ServerStore

app = Dash(__name__, backend="fastapi")
server = app.server

app.layout = html.Div(
    [
        html.Button("Load", id="load"),
        html.P(id="rows"),
        ServerStore(id="flights"),
    ]
)


@callback(
    Output("flights", "data"), Input("load", "n_clicks"), prevent_initial_call=True
)
async def load(clicks):
    await asyncio.sleep(0.1)  # a database, say
    return pd.DataFrame({"flight": range(1000 * clicks)})


@callback(Output("rows", "children"), Input("flights", "data"))
async def count(flights):
    return "nothing yet" if flights is None else f"{len(flights):,} flights"
