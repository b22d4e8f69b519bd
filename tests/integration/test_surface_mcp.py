"""Dash's MCP server: tools take and give references, and a resource says what they stand for."""

from __future__ import annotations

import json
from contextvars import Context
from typing import Any

import pandas as pd
import pytest
from dash import Dash, Input, Output, State, html

from dash_statemanager import ServerStore

from .features.table import MCP

pytestmark = pytest.mark.skipif(not MCP.is_due(), reason="this Dash has no MCP server")


class Assistant:
    """A client of the MCP server; browsers' cookies it has none."""

    def __init__(self, app: Dash) -> None:
        self._client = app.server.test_client()

    def ask(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = Context().run(self._client.post, "/_mcp", json=body)  # Dash's current app may be another test's
        return answer.json["result"]

    def call(self, tool: str, **arguments: Any) -> Any:
        return self.ask("tools/call", name=tool, arguments=arguments)


@pytest.fixture
def assistant(backend: str) -> Assistant:
    app = Dash(__name__, enable_mcp=True)
    app.layout = html.Div(
        [
            ServerStore(id="table"),
            ServerStore(id="settings", data={"unit": "km"}),
            html.Button(id="go"),
            html.Div(id="out"),
        ]
    )

    @app.callback(Output("table", "data"), Input("go", "n_clicks"), State("settings", "data"))
    def load(n: int, settings: Any) -> pd.DataFrame:
        return pd.DataFrame({"n": range(n), "unit": settings["unit"]})

    @app.callback(Output("out", "children"), Input("table", "data"))
    def summarise(table: pd.DataFrame) -> str:
        return f"{table['n'].sum()} {table['unit'][0]}"

    return Assistant(app)


def test_a_tool_gives_a_reference_that_another_tool_takes(assistant: Assistant) -> None:
    answer = assistant.call("load", n=4, settings={"unit": "miles"})
    reference = answer["structuredContent"]["response"]["table"]["data"]
    assert list(reference) == ["__store__"]
    summary = assistant.call("summarise", table=reference)
    assert summary["structuredContent"]["response"] == {"out": {"children": "6 miles"}}
    tools = {tool["name"]: tool["inputSchema"] for tool in assistant.ask("tools/list")["tools"]}
    accepted = [kind.get("type") for kind in tools["summarise"]["properties"]["table"]["anyOf"]]
    assert "object" in accepted


def test_a_tool_says_what_the_reference_stands_for(assistant: Assistant) -> None:
    _, described = assistant.call("load", n=4, settings={"unit": "miles"})["content"]
    assert described["text"].startswith("table.data is kept on the server: ")
    assert '"rows": 4' in described["text"]


def test_a_resource_describes_a_reference(assistant: Assistant) -> None:
    reference = assistant.call("load", n=4, settings={"unit": "km"})["structuredContent"]["response"]["table"]["data"]
    [template] = assistant.ask("resources/templates/list")["resourceTemplates"]
    uri = template["uriTemplate"].replace("{token}", reference["__store__"])
    [contents] = assistant.ask("resources/read", uri=uri)["contents"]
    unit = str(pd.DataFrame({"unit": ["km"]}).dtypes["unit"])
    assert json.loads(contents["text"]) == {"type": "DataFrame", "rows": 4, "columns": {"n": "int64", "unit": unit}}
    [nothing] = assistant.ask("resources/read", uri=uri + "x")["contents"]
    assert json.loads(nothing["text"]) == {"type": None}


def test_an_app_without_stores_has_no_such_resource(script: Any) -> None:
    source = """
    import dash, dash_statemanager
    from dash import html
    app = dash.Dash(__name__, enable_mcp=True)
    app.layout = html.Div()
    body = {"jsonrpc": "2.0", "id": 1, "method": "resources/templates/list", "params": {}}
    print(app.server.test_client().post("/_mcp", json=body).json["result"])
    """
    assert script(source) == "{'resourceTemplates': []}\n"
