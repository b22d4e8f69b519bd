"""A login gives the session a new id, and each user's notes follow them."""

from __future__ import annotations

import flask
from dash import Dash, Input, Output, State, callback, ctx, dcc, html
from werkzeug.security import check_password_hash, generate_password_hash

from dash_statemanager import (
    ServerStore,
    configure,
    get_state_manager,
    get_store,
    rotate_session,
)

# Somewhere in your own code: who may log in.
PASSWORDS = {
    "ada": generate_password_hash("engine"),
    "emmy": generate_password_hash("ring"),
}
NOBODY = generate_password_hash("")


def current_user() -> str | None:
    """The name of whoever is logged in; ServerStore asks this for `scope="user"`."""
    return flask.session.get("user") if flask.has_request_context() else None


server = flask.Flask(__name__)
server.secret_key = "read this from your environment"
configure(identity=f"{__name__}:current_user")
app = Dash(__name__, server=server)
# [set-up ends]

app.layout = html.Div(
    [
        dcc.Input(id="name", placeholder="Name"),
        dcc.Input(id="password", placeholder="Password", type="password"),
        html.Button("Log in", id="log-in"),
        html.Button("Log out", id="log-out"),
        html.P("Nobody is logged in.", id="who"),
        dcc.Input(id="note", placeholder="A note"),
        html.Button("Keep", id="keep"),
        html.P(id="kept"),
        ServerStore(id="notes", scope="user"),
    ]
)


@callback(
    Output("who", "children"),
    Input("log-in", "n_clicks"),
    State("name", "value"),
    State("password", "value"),
    prevent_initial_call=True,
)
def log_in(_clicks, name, password):
    if not password or not check_password_hash(PASSWORDS.get(name, NOBODY), password):
        return "That is not right."
    flask.session["user"] = name
    rotate_session()
    return f"Hello, {name}."


@callback(
    Output("who", "children", allow_duplicate=True),
    Input("log-out", "n_clicks"),
    prevent_initial_call=True,
)
def log_out(_clicks):
    get_state_manager().clear_session()
    flask.session.clear()
    rotate_session()
    return "Nobody is logged in."


@callback(
    Output("notes", "data"),
    Input("keep", "n_clicks"),
    Input("who", "children"),
    State("note", "value"),
    prevent_initial_call=True,
)
def keep(_clicks, _who, note):
    notes = get_store("notes", [])
    return [*notes, note] if ctx.triggered_id == "keep" and note else notes


@callback(Output("kept", "children"), Input("notes", "data"))
def show(notes):
    return ", ".join(notes or [])


if __name__ == "__main__":
    app.run(debug=True)
