"""What this session holds, where, and for how long; and the button that deletes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, callback, html, no_update, register_page

from dash_statemanager import get_state_manager

from .. import ui

HEADINGS = ("Store", "Type", "Rows", "On the server", "In the browser", "Versions", "Written", "Expires")

Row = Mapping[str, Any]


def register() -> None:
    """Adds the page to the app."""
    about = "What the server keeps"
    heading = "State · Flight Deck"
    register_page("state", path="/state", name="State", title=heading, description=about, icon="state", layout=layout)


def layout(**_: Any) -> html.Div:
    """The page; its figures are read when it opens, on request, and after a clear."""
    actions = [
        dmc.Button("Refresh", id="refresh", variant="default", size="sm"),
        dmc.Button(
            "Clear session",
            id="clear",
            variant="default",
            size="sm",
            className="danger",
            leftSection=ui.icon("trash", 14),
        ),
    ]
    about = "What this session holds on the server. No other browser can read it."
    return html.Div(
        [ui.page_header("State", about, *actions), html.Div(id="figures"), _confirm()], className="state-page"
    )


def _confirm() -> dmc.Modal:
    buttons = [
        dmc.Button("Keep it", id="keep", variant="default"),
        dmc.Button("Delete everything", id="confirm", color="red.8"),
    ]
    words = "The result of the query, the charts' choices and the selection are deleted on the server."
    return dmc.Modal(
        [dmc.Text(words, size="sm"), dmc.Group(buttons, justify="flex-end", mt="md")],
        id="confirm-clear",
        title="Delete all that this session holds?",
        centered=True,
    )


@callback(
    Output("confirm-clear", "opened"),
    Input("clear", "n_clicks"),
    Input("keep", "n_clicks"),
    Input("confirm", "n_clicks"),
    State("confirm-clear", "opened"),
    prevent_initial_call=True,
)
def ask(clear: int | None, keep: int | None, confirm: int | None, opened: bool) -> bool:
    """Opens the question with the first button, closes it with the others."""
    return not opened


@callback(
    Output("query-form", "data", allow_duplicate=True),
    Output("flights", "data", allow_duplicate=True),
    Output("plot-choices", "data", allow_duplicate=True),
    Output("marks", "data", allow_duplicate=True),
    Output("selection", "data", allow_duplicate=True),
    Input("confirm", "n_clicks"),
    prevent_initial_call=True,
)
def clear_session(clicks: int | None) -> tuple[Any, ...]:
    """Deletes everything on the server, and the references in this tab."""
    if not clicks:
        return (no_update,) * 5
    get_state_manager().clear_session()
    return (None,) * 5


@callback(Output("figures", "children"), Input("refresh", "n_clicks"), Input("flights", "data"))
def show_figures(clicks: int | None, flights: Any) -> Any:
    """The figures as they are now."""
    stats = get_state_manager().get_backend_stats()
    return [
        html.Div(_tiles(stats), className="tiles"),
        _stores(stats["session"]["stores"]),
        html.Div(
            [
                _figures("Backend", stats["backend"]),
                _figures("Process cache and counters", {**stats["cache"], **stats["counters"]}),
            ],
            className="details",
        ),
    ]


def _tiles(stats: Row) -> list[dmc.Paper]:
    session, cache = stats["session"], stats["cache"]
    in_browser = sum(store["reference_bytes"] for store in session["stores"])
    reads = cache["hits"] + cache["misses"]
    return [
        ui.figure_tile("On the server", ui.size(session["bytes"]), "all versions of this session's stores"),
        ui.figure_tile("In the browser", ui.size(in_browser), ui.plural(len(session["stores"]), "reference")),
        ui.figure_tile(
            "Process cache", ui.size(cache["bytes"]), f"{ui.plural(cache['entries'], 'decoded value')}, all sessions"
        ),
        ui.figure_tile(
            "Cache hits", f"{cache['hits'] / max(1, reads):.0%}", f"of {ui.plural(reads, 'read')} in this process"
        ),
    ]


def _stores(stores: list[Row]) -> Any:
    if not stores:
        return ui.empty_state("This session holds nothing on the server.")
    head = html.Thead(html.Tr([html.Th(heading, scope="col") for heading in HEADINGS]))
    body = html.Tbody([_row(store) for store in stores])
    return ui.card(html.Table([head, body], className="stores"), className="stores-card")


def _row(store: Row) -> html.Tr:
    cells = (
        dmc.Code(store["id"]),
        store["type"],
        f"{store['rows']:,} × {store['columns']}" if "rows" in store else "–",
        ui.size(store["nbytes"]),
        ui.size(store["reference_bytes"]),
        f"{store['versions']:,}",
        _ago(store["modified_at"]),
        _ahead(store["expires_at"]),
    )
    return html.Tr(list(map(_cell, HEADINGS, cells)), id=f"store-{store['id']}")


def _cell(heading: str, content: Any) -> html.Td:
    label: dict[str, Any] = {"data-label": heading}  # what a phone shows in place of the head of the table
    return html.Td(content, **label)


def _ago(moment: float | None) -> str:
    return f"{_span(time.time() - moment)} ago" if moment else "–"


def _ahead(moment: float | None) -> str:
    return f"in {_span(moment - time.time())}" if moment else "never"


def _span(seconds: float) -> str:
    """A time span for people: `12 s`, `5 min`, `24 h`, `3 days`."""
    for unit, length, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * length:
            return f"{max(0, seconds) / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def _figures(heading: str, figures: Row) -> dmc.Paper:
    rows = [html.Div([html.Dt(name), html.Dd(_value(name, value))]) for name, value in figures.items()]
    return ui.card(dmc.Text(heading, fw=650, mb="xs"), html.Dl(rows, className="facts"))


def _value(name: str, value: Any) -> str:
    if "bytes" in name:
        return ui.size(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
