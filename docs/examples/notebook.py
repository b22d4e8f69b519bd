"""The cells of a notebook."""

# %% An app in a cell, which may run again and again
import pandas as pd
from dash import Dash, Input, Output, callback, dcc, html

from dash_statemanager import ServerStore, configure, get_store, is_configured

if not is_configured():
    configure(backend="memory")

app = Dash(__name__)
server = app.server
app.layout = html.Div(
    [
        dcc.Dropdown(["JFK", "LGA"], "JFK", id="airport"),
        ServerStore(id="chosen", scope="app"),
    ]
)


@callback(Output("chosen", "data"), Input("airport", "value"))
def choose(airport):
    return pd.DataFrame({"flight": [1, 2, 3], "origin": airport})


if __name__ == "__main__":
    app.run(jupyter_mode="inline")


# %% What the app has just chosen, in the next cell
def chosen():
    return get_store("chosen")
