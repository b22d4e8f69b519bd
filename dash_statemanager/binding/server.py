"""The web server's side: opens a visit for each request, and sends the session's cookie."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from dash._callback import GLOBAL_CALLBACK_LIST

from ..api import definitions, get_state_manager, is_configured, offer_server_secret
from ..errors import BackendError
from ..session import Visit, enter_request, enter_visit
from . import clientside, values, versions
from .callbacks import wrap_error_handler
from .running import no_callback
from .visits import Request, open_visit, session_headers

if TYPE_CHECKING:
    from ..manager import StateManager

logger = logging.getLogger("dash_statemanager")

PREFIXES = "_dash_statemanager_prefixes"
"""Where a web server keeps the route prefixes of the Dash apps on it that we are attached to."""
LEAVING = ("http.response.start", "websocket.send")
"""Messages of ASGI with which references leave."""
DEPENDENCIES_ROUTE = "_dash-dependencies"

_servers: WeakKeyDictionary[Any, object] = WeakKeyDictionary()
"""The web server of each Dash app that we are attached to."""

Environ = dict[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def attach(app: Any) -> None:
    """Attaches to a Dash app and, once, to its web server; several apps may share one."""
    server = app.server
    app._on_error = wrap_error_handler(app._on_error)
    if _servers.get(app) is server:
        return
    _servers[app] = server
    try:
        app._add_url(values.ROUTE, values.view_for(app), ["GET", "POST"])
    except AssertionError as exc:  # Flask's word for a route that comes after the first request
        logger.error("clientside callbacks can't read stores: import dash_statemanager earlier (%s)", exc)
    if getattr(app, "_enable_mcp", False):
        _join_mcp()
    if not hasattr(server, PREFIXES):
        setattr(server, PREFIXES, [])
        _add_middleware(server)
        offer_server_secret(lambda: _text(getattr(server, "secret_key", None)))
    getattr(server, PREFIXES).append(str(app.config.routes_pathname_prefix))


def _join_mcp() -> None:
    try:
        versions.check(versions.MCP)
        from . import mcp
    except ImportError as exc:
        logger.error("the MCP server can't describe stored values: %s", exc)
    else:
        mcp.install()


def _add_middleware(server: Any) -> None:
    if hasattr(server, "wsgi_app"):
        server.wsgi_app = SessionMiddleware(server.wsgi_app, server)
    elif hasattr(server, "asgi_app"):
        server.asgi_app = AsgiSessionMiddleware(server.asgi_app, server)
    else:
        server.add_middleware(AsgiSessionMiddleware, server=server)


class SessionMiddleware:
    """WSGI: opens a visit for each request. Does nothing in an app without stores.

    Args:
        application: The WSGI application behind it.
        server: The web server, which Dash apps share by route prefixes.
    """

    def __init__(self, application: Callable[[Environ, Callable[..., Any]], Iterable[bytes]], server: object) -> None:
        self._application, self._server = application, server

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not definitions:
            with enter_request(None), no_callback():
                return self._application(environ, start_response)
        request = _from_environ(environ)
        manager, visit = _arrive(request, self._server)

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            if visit.due or definitions.has_news:
                _publish(manager, visit)
            if visit.issued is not None:
                headers = [*headers, *session_headers(manager, visit, request, headers)]
            return start_response(status, headers, *exc_info)

        with enter_request(visit), no_callback():  # the thread's next task may be none of ours
            return self._application(environ, start)


class AsgiSessionMiddleware:
    """ASGI: as `SessionMiddleware`; what may wait for the backend does so in a thread.

    Args:
        app: The ASGI application behind it.
        server: The web server, which Dash apps share by route prefixes.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], server: object) -> None:
        self._application, self._server = app, server

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if not definitions or scope["type"] not in ("http", "websocket"):
            enter_visit(None)
            await self._application(scope, receive, send)
            return
        request = _from_scope(scope)
        arrive = partial(_arrive, request, self._server)
        manager, visit = arrive() if _is_ready() else await asyncio.to_thread(arrive)
        visit.answered = scope["type"] == "http"
        enter_visit(visit)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] in LEAVING and (visit.due or definitions.has_news):
                await asyncio.to_thread(_publish, manager, visit)
            if message["type"] == "http.response.start":
                headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
                added = session_headers(manager, visit, request, headers)
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in added),
                ]
            await send(message)

        await self._application(scope, receive, send_with_cookie)


def _arrive(request: Request, server: object) -> tuple[StateManager, Visit]:
    if request.path.endswith(DEPENDENCIES_ROUTE):
        _point_clientside()
    manager = get_state_manager()
    return manager, open_visit(manager, request, _app_of(request.path, server))


def _is_ready() -> bool:
    """Whether sessions are told without the backend, which may keep the secret."""
    return is_configured() and get_state_manager().can_verify


def _from_environ(environ: Environ) -> Request:
    def header(name: str) -> str | None:
        value: str | None = environ.get("HTTP_" + name.upper().replace("-", "_"))
        return value

    return Request(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ["wsgi.url_scheme"], header)


def _from_scope(scope: Message) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return Request(scope.get("method", ""), path, scope.get("scheme", "http"), lambda name: headers.get(name.lower()))


def _app_of(path: str, server: object) -> str | None:
    """Route prefix of the app that answers a path."""
    prefixes: list[str] = getattr(server, PREFIXES)
    return max([prefix for prefix in prefixes if path.startswith(prefix)], key=len, default=None)


def _point_clientside() -> None:
    for app in list(_servers):
        clientside.point(app._callback_list)
    clientside.point(GLOBAL_CALLBACK_LIST)


def _publish(manager: StateManager, visit: Visit) -> None:
    visit.finish()
    try:
        manager.publish()
    except BackendError as exc:
        logger.warning("other workers were not told of new stores, will try again: %s", exc)


def _text(secret: str | bytes | None) -> str | None:
    return secret.decode("latin-1") if isinstance(secret, bytes) else secret
