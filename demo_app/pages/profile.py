"""A summary of every column of the result."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import Input, Output, callback, html, register_page

from .. import ui
from ..summary import Summary, summarize
from ..tables import title

COLORS = {"number": "indigo", "category": "teal", "date": "orange"}


def register() -> None:
    """Adds the page to the app."""
    about = "Every column at a glance"
    heading = "Profile · Flight Deck"
    register_page(
        "profile", path="/profile", name="Profile", title=heading, description=about, icon="profile", layout=layout
    )


def layout(**_: Any) -> html.Div:
    """The page; its body depends on whether there is something to summarize."""
    return html.Div(dmc.Center(dmc.Loader(type="dots"), mt="xl"), id="profile-body")


@callback(Output("profile-body", "children"), Input("flights", "data"))
def show_profile(frame: pd.DataFrame | None) -> Any:
    """A card per column, computed from all rows."""
    if frame is None:
        return ui.empty_state("The profile describes the columns of a query's result.")
    cards = [_card(summary) for summary in summarize(frame)]
    about = f"{len(frame.columns)} columns, computed from all {len(frame):,} rows"
    return [ui.page_header("Profile", about), html.Div(cards, className="profile-cards")]


def _card(summary: Summary) -> dmc.Paper:
    kind = dmc.Badge(summary.kind, color=COLORS[summary.kind], variant="light", size="sm", flex="none")
    name = html.Div([dmc.Text(title(summary.name), fw=650, truncate="end"), dmc.Code(summary.name)], className="names")
    return ui.card(
        dmc.Group([name, kind], justify="space-between", align="flex-start", wrap="nowrap"),
        ui.spark(summary.bars, f"Distribution of {title(summary.name)}"),
        html.Dl(_facts(summary), className="facts"),
        _missing(summary),
        className="profile-card",
    )


def _facts(summary: Summary) -> list[html.Div]:
    rows = [*summary.facts, ("Distinct values", f"{summary.distinct:,}")]
    return [html.Div([html.Dt(name), html.Dd(value)]) for name, value in rows]


def _missing(summary: Summary) -> html.Div:
    share = 100 * summary.missing_share
    text = f"{summary.missing:,} missing ({share:.1f}%)" if summary.missing else "no value missing"
    bar = dmc.Progress(value=share, color="orange", size="xs", **ui.aria(label=f"{share:.1f}% missing"))
    return html.Div([bar, dmc.Text([text, html.Span(summary.dtype)], size="xs", c="dimmed", className="missing")])
