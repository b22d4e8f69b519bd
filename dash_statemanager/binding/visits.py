"""From a request to a visit, and from a visit to the headers of the answer: for every kind of web server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from werkzeug.http import dump_cookie, parse_cookie

from ..errors import BackendUnavailable
from ..session import Session, Visit

if TYPE_CHECKING:
    from ..manager import StateManager

LAYOUT_ROUTE = "_dash-layout"
DOCUMENTS = ("document", "iframe", "frame", "embed", "object")

logger = logging.getLogger("dash_statemanager")

Headers = Iterable[tuple[str, str]]

_parse_cookies = lru_cache(1000)(parse_cookie)  # a browser sends the same header with every request


class Request(NamedTuple):
    """What a web server knows of a request.

    Attributes:
        method: Its method, in capitals.
        path: Its path, without what a proxy or a mount has taken off.
        scheme: `http` or `https`, as the server sees it.
        header: Looks up a header.
    """

    method: str
    path: str
    scheme: str
    header: Callable[[str], str | None]

    def is_page(self) -> bool:
        """Whether it opens a page, as opposed to callbacks, assets and scripts."""
        if self.method != "GET":
            return False
        if self.path.endswith(LAYOUT_ROUTE):
            return True
        destination = self.header("Sec-Fetch-Dest")
        if destination is not None:
            return destination in DOCUMENTS
        return "text/html" in (self.header("Accept") or "")

    def is_https(self) -> bool:
        """Whether the browser spoke HTTPS, to this server or to the proxy before it."""
        forwarded = (self.header("X-Forwarded-Proto") or "").split(",")[0].strip()
        return "https" in (self.scheme, forwarded)


def open_visit(manager: StateManager, request: Request, app: str | None) -> Visit:
    """What is known of a request; a page that arrives without a valid cookie is answered with one.

    The session that is announced here is not used before the browser sends it back: until then what is written
    belongs to nobody and is readable by its reference alone. So a browser that refuses cookies works, too, and four
    tabs that open at once end with one session.

    Args:
        manager: Verifies the cookie.
        request: The request.
        app: Route prefix of the app that is visited.
    """
    try:
        session, signed = manager.cookies.load(_parse_cookies(request.header("Cookie")).get)
    except BackendUnavailable as exc:  # the key that signs cookies is there
        logger.warning("a visitor has no session while the backend is away: %s", exc)
        return Visit(None, header=request.header, app=app)
    visit = Visit(session, header=request.header, app=app)
    if request.is_page():
        old = time.time() - signed > manager.cookies.lifetime / 10
        visit.issued = Session.new() if session is None else session if old else None
    return visit


def session_headers(manager: StateManager, visit: Visit, request: Request, headers: Headers) -> list[tuple[str, str]]:
    """The session's cookie, if one is issued, and what keeps shared caches from handing it to others.

    Args:
        manager: Signs the cookie.
        visit: The visit.
        request: The request that is answered.
        headers: Those that the answer has already.
    """
    if visit.issued is None:
        return []
    added = [("Set-Cookie", _cookie(manager, visit.issued, request)), ("Vary", "Cookie")]
    if not any(name.lower() == "cache-control" for name, _ in headers):
        added.append(("Cache-Control", "private, no-cache"))
    return added


def _cookie(manager: StateManager, session: Session, request: Request) -> str:
    settings, cookies = manager.settings, manager.cookies
    cross_site = settings.cookie_samesite == "None"
    secure = settings.cookie_secure == "true" or (settings.cookie_secure == "auto" and request.is_https())
    text = dump_cookie(
        cookies.names[0],
        cookies.dump(session),
        max_age=cookies.lifetime,
        domain=settings.cookie_domain,
        secure=secure or cross_site,
        httponly=True,
        samesite=settings.cookie_samesite,
    )
    return f"{text}; Partitioned" if cross_site else text
