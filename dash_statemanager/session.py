"""Sessions: who is asking, and which scopes that opens.

A session is one browser, known by a signed cookie that the server issued; an id that the server did not sign is
never adopted. Nothing here knows HTTP: the binding opens a `Visit` for each request, and everything below asks for
the current one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib import import_module
from threading import Lock
from types import TracebackType
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

from .errors import ConfigError, SessionError
from .reference import APP, NOBODY, Scope

MONTH = 30 * 86400
LONGEST = 400 * 86400
"""Browsers keep no cookie longer."""
MAX_FORMER = 4
KNOWN = 10_000
"""Cookies that a process remembers: a browser sends the same one with every request."""


@dataclass(frozen=True)
class Session:
    """One browser.

    Attributes:
        id: Known to the server and, signed, to the browser. Never stored or logged as it is.
        former: Ids before `rotate_session()`, newest first: references minted under them still verify.
    """

    id: str = field(repr=False)
    former: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def new(cls, *former: str) -> Session:
        """A session with an id that nobody can guess."""
        return cls(secrets.token_urlsafe(24), former[:MAX_FORMER])

    @cached_property
    def scopes(self) -> Sequence[Scope]:
        """Its own scope, where its data is, then those of its former ids."""
        return tuple(Scope.of("s", identity) for identity in (self.id, *self.former))


@dataclass
class Visit:
    """What is known of the current request.

    Attributes:
        session: From a valid cookie; None without one.
        header: Looks up a request header.
        issued: A session that the response announces in a cookie.
        app: Route prefix of the app that is visited; Dash itself often takes the one that was made last. None in a
            worker, where there is no request.
        due: What is to be done before the response leaves.
        answered: Whether there will be a response that can carry a cookie; not to a message of a socket, nor in a
            worker.
    """

    session: Session | None = None
    header: Callable[[str], str | None] = field(default=lambda name: None, repr=False)
    issued: Session | None = None
    app: str | None = None
    due: list[Callable[[], None]] = field(default_factory=list, repr=False)
    answered: bool = True
    _finishing: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def finish(self) -> None:
        """Does what is due, once. What fails is not tried again: the response that it was for is an error."""
        with self._finishing:
            while self.due:
                try:
                    self.due[0]()
                finally:
                    del self.due[0]  # not earlier: of two messages of a socket neither leaves before it is done


_visit: ContextVar[Visit | None] = ContextVar("dash_statemanager_visit", default=None)
_user: ContextVar[str | None] = ContextVar("dash_statemanager_user", default=None)


class ContextReset:
    """Undoes changes of context at the end of a `with` block; outside of one they stay."""

    def __init__(self, *tokens: Token[Any]) -> None:
        self._tokens = tokens

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for token in self._tokens:
            token.var.reset(token)


def enter_request(visit: Visit | None) -> ContextReset:
    """Makes this the current visit; which visit and user a request enters itself ends with it, too."""
    return ContextReset(_visit.set(visit), _user.set(_user.get()))


def enter_visit(visit: Visit | None) -> ContextReset:
    """Makes this the current visit."""
    return ContextReset(_visit.set(visit))


def current_visit() -> Visit | None:
    """The current visit, or None outside of requests."""
    return _visit.get()


def before_response(do: Callable[[], None]) -> None:
    """Does what may wait for the backend: at once, or on an event loop before the response leaves, in a thread."""
    visit = current_visit()
    if visit is None or visit.app is None or asyncio._get_running_loop() is None:
        do()
    else:
        visit.due.append(do)


def successor() -> tuple[Session | None, Session]:
    """The current session, and a new one that may take its place.

    Raises:
        SessionError: The browser can't be told.
    """
    visit = _visit.get()
    if visit is not None and not visit.answered:
        what = "a session can't be rotated in a message of a websocket or in a background job: no cookie goes back"
        raise SessionError(what, "Call rotate_session() in a route of the web server, or in a callback over HTTP")
    old = visit.session if visit else None
    return old, Session.new(*([old.id, *old.former] if old else []))


def announce(session: Session) -> None:
    """Makes this the session of the current visit, whose answer will carry its cookie."""
    visit = _visit.get()
    if visit is None:
        enter_visit(Visit(session, issued=session))
    else:
        visit.session = visit.issued = session


def enter_user(user: str | None) -> ContextReset:
    """Makes this the current user, whatever the identity setting says."""
    return ContextReset(_user.set(user))


class SessionCookies:
    """Signs session cookies and reads them back.

    Args:
        keys: The first signs, all verify.
        namespace: First part of the cookie's name; the rest comes from the key, since all ports of a host share
            their cookies.
        ttl: Seconds that values live; a cookie that is not renewed lives no shorter, and at least a month.
    """

    def __init__(self, keys: Sequence[str], namespace: str, ttl: float) -> None:
        self.names = [f"{namespace}_{sha256(f'cookie {key}'.encode()).hexdigest()[:8]}" for key in keys]
        self.lifetime = int(min(max(MONTH, ttl), LONGEST))
        self._serializer = URLSafeTimedSerializer(
            list(reversed(keys)), salt="session", signer_kwargs={"digest_method": sha256}
        )
        self._verified = lru_cache(KNOWN)(self._verify)

    def dump(self, session: Session) -> str:
        """The cookie's value."""
        return str(self._serializer.dumps([session.id, *session.former]))

    def load(self, cookies: Callable[[str], str | None]) -> tuple[Session | None, float]:
        """The session of the first valid cookie and the Unix time at which it was signed; `(None, 0)` without one.

        The time is 0, too, for a cookie that an old key signed: it is to be renewed before that key goes.
        """
        for name, value in zip(self.names, map(cookies, self.names), strict=True):
            if not value:
                continue
            try:
                session, signed = self._verified(value)
            except BadSignature:
                continue
            if time.time() - signed <= self.lifetime:
                return session, signed if name == self.names[0] else 0.0
        return None, 0.0

    def _verify(self, value: str) -> tuple[Session, float]:
        ids, signed = self._serializer.loads(value, return_timestamp=True)
        return Session(ids[0], tuple(ids[1:])), signed.timestamp()


