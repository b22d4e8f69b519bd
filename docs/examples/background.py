"""A background callback that takes a table, tells its progress, and gives a table."""

from __future__ import annotations

import diskcache
import pandas as pd
from dash import Dash, DiskcacheManager, Input, Output, State, callback, html

from dash_statemanager import ServerStore

app = Dash(
    __name__,
    background_callback_manager=DiskcacheManager(diskcache.Cache("jobs")),
)
server = app.server

app.layout = html.Div(
    [
        html.Button("Load", id="load"),
        html.Button("Sum up", id="sum-up"),
        html.Button("Stop", id="stop"),
        html.Progress(id="done", max="3"),
        html.P(id="result"),
        ServerStore(id="flights"),
        ServerStore(id="totals"),
    ]
)


@callback(
    Output("flights", "data"), Input("load", "n_clicks"), prevent_initial_call=True
)
def load(clicks):
    return pd.DataFrame({"month": [1, 2, 3] * 1000, "delay": range(3000)})


@callback(
    Output("totals", "data"),
    Input("sum-up", "n_clicks"),
    State("flights", "data"),
    background=True,
    progress=Output("done", "value"),
    cancel=Input("stop", "n_clicks"),
    prevent_initial_call=True,
)
def sum_up(set_progress, clicks, flights):
    totals = {}
    for done, (month, rows) in enumerate(flights.groupby("month"), start=1):
        totals[month] = rows["delay"].sum()
        set_progress(str(done))
    return pd.DataFrame(totals.items(), columns=["month", "delay"])


@callback(
    Output("result", "children"), Input("totals", "data"), prevent_initial_call=True
)
def show(totals):
    return f"{totals['delay'].sum():,} minutes in {len(totals)} months"


if __name__ == "__main__":
    app.run()
