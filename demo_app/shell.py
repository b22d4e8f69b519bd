"""What stays while pages change: header, navigation, the stores, and the card of the running job."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import (
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    ctx,
    dcc,
    html,
    page_container,
    page_registry,
)

from dash_statemanager import ServerStore, get_state_manager

from . import ui
from .theme import MANTINE


def stores() -> list[ServerStore]:
    """All that the pages share. Exactly as with `dcc.Store`, only that the values stay on the server."""
    return [
        ServerStore(id="query-form"),  # the form of the Query page: JSON
        ServerStore(id="flights"),  # the result of the query: a DataFrame of up to 336,776 rows
        ServerStore(id="plot-choices"),  # which chart, and what is on its axes: JSON
        ServerStore(id="marks"),  # the table behind the chart as it is drawn: a DataFrame
        ServerStore(id="selection"),  # the marks that were selected: a DataFrame
    ]


def layout() -> dmc.MantineProvider:
    """The app around its pages."""
    shell = dmc.AppShell(
        [_header(), _navbar(), dmc.AppShellMain(page_container), _job_card()],
        id="shell",
        header={"height": 60},
        navbar=_navbar_state(opened=False),
        padding="md",
    )
    scheme = dcc.Store(id="color-scheme")  # only the browser knows it, and keeps it by itself
    return dmc.MantineProvider([*stores(), scheme, shell], theme=MANTINE, defaultColorScheme="auto")


def _navbar_state(opened: bool) -> dict[str, Any]:
    return {"width": 248, "breakpoint": "md", "collapsed": {"mobile": not opened}}


def _header() -> dmc.AppShellHeader:
    burger = dmc.Burger(id="burger", hiddenFrom="md", size="sm", opened=False, **ui.aria(label="Navigation"))
    name = html.Div([html.Strong("Flight Deck"), html.Span("New York departures, 2013", className="tagline")])
    return dmc.AppShellHeader(
        dmc.Group(
            [
                dmc.Group([burger, html.Div(ui.icon("plane", 20), className="logo"), name], gap="sm", wrap="nowrap"),
                dmc.Group([_backend_badge(), _scheme_toggle()], gap="sm", wrap="nowrap"),
            ],
            justify="space-between",
            h="100%",
            px="md",
            wrap="nowrap",
        )
    )


def _backend_badge() -> dmc.Badge:
    backend = get_state_manager().settings.backend
    return dmc.Badge(backend, id="backend", variant="light", leftSection=ui.icon("state", 12), className="backend")


def _scheme_toggle() -> dmc.ColorSchemeToggle:
    return dmc.ColorSchemeToggle(
        id="scheme",
        lightIcon=ui.icon("sun", 20),
        darkIcon=ui.icon("moon", 20),
        color="gray",
        variant="subtle",
        size="lg",
        **ui.aria(label="Switch between light and dark"),
    )


def _navbar() -> dmc.AppShellNavbar:
    links = [
        dmc.NavLink(
            label=page["name"],
            description=page["description"],
            href=page["relative_path"],
            leftSection=ui.icon(page["icon"], 20),
            active="exact",
            className="nav-link",
        )
        for page in page_registry.values()
        if "icon" in page
    ]
    return dmc.AppShellNavbar([html.Nav(links, **ui.aria(label="Pages")), _session_card()], p="sm")


def _session_card() -> html.Div:
    """How little of the data is in the browser."""
    return html.Div(
        [
            dmc.Text("This session's flights", size="xs", c="dimmed", fw=600),
            html.Div([html.Span("rows", className="dimmed"), html.Span("none yet", id="session-rows")]),
            html.Div([html.Span("on the server", className="dimmed"), html.Span("–", id="session-server")]),
            html.Div([html.Span("in your browser", className="dimmed"), html.Span("–", id="session-browser")]),
        ],
        className="session-card",
    )


def _job_card() -> html.Div:
    """Here and not on the Query page, so that it stays in sight whatever page is open."""
    return html.Div(
        dmc.Paper(
            [
                dmc.Text("Running the query", fw=600, size="sm"),
                dmc.Progress(
                    value=0, id="job-progress", striped=True, animated=True, my=8, **ui.aria(label="Progress")
                ),
                dmc.Text("Starting", id="job-step", size="xs", c="dimmed"),
            ],
            withBorder=True,
            shadow="md",
            p="md",
        ),
        id="job",
        className="job-card",
        hidden=True,
        role="status",
    )


@callback(
    Output("shell", "navbar"),
    Output("burger", "opened"),
    Input("burger", "opened"),
    Input("_pages_location", "pathname"),
    prevent_initial_call=True,
)
def toggle_navbar(opened: bool, pathname: str) -> tuple[dict[str, Any], bool]:
    """Opens and closes the navigation on a phone; choosing a page closes it."""
    opened = opened and ctx.triggered_id == "burger"
    return _navbar_state(opened), opened


@callback(Output("session-rows", "children"), Output("session-server", "children"), Input("flights", "data"))
def show_session(frame: pd.DataFrame | None) -> tuple[str, str]:
    """Rows and bytes of the DataFrame; taking all of it as an input costs a callback nothing."""
    if frame is None:
        return "none yet", "–"
    return f"{len(frame):,}", ui.size(frame.memory_usage(index=False).sum())


# Light or dark at first; `assets/demo.js` tells of changes.
clientside_callback(
    ClientsideFunction("demo", "colorScheme"), Output("color-scheme", "data"), Input("color-scheme", "id")
)

# What the browser holds is measured there: the length of what it keeps for the store.
clientside_callback(
    ClientsideFunction("demo", "storedBytes"),
    Output("session-browser", "children"),
    Input("flights", "modified_timestamp"),
    State("flights", "id"),
)
