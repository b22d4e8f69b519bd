"""A page that keeps notes: what the tests of sessions look at."""

from __future__ import annotations

from hashlib import sha256

from dash import Dash, Input, Output, State, ctx, dcc, html

from dash_statemanager import ServerStore, SessionError, get_session_id, rotate_session

app = Dash(__name__)
app.layout = [
    ServerStore(id="notes", data=["initial"]),
    ServerStore(id="kept", storage_type="local"),
    ServerStore(id="page", storage_type="memory"),
    dcc.Input(id="text", value=""),
    *[html.Button(name, id=name) for name in ("write", "read", "who", "rotate")],
    *[html.Div(id=f"{name}-shown") for name in ("notes", "kept", "page", "read", "who", "rotate")],
]


@app.callback(
    Output("notes", "data"),
    Output("kept", "data"),
    Output("page", "data"),
    Input("write", "n_clicks"),
    State("text", "value"),
    State("notes", "data"),
    prevent_initial_call=True,
)
def write(_: int, text: str, notes: list[str] | None) -> tuple[list[str], str, str]:
    """Adds the text to the notes, and puts it into the two other stores."""
    return [*(notes or []), text], text, text


@app.callback(
    [Output(f"{name}-shown", "children") for name in ("notes", "kept", "page")],
    [Input(name, "data") for name in ("notes", "kept", "page")],
)
def show(*values: object) -> list[str]:
    """Shows what the three stores hold."""
    return [str(value) for value in values]


@app.callback(
    Output("read-shown", "children"),
    Input("read", "n_clicks"),
    [State(name, "data") for name in ("notes", "kept", "page")],
    prevent_initial_call=True,
)
def read(clicks: int, *values: object) -> str:
    """Reads the three stores again."""
    return f"{clicks}: {values}"


@app.callback(Output("who-shown", "children"), Input("who", "n_clicks"), prevent_initial_call=True)
def who(_: int) -> str:
    """Names the session, in a way that can be shown."""
    try:
        return sha256(get_session_id().encode()).hexdigest()
    except SessionError:
        return "nobody"


@app.callback(Output("rotate-shown", "children"), Input("rotate", "n_clicks"), prevent_initial_call=True)
def rotate(clicks: int) -> str:
    """As a login does."""
    rotate_session()
    return f"{ctx.triggered_id} {clicks}"


if __name__ == "__main__":
    app.run()
