"""A grid that is edited, with what was changed in a store, as in the documentation of Dash AG Grid."""

from __future__ import annotations

from typing import Any

import dash_ag_grid as dag
from dash import Dash, Input, Output, Patch, State, callback, dcc, html

ROWS = [
    {"id": "1", "model": "Celica", "price": 35000},
    {"id": "2", "model": "Mondeo", "price": 32000},
    {"id": "3", "model": "Boxter", "price": 72000},
]

app = Dash(__name__)
app.layout = html.Div(
    [
        dcc.Store(id="rows", data=ROWS, storage_type="session"),
        dcc.Store(id="log", data={"changes": []}, storage_type="memory"),
        html.Button("add", id="add"),
        html.Button("delete selected", id="delete"),
        dag.AgGrid(
            id="grid",
            columnDefs=[
                {"field": "model", "checkboxSelection": True},
                {"field": "price", "editable": True, "cellDataType": "number"},
            ],
            getRowId="params.data.id",
            dashGridOptions={"rowSelection": "multiple", "animateRows": False, "suppressRowClickSelection": True},
            style={"height": 300, "width": 500},
        ),
        html.P(id="sum"),
        html.P(id="changes"),
    ]
)


@callback(Output("grid", "rowData"), Output("sum", "children"), Input("rows", "data"))
def show(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """The stored rows, and their sum."""
    return rows, f"{len(rows)} cars for {sum(row['price'] for row in rows):,}"


@callback(
    Output("rows", "data", allow_duplicate=True),
    Output("log", "data"),
    Input("grid", "cellValueChanged"),
    State("rows", "data"),
    prevent_initial_call=True,
)
def edit(changed: list[dict[str, Any]], rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Patch]:
    """Takes over what was typed, and notes it."""
    log = Patch()
    for change in changed:
        log["changes"].append(f"{change['data']['model']}: {change['oldValue']} to {change['value']}")
    typed = {change["data"]["id"]: change["data"] for change in changed}
    return [typed.get(row["id"], row) for row in rows], log


@callback(
    Output("rows", "data", allow_duplicate=True),
    Input("add", "n_clicks"),
    State("rows", "data"),
    prevent_initial_call=True,
)
def add(_: int, rows: list[dict[str, Any]]) -> Patch:
    """Appends a row."""
    patch = Patch()
    patch.append({"id": str(1 + max(int(row["id"]) for row in rows)), "model": "Model T", "price": 850})
    return patch


@callback(
    Output("rows", "data"),
    Input("delete", "n_clicks"),
    State("grid", "selectedRows"),
    State("rows", "data"),
    prevent_initial_call=True,
)
def delete(_: int, selected: list[dict[str, Any]] | None, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drops the rows that are selected."""
    gone = {row["id"] for row in selected or ()}
    return [row for row in rows if row["id"] not in gone]


@callback(Output("changes", "children"), Input("log", "data"))
def show_log(log: dict[str, list[str]]) -> str:
    """What was edited."""
    return "; ".join(log["changes"]) or "no changes"


if __name__ == "__main__":
    app.run()
