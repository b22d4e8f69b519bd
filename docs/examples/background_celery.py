"""The same with Celery: `celery -A background_celery:celery worker` runs the jobs."""

from __future__ import annotations

import os

from celery import Celery
from dash import CeleryManager, Dash, Input, Output, State, callback, html

from dash_statemanager import ServerStore

REDIS = os.environ.get("REDIS_URL", "redis://localhost:6379/1")

celery = Celery(__name__, broker=REDIS, backend=REDIS)
app = Dash(__name__, background_callback_manager=CeleryManager(celery))
server = app.server

app.layout = html.Div(
    [
        html.Button("Count", id="count"),
        html.P(id="result"),
        ServerStore(id="counted"),
    ]
)


@callback(
    Output("counted", "data"),
    Input("count", "n_clicks"),
    State("counted", "data"),
    background=True,
    prevent_initial_call=True,
)
def count(clicks, counted):
    return [*(counted or []), clicks]


@callback(
    Output("result", "children"), Input("counted", "data"), prevent_initial_call=True
)
def show(counted):
    return str(counted)


if __name__ == "__main__":
    app.run()
