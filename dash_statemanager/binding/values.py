"""The route at which a page reads the values of references that it holds."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ..api import get_state_manager
from ..codecs.arrow import write_stream
from ..codecs.part import is_table
from ..errors import CodecError, PartError
from ..reference import BASE
from ..scan import as_arrow

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
    try:
        value = _read(asked)
        as_stream = is_table(value) and asked.get("format") == "arrow"
        body = b"".join(write_stream(as_arrow(value))) if as_stream else as_json(value)
    except (PartError, CodecError, ValueError, TypeError) as exc:
        return Answer(400, f"Bad columns, offset or limit: {exc}".encode())
    cache = "no-store" if value is None or method != "GET" else FOREVER
    return Answer(200, body, ARROW if as_stream else JSON, cache)


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


def _read(asked: Mapping[str, Any]) -> Any:
    """The value that was asked for, or the part of it."""
    reference = asked.get("reference")
    wanted = reference if isinstance(reference, dict) else {BASE: reference}
    (handle,) = get_state_manager().exchange.open_many([(wanted, None)])
    if handle is None:
        return None
    columns, offset, limit = (asked.get(name) for name in ("columns", "offset", "limit"))
    if all(given in (None, "") for given in (columns, offset, limit)):
        return handle.value
    names = columns.split(",") if columns and isinstance(columns, str) else columns or None
    return handle.rows(int(offset or 0), None if limit in (None, "") else int(str(limit)), columns=names)


def as_json(value: Any) -> bytes:
    """A value as JSON for the browser: frames as rows, bytes in base64, sets as lists."""
    return orjson.dumps(_plain(value), default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if is_table(value):
        pandas = value if hasattr(value, "iloc") else value.to_pandas()
        return orjson.Fragment(pandas.to_json(orient="records", date_format="iso"))
    return value
