"""The route at which a page reads the values of references that it holds."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..api import get_state_manager
from ..reference import BASE

ROUTE = "_dash-statemanager/value"
FOREVER = "private, max-age=31536000, immutable"
SITE = "Sec-Fetch-Site"
JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class Answer:
    """What to answer: status, body, its type, and how long the browser may keep it."""

    status: int
    body: bytes
    mimetype: str = "text/plain"
    cache: str = "no-store"

    def headers(self) -> dict[str, str]:
        """Headers besides the type."""
        return {"Cache-Control": self.cache, "Vary": "Cookie"}


def answer(method: str, asked: Any, site: str | None) -> Answer:
    """Answers with a value, to whoever's session may read it; `null` otherwise.

    Args:
        method: `GET` for a version, which never changes, or `POST` for one with patches.
        asked: The query, or the JSON of the body: `reference`, a token or a whole reference; for frames also `columns`
            (comma-separated), `offset` and `limit` (rows), and `format=arrow` for Arrow IPC in place of rows.
        site: The header `Sec-Fetch-Site`.
    """
    if site == "cross-site":
        return Answer(403, b"Values are for pages of this app only.")
    asked = asked if isinstance(asked, Mapping) else {}
    reference = asked.get("reference")
    value = get_state_manager().read(reference if isinstance(reference, dict) else {BASE: reference})
    if value is None:
        return Answer(200, b"null", JSON)
    try:
        value = cut(value, asked) if is_frame(value) else value
    except (ValueError, TypeError, KeyError) as exc:
        return Answer(400, f"Bad columns, offset or limit: {exc}".encode())
    cache = FOREVER if method == "GET" else "no-store"
    if is_frame(value) and asked.get("format") == "arrow":
        return Answer(200, as_arrow(value), ARROW, cache)
    return Answer(200, as_json(value), JSON, cache)


def view_for(app: Any) -> Callable[..., Any]:
    """The route's view function, in the form that the web server of a Dash app takes."""
    kind = getattr(getattr(app, "backend", None), "server_type", "flask")
    return _VIEWS[kind]()


def _flask_view() -> Callable[..., Any]:
    from flask import Response, request

    def view() -> Any:
        asked = request.args if request.method == "GET" else request.get_json(silent=True)
        found = answer(request.method, asked, request.headers.get(SITE))
        return Response(found.body, found.status, found.headers(), found.mimetype)

    return view


def _quart_view() -> Callable[..., Any]:
    from quart import Response, request

    async def view() -> Any:
        asked = request.args if request.method == "GET" else await request.get_json(silent=True)
        found = await asyncio.to_thread(answer, request.method, asked, request.headers.get(SITE))
        return Response(found.body, found.status, found.headers(), found.mimetype)

    return view


def _fastapi_view() -> Callable[..., Any]:
    from starlette.requests import Request
    from starlette.responses import Response

    async def view(request: Any) -> Any:
        body = getattr(request.state, "json_body", None)  # Dash has read the body already
        asked = request.query_params if request.method == "GET" else body
        found = await asyncio.to_thread(answer, request.method, asked, request.headers.get(SITE))
        return Response(found.body, found.status, found.headers(), found.mimetype)

    view.__annotations__ = {"request": Request}
    return view


_VIEWS: Mapping[str, Callable[[], Callable[..., Any]]] = {
    "flask": _flask_view,
    "quart": _quart_view,
    "fastapi": _fastapi_view,
}


def is_frame(value: object) -> bool:
    """Whether a value is a frame of any library."""
    return type(value).__module__.split(".")[0] in ("pandas", "polars", "pyarrow", "geopandas") and hasattr(
        value, "columns"
    )


def cut(frame: Any, asked: Mapping[str, Any]) -> Any:
    """Some columns and rows of a frame, as pandas."""
    pandas = frame if hasattr(frame, "iloc") else frame.to_pandas()
    columns = asked.get("columns")
    if columns:
        names: Sequence[str] = columns.split(",") if isinstance(columns, str) else columns
        pandas = pandas[list(names)]
    start = max(0, int(asked.get("offset") or 0))
    limit = asked.get("limit")
    return pandas.iloc[start : None if limit in (None, "") else start + max(0, int(str(limit)))]


def as_json(value: Any) -> bytes:
    """A value as JSON for the browser: frames as rows, bytes in base64, sets as lists."""
    return orjson.dumps(_plain(value), default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def as_arrow(frame: Any) -> bytes:
    """A pandas frame as an Arrow IPC stream, without its index."""
    import pyarrow

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if is_frame(value):
        pandas = value if hasattr(value, "iloc") else value.to_pandas()
        return orjson.Fragment(pandas.to_json(orient="records", date_format="iso"))
    return value
