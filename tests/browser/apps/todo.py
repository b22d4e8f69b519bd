"""A list of things to do, with pattern-matching callbacks and partial updates, as on the pages about those."""

from __future__ import annotations

from typing import Any

from dash import ALL, MATCH, Dash, Input, Output, Patch, State, ctx, dcc, html
from dash.exceptions import PreventUpdate

app = Dash(__name__, suppress_callback_exceptions=True)
app.layout = html.Div(
    [
        dcc.Store(id="todos", data=[], storage_type="session"),
        dcc.Input(id="text", value=""),
        html.Button("add", id="add"),
        html.Button("clear done", id="clear"),
        html.Div(id="items"),
        html.P(id="left"),
    ]
)


@app.callback(
    Output("todos", "data", allow_duplicate=True),
    Output("text", "value"),
    Input("add", "n_clicks"),
    State("text", "value"),
    prevent_initial_call=True,
)
def add(clicks: int, text: str) -> tuple[Patch, str]:
    """Appends to the list without reading it."""
    patch = Patch()
    patch.append({"key": clicks, "text": text, "done": False})
    return patch, ""


@app.callback(
    Output("todos", "data", allow_duplicate=True),
    Input({"type": "check", "index": ALL}, "value"),
    State("todos", "data"),
    prevent_initial_call=True,
)
def check(values: list[list[str]], todos: list[dict[str, Any]]) -> Patch:
    """Marks what is done."""
    changed = [
        index for index, (value, todo) in enumerate(zip(values, todos, strict=False)) if bool(value) != todo["done"]
    ]
    if not changed:
        raise PreventUpdate
    patch = Patch()
    for index in changed:
        patch[index]["done"] = bool(values[index])
    return patch


@app.callback(Output("todos", "data"), Input("clear", "n_clicks"), State("todos", "data"), prevent_initial_call=True)
def clear(_: int, todos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drops what is done."""
    return [todo for todo in todos if not todo["done"]]


@app.callback(Output("items", "children"), Output("left", "children"), Input("todos", "data"))
def show(todos: list[dict[str, Any]]) -> tuple[list[Any], str]:
    """One line for each, with a store of its own for how often it was touched."""
    lines = [
        html.Div(
            [
                dcc.Checklist(
                    [todo["text"]], [todo["text"]] * todo["done"], id={"type": "check", "index": todo["key"]}
                ),
                html.Button("+", id={"type": "more", "index": todo["key"]}, className="more"),
                dcc.Store(id={"type": "touched", "index": todo["key"]}, storage_type="session"),
                html.Span(id={"type": "touches", "index": todo["key"]}),
            ]
        )
        for todo in todos
    ]
    return lines, f"{sum(not todo['done'] for todo in todos)} left of {len(todos)}"


@app.callback(
    Output({"type": "touched", "index": MATCH}, "data"),
    Input({"type": "more", "index": MATCH}, "n_clicks"),
    State({"type": "touched", "index": MATCH}, "data"),
    prevent_initial_call=True,
)
def touch(clicks: int | None, touched: dict[str, Any] | None) -> dict[str, Any]:
    """Counts in the line's own store."""
    if not clicks:
        raise PreventUpdate
    return {"times": (touched or {"times": 0})["times"] + 1, "last": ctx.triggered_id["index"]}


@app.callback(
    Output({"type": "touches", "index": MATCH}, "children"), Input({"type": "touched", "index": MATCH}, "data")
)
def show_touches(touched: dict[str, Any] | None) -> str:
    """Shows the line's own store."""
    return f" touched {touched['times']} times" if touched else " untouched"


if __name__ == "__main__":
    app.run()
