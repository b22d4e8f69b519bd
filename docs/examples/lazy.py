"""A large table that is read page by page, and queried without reading all of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
from dash import Dash, Input, Output, callback, dcc, html

from dash_statemanager import ServerStore, Stored

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        html.Button("Measure", id="measure"),
        dcc.Input(value=0, type="number", min=0, id="page"),
        html.Pre(id="rows"),
        html.P(id="warmest"),
        ServerStore(id="readings"),
    ]
)


@callback(
    Output("readings", "data"),
    Input("measure", "n_clicks"),
    prevent_initial_call=True,
)
def measure(clicks):
    minutes = np.arange(500_000)
    station = np.where(minutes % 2, "north", "south")
    celsius = 10 + 10 * np.sin(minutes / 1440)
    return pd.DataFrame({"minute": minutes, "station": station, "celsius": celsius})


@callback(
    Output("rows", "children"),
    Input("readings", "data"),
    Input("page", "value"),
)
def show(readings: Stored[pd.DataFrame] | None, page: int):
    if readings is None:
        return "nothing yet"
    return readings.rows(10 * page, 10, columns=["minute", "celsius"]).to_string()


@callback(Output("warmest", "children"), Input("readings", "data"))
def warmest(readings: Stored[pd.DataFrame] | None):
    if readings is None:
        return ""
    query = readings.scan().filter(pl.col("celsius") > 19.99).select(pl.len())
    return f"{query.collect().item():,} minutes were warm"