class Identity:
    """Tells who the user of `scope="user"` is, as the setting `STATE_IDENTITY` says."""

    IAP_HEADER = "X-Goog-Authenticated-User-Email"

    def __init__(self, setting: str) -> None:
        self._function: Callable[[], object] | None = None
        self._header = self.IAP_HEADER if setting == "iap" else setting.partition("header:")[2]
        if setting not in ("cookie", "iap") and not self._header:
            self._function = self._import(setting)

    @staticmethod
    def _import(setting: str) -> Callable[[], object]:
        module, _, name = setting.partition(":")
        try:
            function: Callable[[], object] = getattr(import_module(module), name)
        except (ImportError, AttributeError) as exc:
            raise ConfigError(f"STATE_IDENTITY = {setting!r} can't be imported: {exc}", "Name a function") from exc
        if not callable(function):
            raise ConfigError(f"STATE_IDENTITY = {setting!r} is no function", "Name a function without arguments")
        return function

    def user(self, visit: Visit | None) -> str | None:
        """The user's name, or None where nobody is logged in."""
        if (user := _user.get()) is not None:
            return user
        if self._function is not None:
            found = self._function()
            return None if found is None else str(found)
        return (visit.header(self._header) or None) if self._header and visit else None


class Access:
    """Which scopes the current context opens.

    Args:
        identity: Tells the user.
        isolated: False puts everybody into the app's scope (`STATE_ENABLE_USER_ISOLATION`).
    """

    def __init__(self, identity: Identity, isolated: bool) -> None:
        self._identity, self._isolated = identity, isolated

    def to_write(self, scope: str) -> Scope:
        """Where a store of this scope is written: `session`, `user` or `app`. A user who is nobody is the session."""
        if scope == "app" or not self._isolated:
            return APP
        visit = current_visit()
        if scope == "user" and (user := self._identity.user(visit)) is not None:
            return Scope.of("u", user)
        return visit.session.scopes[0] if visit and visit.session else NOBODY

    def by_name(self, scope: str) -> Scope:
        """As `to_write`, for reading and writing by name, which needs a session.

        Raises:
            SessionError: There is none.
        """
        found = self.to_write(scope)
        if found == NOBODY:
            raise SessionError(
                "there is no session to act for",
                "Call ensure_session_context(session_id) first, or use a store with scope='app'",
            )
        return found

    def to_read(self) -> dict[str, Sequence[Scope]]:
        """Scopes whose references may be read, by kind; the first of a kind is where the data is."""
        visit = current_visit()
        user = self._identity.user(visit)
        return {
            "a": (APP,),
            "x": (NOBODY,),
            "s": visit.session.scopes if visit and visit.session else (),
            "u": (Scope.of("u", user),) if user is not None else (),
        }
