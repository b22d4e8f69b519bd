"""The app of the soak: small values, frames and patches, each of which tells what it should be."""

from __future__ import annotations

from typing import Any

import pandas as pd
from dash import Input, Output, Patch, State, html

from dash_statemanager import ServerStore
from tests.benchmarks.peers.base import dash_app

app = dash_app()
server = app.server
app.layout = html.Div(
    [
        *(ServerStore(id=name) for name in ("small", "frame", "log")),
        *(html.Button(id=name) for name in ("write", "grow", "append", "read")),
        html.Div(id="seen"),
    ]
)


@app.callback(Output("small", "data"), Input("write", "n_clicks"), prevent_initial_call=True)
def write(n: int) -> Any:
    return {"serial": n, "items": list(range(20))}


@app.callback(Output("frame", "data"), Input("grow", "n_clicks"), prevent_initial_call=True)
def grow(n: int) -> pd.DataFrame:
    return pd.DataFrame({"serial": [n] * 5_000, "value": range(5_000)})


@app.callback(Output("log", "data"), Input("append", "n_clicks"), State("log", "data"), prevent_initial_call=True)
def append(n: int, log: list[int] | None) -> Any:
    if log is None or len(log) >= 10:
        return [n]
    patch = Patch()
    patch.append(n)
    return patch


@app.callback(
    Output("seen", "children"),
    Input("read", "n_clicks"),
    *(State(name, "data") for name in ("small", "frame", "log")),
    prevent_initial_call=True,
)
def read(_: int, small: Any, frame: pd.DataFrame | None, log: list[int] | None) -> list[Any]:
    serial = None if frame is None else int(frame["serial"].iloc[-1])
    return [small and small["serial"], serial, log and log[-1]]
