"""Stores in the cache that an app already has."""

from __future__ import annotations

from dash import Dash, Input, Output, callback, html
from flask_caching import Cache

from dash_statemanager import ServerStore, configure

app = Dash(__name__)
server = app.server
cache = Cache(
    server,
    config={
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": "cache",
        "CACHE_THRESHOLD": 0,
    },
)
configure(backend="flask-caching", flask_cache=cache)

app.layout = html.Div(
    [
        html.Button("Count", id="count"),
        html.Div(id="shown"),
        ServerStore(id="counted"),
    ]
)


@callback(
    Output("counted", "data"),
    Input("count", "n_clicks"),
    prevent_initial_call=True,
)
def count(clicks):
    return {"clicks": clicks}


@callback(Output("shown", "children"), Input("counted", "data"))
def show(counted):
    return f"{counted['clicks']} clicks" if counted else "no clicks yet"


if __name__ == "__main__":
    app.run()
