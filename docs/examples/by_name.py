"""Stores by their name, one at a time, and results that are computed once."""

from __future__ import annotations

import time

from dash import Dash, Input, Output, callback, dcc, html

from dash_statemanager import (
    ServerStore,
    get_store,
    locked,
    memoized,
    set_store,
    state_managed_callback,
)

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        dcc.Dropdown(["EWR", "JFK", "LGA"], "JFK", id="airport"),
        html.P(id="chosen"),
        html.Button("Show", id="show"),
        html.P(id="shown"),
        html.P(id="count"),
        ServerStore(id="filters"),
        ServerStore(id="clicks", data=0),
    ]
)


@callback(Output("chosen", "children"), Input("airport", "value"))
def choose(airport):
    set_store("filters", {"airport": airport})
    return f"{airport} it is."


@memoized(ttl=3600, scope="app")
def describe(airport):
    time.sleep(0.1)  # stands for a slow query
    return f"All about {airport}"


@callback(
    Output("shown", "children"), Input("show", "n_clicks"), prevent_initial_call=True
)
@state_managed_callback(store_mappings={"filters": "filters"})
def show(_clicks, filters):
    return describe(filters["airport"])


@callback(
    Output("count", "children"), Input("show", "n_clicks"), prevent_initial_call=True
)
@locked("clicks")
def count(_clicks):
    clicks = get_store("clicks", 0) + 1
    set_store("clicks", clicks)
    return f"Shown {clicks} times"


if __name__ == "__main__":
    app.run(debug=True)
