"""Three pages that share what was chosen, as on the pages about multi-page apps."""

from __future__ import annotations

from typing import Any

import dash
from dash import ALL, Dash, Input, Output, State, callback, ctx, dcc, html

CITIES = {"Lima": 11.2, "Oslo": 0.7, "Pune": 7.4}

app = Dash(__name__, use_pages=True, pages_folder="", suppress_callback_exceptions=True)


def page(city: str = "", **_: Any) -> html.Div:
    """A page for each visit, with a store of its own."""
    return html.Div(
        [
            html.H2(f"About {city or 'no city'}"),
            dcc.Store(id="opened", data={"city": city}, storage_type="memory"),
            html.P(id="about"),
            html.Button("keep", id="keep"),
        ]
    )


dash.register_page("home", path="/", layout=html.Div([html.H2("Home"), html.P("Choose a city.")]))
dash.register_page("city", path_template="/city/<city>", layout=page)
dash.register_page(
    "archive", path="/archive", layout=html.Div([html.H2("Archive"), html.P(id="list"), html.Div(id="buttons")])
)

app.layout = html.Div(
    [
        dcc.Store(id="kept", data=[], storage_type="session"),
        dcc.Link("home", href="/", className="link"),
        *[dcc.Link(city, href=f"/city/{city}", className="link") for city in CITIES],
        dcc.Link("archive", href="/archive", className="link"),
        html.P(id="count"),
        dash.page_container,
    ]
)


@callback(Output("about", "children"), Input("opened", "data"), State("kept", "data"))
def about(opened: dict[str, str], kept: list[str]) -> str:
    """The page's own store, and the one that all pages share."""
    city = opened["city"]
    return f"{city} has {CITIES[city]} million people" + (" and was kept before" if city in kept else "")


@callback(
    Output("kept", "data", allow_duplicate=True),
    Input("keep", "n_clicks"),
    State("opened", "data"),
    State("kept", "data"),
    prevent_initial_call=True,
)
def keep(clicks: int | None, opened: dict[str, str], kept: list[str]) -> list[str]:
    """Adds the city of this page."""
    return sorted({*kept, opened["city"]}) if clicks else kept


@callback(Output("count", "children"), Input("kept", "data"))
def count(kept: list[str]) -> str:
    """On all pages."""
    return f"{len(kept)} kept"


@callback(Output("list", "children"), Output("buttons", "children"), Input("kept", "data"))
def archive(kept: list[str]) -> tuple[str, list[Any]]:
    """What is kept, with a button for each."""
    buttons = [html.Button(f"drop {city}", id={"type": "drop", "city": city}, className="drop") for city in kept]
    return ", ".join(kept) or "nothing yet", buttons


@callback(
    Output("kept", "data"),
    Input({"type": "drop", "city": ALL}, "n_clicks"),
    State("kept", "data"),
    prevent_initial_call=True,
)
def drop(clicks: list[int | None], kept: list[str]) -> Any:
    """Takes one away."""
    return [city for city in kept if city != ctx.triggered_id["city"]] if any(clicks) else dash.no_update


if __name__ == "__main__":
    app.run()
