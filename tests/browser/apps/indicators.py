"""A figure that code in the browser redraws, as on the page about clientside callbacks."""

from __future__ import annotations

import json

import pandas as pd
from dash import Dash, Input, Output, State, callback, clientside_callback, dcc, html

YEARS = [*range(1990, 2020, 5)]
PLACES = {"Chile": 1, "Norway": 2, "India": 3}
RAW = pd.DataFrame([{"country": country, "year": year} for country in PLACES for year in YEARS])
RAW["pop"] = 10**6 * RAW["country"].map(PLACES) * (RAW["year"] - 1980)
RAW["life"] = 60.1 + RAW["country"].map(PLACES) + (RAW["year"] - 1990) / 20

app = Dash(__name__)
app.layout = html.Div(
    [
        dcc.Graph(id="graph"),
        dcc.Store(id="figure", data=[{"x": YEARS, "y": [0] * len(YEARS)}], storage_type="memory"),
        dcc.Store(id="clicks", storage_type="session"),
        dcc.RadioItems({"pop": "Population", "life": "Life Expectancy"}, "pop", id="indicator"),
        dcc.RadioItems([*PLACES], "Chile", id="country"),
        dcc.RadioItems(["linear", "log"], "linear", id="scale"),
        html.Button("again", id="again"),
        html.Pre(id="contents"),
        html.P(id="total"),
        html.P(id="drawn"),
    ]
)


@callback(Output("figure", "data"), Input("indicator", "value"), Input("country", "value"))
def choose(indicator: str, country: str) -> list[dict[str, list[float]]]:
    """What the figure shows."""
    chosen = RAW[RAW["country"] == country]
    return [{"x": chosen["year"].tolist(), "y": chosen[indicator].tolist()}]


clientside_callback(
    """function (data, scale) {
        return {data: data, layout: {title: {text: 'scale: ' + scale}, yaxis: {type: scale}}};
    }""",
    Output("graph", "figure"),
    Input("figure", "data"),
    Input("scale", "value"),
)
clientside_callback(
    """function (data) {
        return 'in all: ' + data[0].y.reduce(function (sum, y) { return sum + y; }, 0);
    }""",
    Output("total", "children"),
    Input("figure", "data"),
)
clientside_callback(
    """function (clicks, before) {
        return clicks ? {times: ((before || {}).times || 0) + 1} : dash_clientside.no_update;
    }""",
    Output("clicks", "data"),
    Input("again", "n_clicks"),
    State("clicks", "data"),
)


@callback(Output("contents", "children"), Input("figure", "data"))
def show_contents(data: list[dict[str, list[float]]]) -> str:
    """The stored data."""
    return json.dumps(data)


@callback(Output("drawn", "children"), Input("clicks", "data"))
def show_clicks(clicks: dict[str, int] | None) -> str:
    """What code in the browser counted."""
    return f"again: {clicks['times'] if clicks else 0}"


if __name__ == "__main__":
    app.run()
