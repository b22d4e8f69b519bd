"""A table that is made once and read twice. Run it with `python first_store.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.express as px
from dash import Dash, Input, Output, callback, dcc, html

from dash_statemanager import ServerStore

PLACES = ["cellar", "garden", "roof"]

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        html.H1("Temperatures"),
        html.Button("Measure", id="measure"),
        html.P(id="summary"),
        dcc.Dropdown(PLACES, "garden", id="place", clearable=False),
        dcc.Graph(id="curve"),
        ServerStore(id="measurements"),
    ]
)
# [layout ends]


@callback(
    Output("measurements", "data"),
    Input("measure", "n_clicks"),
    prevent_initial_call=True,
)
def measure(_clicks):
    minutes = pd.date_range("2026-01-01", periods=100_000, freq="min")
    noise = np.random.default_rng().normal(0, 0.05, (len(minutes), len(PLACES)))
    return pd.DataFrame(15 + noise.cumsum(axis=0), index=minutes, columns=PLACES)


@callback(Output("summary", "children"), Input("measurements", "data"))
def summarise(measurements):
    if measurements is None:
        return "Nothing measured yet."
    mean = measurements.to_numpy().mean()
    return f"{measurements.size:,} temperatures, {mean:.1f} °C on average."


@callback(
    Output("curve", "figure"), Input("measurements", "data"), Input("place", "value")
)
def draw(measurements, place):
    if measurements is None:
        return px.line()
    return px.line(measurements[place].resample("4h").mean())


if __name__ == "__main__":
    app.run(debug=True)
