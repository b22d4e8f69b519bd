"""A page whose callbacks come and go through a websocket."""

from __future__ import annotations

import os

import pandas as pd
from dash import Dash, Input, Output, State, ctx, html

from dash_statemanager import ServerStore

app = Dash(__name__, backend=os.environ.get("TESTED_BACKEND", "fastapi"), websocket_callbacks=True)
app.layout = html.Div([ServerStore(id="frame"), html.Button("go", id="go"), html.Div(id="out")])


@app.callback(Output("frame", "data"), Input("go", "n_clicks"), State("frame", "data"), prevent_initial_call=True)
async def add(n: int, frame: pd.DataFrame | None) -> pd.DataFrame:
    """Adds a row."""
    assert ctx.websocket is not None
    return pd.concat([frame, pd.DataFrame({"n": [n]})], ignore_index=True)


@app.callback(Output("out", "children"), Input("frame", "data"))
async def show(frame: pd.DataFrame | None) -> str:
    """Shows the rows."""
    return str(None if frame is None else list(frame["n"]))


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app.server, port=int(os.environ["PORT"]), log_level="warning")
