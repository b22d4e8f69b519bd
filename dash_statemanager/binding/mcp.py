"""Dash's MCP server: tools see references and pass them on; a resource describes what a reference stands for."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote

from dash.mcp.primitives import resources
from dash.mcp.primitives.resources.base import MCPResourceProvider
from dash.mcp.primitives.tools import results
from dash.mcp.primitives.tools.results.base import ResultFormatter
from dash.mcp.types import ImageContent, ReadResourceResult, ResourceTemplate, TextContent, TextResourceContents
from pydantic import AnyUrl

from ..api import definitions, get_state_manager
from ..codecs.part import schema
from ..reference import BASE, is_reference

URI = "dash-statemanager://values/"
KEYS = 100
"""How many keys of a dict a description names."""
HOW = f'To use it, pass {{"{BASE}": "..."}} on to another tool as it is, in place of a value.'


def install() -> None:
    """Adds to Dash's MCP server, once; a tool's other results and resources stay as they are."""
    if StoredValues not in resources._RESOURCE_PROVIDERS:
        resources._RESOURCE_PROVIDERS.append(StoredValues)
        results._RESULT_FORMATTERS.append(Described)


class StoredValues(MCPResourceProvider):
    """A resource for each stored value: its type, rows and columns; not the value itself."""

    uri = URI

    @classmethod
    def get_template(cls) -> ResourceTemplate | None:
        if not definitions:
            return None
        return ResourceTemplate(
            uriTemplate=URI + "{token}",
            name="stored_values",
            description=f"What a stored value is: type, rows, columns. The token is that of {BASE}. {HOW}",
            mimeType="application/json",
        )

    @classmethod
    def read_resource(cls, uri: str = "") -> ReadResourceResult:
        token = unquote(str(uri).removeprefix(URI))
        text = json.dumps(describe(get_state_manager().read({BASE: token})))
        contents = TextResourceContents(uri=AnyUrl(str(uri)), mimeType="application/json", text=text)
        return ReadResourceResult(contents=[contents])


class Described(ResultFormatter):
    """Says beside a reference what it stands for."""

    @classmethod
    def format(cls, output: Any, returned_output_value: Any) -> list[TextContent | ImageContent]:
        if not is_reference(returned_output_value) or BASE not in returned_output_value:
            return []
        found = json.dumps(describe(get_state_manager().read(returned_output_value)))
        name = f"{output['component_id']}.{output['property']}"
        where = URI + quote(str(returned_output_value[BASE]))
        text = f"{name} is kept on the server: {found} {HOW} It is described at {where}"
        return [TextContent(type="text", text=text)]


def describe(value: Any) -> dict[str, Any]:
    """Type, rows and columns of a value, as JSON; `{"type": null}` of what is not there or not for the session."""
    if value is None:
        return {"type": None}
    told: dict[str, Any] = {"type": type(value).__name__}
    if hasattr(value, "columns") or hasattr(value, "column_names"):
        return {**told, "rows": len(value), "columns": {str(name): str(kind) for name, kind in schema(value).items()}}
    if isinstance(value, dict):
        return {**told, "length": len(value), "keys": [str(key) for key in list(value)[:KEYS]]}
    return {**told, "length": len(value)} if hasattr(value, "__len__") else told
