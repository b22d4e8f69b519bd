"""Choose tables, columns and filters, see how many flights match, and run the join into a store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
import pandas as pd
from dash import (
    ALL,
    MATCH,
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    dcc,
    get_relative_path,
    html,
    no_update,
    register_page,
)

from .. import forms, grid, query, ui
from ..tables import columns_of

FLIGHTS = 336_776
ANY_FILTER = {"type": "filter", "kind": ALL, "column": ALL}

Form = dict[str, Any]


def register() -> None:
    """Adds the page to the app."""
    about = "Choose, filter, join"
    title = "Query · Flight Deck"
    register_page("query", path="/", name="Query", title=title, description=about, icon="query", layout=layout)


def layout(**_: Any) -> html.Div:
    """The form on the left, the result on the right; one above the other on a phone."""
    return html.Div(
        [
            dcc.Store(id="draft"),
            dmc.Paper(id="form", withBorder=True, className="query-form"),
            html.Div(id="result", className="query-result"),
        ],
        id="query-page",
        className="query-page",
    )


# -- the form


@callback(Output("form", "children"), Input("query-page", "id"), State("query-form", "data"))
def show_form(page: str, form: Form | None) -> list[Any]:
    """The form as it was left: after a change of page, a reload, a restart of the server."""
    form = form or query.DEFAULT_FORM
    choices = [
        _section("Tables", "joined to the flights", forms.table_chips(form["tables"])),
        _section("Columns", "", forms.column_select(form), _column_buttons()),
        _section("Filters", "", forms.filter_select(form)),
        html.Div(forms.filter_controls(form["filters"]), id="filters"),
    ]
    return [html.Div(choices, className="query-choices"), html.Div(_count_and_run(), className="query-run")]


def _section(heading: str, about: str, control: Any, action: Any = None) -> html.Div:
    words = [dmc.Text(heading, fw=650, size="sm"), dmc.Text(about, size="xs", c="dimmed")]
    top = dmc.Group([*words, action], justify="space-between", mb=4)
    return html.Div([top, control], className="section", id=f"{heading.lower()}-section")


def _column_buttons() -> dmc.Group:
    return dmc.Group(
        [
            dmc.Button("All", id="all-columns", variant="subtle", size="compact-xs"),
            dmc.Button("Reset", id="reset-columns", variant="subtle", size="compact-xs"),
        ],
        gap=2,
    )


def _count_and_run() -> list[Any]:
    return [
        html.Div([html.Span("–", id="count", className="count"), html.Span(id="count-text", className="dimmed")]),
        dmc.Progress(id="share", value=0, size="sm", mb="sm", **ui.aria(label="Share of flights that match")),
        dmc.Button("Run query", id="run", fullWidth=True, disabled=True, leftSection=ui.icon("play", 14)),
    ]


@callback(
    Output("columns", "data"),
    Output("columns", "value"),
    Output("filtered", "data"),
    Output("filtered", "value"),
    Input("tables", "value"),
    State("columns", "data"),
    State("columns", "value"),
    State("filtered", "value"),
    prevent_initial_call=True,
)
def change_tables(tables: list[str], options: list[Form], columns: list[str], filtered: list[str]) -> tuple[Any, ...]:
    """A joined table brings its columns along; one that is taken away takes them with it."""
    before = {item["value"] for group in options for item in group["items"]}
    now = [column.name for column in columns_of(tables)]
    kept = [name for name in columns if name in now] + [name for name in now if name not in before]
    return (
        forms.column_options(columns_of(tables)),
        kept,
        forms.column_options(forms.filterable(tables)),
        [name for name in filtered if name in now],
    )


@callback(
    Output("columns", "value", allow_duplicate=True),
    Input("all-columns", "n_clicks"),
    State("tables", "value"),
    prevent_initial_call=True,
)
def choose_all_columns(clicks: int | None, tables: list[str]) -> Any:
    """All columns of the joined tables."""
    return [column.name for column in columns_of(tables)] if clicks else no_update


@callback(
    Output("form", "children", allow_duplicate=True), Input("reset-columns", "n_clicks"), prevent_initial_call=True
)
def reset_form(clicks: int | None) -> Any:
    """The form as it is at first."""
    return show_form("", None) if clicks else no_update


@callback(
    Output("filters", "children"),
    Input("filtered", "value"),
    State(ANY_FILTER, "value"),
    State(ANY_FILTER, "id"),
    prevent_initial_call=True,
)
def change_filters(filtered: list[str], values: list[Any], ids: list[dict[str, str]]) -> list[html.Div]:
    """One control per filter; those that stay keep their values."""
    known = forms.by_column(ids, values)
    return forms.filter_controls({name: known.get(name) for name in filtered})


clientside_callback(
    ClientsideFunction("demo", "rangeText"),
    Output({"type": "filter-text", "kind": "number", "column": MATCH}, "children"),
    Input({"type": "filter", "kind": "number", "column": MATCH}, "value"),
)


# -- the live count

# Collects the controls into one form in the browser, and waits until they rest for a moment.
clientside_callback(
    ClientsideFunction("demo", "draft"),
    Output("draft", "data"),
    Input("tables", "value"),
    Input("columns", "value"),
    Input(ANY_FILTER, "value"),
    State(ANY_FILTER, "id"),
)


@callback(
    Output("query-form", "data"),
    Output("count", "children"),
    Output("count-text", "children"),
    Output("share", "value"),
    Output("run", "disabled"),
    Input("draft", "data"),
    prevent_initial_call=True,
)
def count_rows(form: Form | None) -> tuple[Any, ...]:
    """How many flights match; the form is kept as it is."""
    if form is None:
        return (no_update,) * 5
    try:
        return (form, *_count(query.Query.from_form(form)))
    except query.QueryError as exc:
        return no_update, "–", str(exc), 0, True


def _count(asked: query.Query) -> tuple[str, str, float, bool]:
    started = time.perf_counter()
    rows = asked.count()
    took = (time.perf_counter() - started) * 1000
    text = f"of {FLIGHTS:,} flights · {took:.0f} ms" if asked.columns else "flights. Choose columns, too."
    return f"{rows:,}", text, 100 * rows / FLIGHTS, not asked.columns


# -- the join


@callback(
    Output("flights", "data"),
    Input("run", "n_clicks"),
    State("tables", "value"),
    State("columns", "value"),
    State(ANY_FILTER, "value"),
    State(ANY_FILTER, "id"),
    background=True,
    progress=[Output("job-progress", "value"), Output("job-step", "children")],
    progress_default=[0, "Starting"],
    running=[(Output("run", "loading"), True, False), (Output("job", "hidden"), False, True)],
    interval=200,
    prevent_initial_call=True,
)
def run_query(
    set_progress: Callable[[tuple[float, str]], None],
    clicks: int | None,
    tables: list[str],
    columns: list[str],
    values: list[Any],
    ids: list[dict[str, str]],
) -> Any:
    """Joins the tables in a job, and returns the whole result to the store.

    It takes the controls as they are when the button is pressed, not the form, which waits for them to rest.
    """
    if not clicks:
        return no_update
    set_progress((0, "Loading the data"))
    started = time.perf_counter()
    form = {"tables": tables, "columns": columns, "filters": forms.by_column(ids, values)}
    frame = query.run(query.Query.from_form(form), lambda rows, total: set_progress(_progress(rows, total)))
    set_progress((95, f"Storing {len(frame):,} rows"))
    frame.attrs["seconds"] = time.perf_counter() - started
    return frame


def _progress(rows: int, total: int) -> tuple[float, str]:
    return 90 * rows / max(1, total), f"{rows:,} of {total:,} rows joined"


# -- the result


@callback(Output("result", "children"), Input("flights", "data"))
def show_result(frame: pd.DataFrame | None) -> Any:
    """What the query gave, with downloads, above a grid that asks for the rows that it shows."""
    if frame is None:
        return ui.empty_state("Choose what you want to see, then run the query.", link=False)
    return [_result_header(frame), html.Div(_grid(frame), className="grid-frame")]


def _result_header(frame: pd.DataFrame) -> dmc.Group:
    facts = [
        f"{len(frame.columns)} columns",
        f"{ui.size(frame.memory_usage(index=False).sum())} on the server",
        f"joined in {frame.attrs.get('seconds', 0):.1f}\u00a0s",
    ]
    words = [
        dmc.Title(f"{len(frame):,} flights", order=3, id="rows"),
        dmc.Text(" · ".join(facts), size="sm", c="dimmed"),
    ]
    files = dmc.Group([_download("CSV", "flights.csv"), _download("Parquet", "flights.parquet")], gap="xs")
    return dmc.Group([html.Div(words), files], justify="space-between", mb="sm")


def _download(label: str, file: str) -> html.A:
    words: list[Any] = [ui.icon("download", 14), label]
    link = get_relative_path(f"/download/{file}")
    return html.A(words, href=link, download=file, id=f"download-{label.lower()}", className="button-link quiet")


def _grid(frame: pd.DataFrame) -> dag.AgGrid:
    return dag.AgGrid(
        id="grid",
        rowModelType="infinite",
        columnDefs=grid.column_defs(frame),
        defaultColDef={"sortable": True, "resizable": True, "filter": False},
        dashGridOptions={
            **grid.OPTIONS,
            "cacheBlockSize": grid.BLOCK_ROWS,
            "maxBlocksInCache": 20,
            "infiniteInitialRowCount": len(frame),
            "maxConcurrentDatasourceRequests": 2,
            "blockLoadDebounceMillis": 60,
            "rowBuffer": 20,
        },
        className="ag-theme-quartz grid",
    )


@callback(Output("grid", "getRowsResponse"), Input("grid", "getRowsRequest"), State("flights", "data"))
def send_rows(request: Mapping[str, Any] | None, frame: pd.DataFrame | None) -> Any:
    """The slice that the grid asks for, out of the whole DataFrame."""
    if request is None or frame is None:
        return no_update
    return grid.answer(frame, request)
