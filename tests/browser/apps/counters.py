"""A counter for each storage type, as on the page about dcc.Store."""

from __future__ import annotations

from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

TYPES = ("memory", "local", "session")

app = Dash(__name__)
app.layout = html.Div(
    [
        *[dcc.Store(id=kind, storage_type=kind) for kind in TYPES],
        html.Table(
            [
                html.Thead(html.Tr([html.Th(f"{kind} storage") for kind in TYPES])),
                html.Tbody(
                    [
                        html.Tr([html.Td(html.Button("count", id=f"{kind}-button")) for kind in TYPES]),
                        html.Tr([html.Td(0, id=f"{kind}-clicks") for kind in TYPES]),
                    ]
                ),
            ]
        ),
    ]
)

for kind in TYPES:

    @app.callback(Output(kind, "data"), Input(f"{kind}-button", "n_clicks"), State(kind, "data"))
    def on_click(n_clicks: int | None, data: dict[str, int] | None) -> dict[str, int]:
        """Counts, but not when the page has just loaded."""
        if n_clicks is None:
            raise PreventUpdate
        data = data or {"clicks": 0}
        data["clicks"] = data["clicks"] + 1
        return data

    @app.callback(Output(f"{kind}-clicks", "children"), Input(kind, "modified_timestamp"), State(kind, "data"))
    def on_data(timestamp: float | None, data: dict[str, int] | None) -> int:
        """Shows the count; the time of the change is there before the data of an earlier visit is."""
        if timestamp is None:
            raise PreventUpdate
        return (data or {}).get("clicks", 0)


if __name__ == "__main__":
    app.run()
