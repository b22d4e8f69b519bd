"""Data that is cleaned once and used by two graphs and a table, as on the page about sharing data."""

from __future__ import annotations

import json

import pandas as pd
import plotly.express as px
from dash import Dash, Input, Output, dash_table, dcc, html

CITIES = ["Lima", "Oslo", "Pune"]
RAW = pd.DataFrame(
    {
        "city": [city for city in CITIES for _ in range(20)],
        "day": list(pd.date_range("2024-05-01", periods=20)) * 3,
        "value": [None if n % 7 == 3 else float(n * n % 50) for n in range(60)],
    }
)

app = Dash(__name__)
app.layout = html.Div(
    [
        dcc.RadioItems(CITIES, "Lima", id="city"),
        dcc.Graph(id="line"),
        dcc.Graph(id="histogram"),
        dash_table.DataTable(id="table"),
        html.P(id="summary"),
        dcc.Store(id="cleaned"),
    ]
)


@app.callback(Output("cleaned", "data"), Input("city", "value"))
def clean(city: str) -> str:
    """The step that takes long, done once for all that show its result."""
    frame = RAW[RAW["city"] == city].dropna()
    by_week = frame.groupby(frame["day"].dt.isocalendar().week)["value"].mean().round(3)
    sets = {
        "frame": frame.to_json(orient="split", date_format="iso"),
        "weeks": pd.DataFrame({"week": by_week.index.astype(int), "mean": by_week.to_numpy()}).to_json(orient="split"),
    }
    return json.dumps(sets)


def read(cleaned: str, name: str) -> pd.DataFrame:
    """One of the data sets of the store."""
    held = json.loads(json.loads(cleaned)[name])
    return pd.DataFrame(held["data"], columns=held["columns"])


@app.callback(Output("line", "figure"), Input("cleaned", "data"))
def draw_line(cleaned: str) -> object:
    """The values over time."""
    return px.line(read(cleaned, "frame"), x="day", y="value", title="by day")


@app.callback(Output("histogram", "figure"), Input("cleaned", "data"))
def draw_histogram(cleaned: str) -> object:
    """How the values are spread."""
    return px.histogram(read(cleaned, "frame"), x="value", title="spread")


@app.callback(Output("table", "data"), Input("cleaned", "data"))
def fill_table(cleaned: str) -> object:
    """The weekly means."""
    return read(cleaned, "weeks").to_dict("records")


@app.callback(Output("summary", "children"), Input("cleaned", "data"))
def summarise(cleaned: str) -> str:
    """A sentence about the values."""
    frame = read(cleaned, "frame")
    return f"{len(frame)} values of {frame['city'].iloc[0]}, {frame['value'].sum():g} in all"


if __name__ == "__main__":
    app.run()
