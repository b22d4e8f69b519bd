"""An app for several processes: `gunicorn --preload --workers 4 workers:server`."""

from __future__ import annotations

import os

from dash import Dash, Input, Output, State, callback, html

from dash_statemanager import ServerStore

app = Dash(__name__)
server = app.server

app.layout = html.Div(
    [
        html.Button("Count", id="more"),
        html.P(id="shown"),
        ServerStore(id="count", data=0),
    ]
)


@callback(
    Output("count", "data"),
    Input("more", "n_clicks"),
    State("count", "data"),
    prevent_initial_call=True,
)
def count(_clicks, so_far):
    return so_far + 1


@callback(Output("shown", "children"), Input("count", "data"))
def show(so_far):
    return f"{so_far}, says process {os.getpid()}"
