"""The session's cookie: who gets one, when, and what it opens."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import dash
import flask
import pytest
from dash import Input, Output, State, html

import dash_statemanager
from dash_statemanager import ServerStore, configure, get_session_id, get_state_manager, reset, rotate_session

from .conftest import session_of
from .page import Page

DAY = 86400
Many = Callable[[int], int]


def make_app(**kwargs: Any) -> dash.Dash:
    app = dash.Dash(__name__, **kwargs)
    app.layout = [ServerStore(id="a", data="initial"), ServerStore(id="b"), html.Button(id="go"), html.Div(id="out")]

    @app.callback(Output("b", "data"), Input("go", "n_clicks"), State("b", "data"), prevent_initial_call=True)
    def write(n: int, b: Any) -> Any:
        return [*(b or []), n]

    @app.callback(Output("out", "children"), Input("b", "data"), Input("a", "data"), prevent_initial_call=True)
    def read(b: Any, a: Any) -> str:
        return f"{a} {b}"

    @app.callback(Input("go", "title"), prevent_initial_call=True)
    def rotate(title: str) -> None:
        rotate_session()

    @app.server.route("/login")
    def login() -> str:
        rotate_session()
        return "welcome"

    return app


def cookies_of(answer: Any) -> list[Morsel[str]]:
    parsed = [SimpleCookie(header) for header in answer.headers.getlist("Set-Cookie")]
    return [morsel for cookie in parsed for morsel in cookie.values()]


def navigate(client: Any, path: str = "/", **headers: str) -> Any:
    return client.get(path, headers={"Accept": "text/html,*/*;q=0.8", **headers})


def count_entries() -> int:
    return len(list(get_state_manager().backend.scan("")))


# -- the cookie


def test_the_cookie_is_for_the_server_alone() -> None:
    (cookie,) = cookies_of(navigate(make_app().server.test_client()))
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert not cookie["secure"]
    assert not cookie["domain"]
    assert int(cookie["max-age"]) >= 30 * DAY


def test_the_cookie_is_named_by_the_secret() -> None:
    names = []
    for secret in ("one", "another", "one"):
        reset()
        configure(secret_key=secret, backend="memory")
        (cookie,) = cookies_of(navigate(make_app().server.test_client()))
        names.append(cookie.key)
        assert cookie.key.startswith("dash_")
        assert secret not in cookie.key
    assert names[0] == names[2] != names[1]


@pytest.mark.parametrize("settings", [{}, {"cookie_secure": "true"}, {"cookie_secure": "false"}], ids=str)
@pytest.mark.parametrize("https", ["no", "direct", "forwarded", "forwarded twice"])
def test_the_cookie_is_secure_over_https(https: str, settings: dict[str, str]) -> None:
    configure(backend="memory", **settings)
    client = make_app().server.test_client()
    forwarded = {"forwarded": "https", "forwarded twice": "https, http"}.get(https)
    headers = {"X-Forwarded-Proto": forwarded} if forwarded else {}
    base = "https://localhost" if https == "direct" else "http://localhost"
    (cookie,) = cookies_of(client.get("/", headers={"Accept": "text/html", **headers}, base_url=base))
    assert bool(cookie["secure"]) == {"true": True, "false": False}.get(
        settings.get("cookie_secure", ""), https != "no"
    )


def test_a_cookie_for_other_sites_frames_is_secure_and_partitioned() -> None:
    configure(backend="memory", cookie_samesite="None", cookie_domain="example.org")
    answer = navigate(make_app().server.test_client())
    (header,) = answer.headers.getlist("Set-Cookie")
    parts = header.split("; ")
    assert {"SameSite=None", "Secure", "Partitioned", "HttpOnly", "Path=/", "Domain=example.org"} <= set(parts)


def test_an_answer_with_a_cookie_is_not_for_shared_caches() -> None:
    answer = navigate(make_app().server.test_client())
    assert "Cookie" in answer.headers["Vary"]
    assert "private" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"Accept": "text/html"}),
        ("/some/page", {"Accept": "text/html,application/xhtml+xml"}),
        ("/", {"Sec-Fetch-Dest": "document", "Accept": "*/*"}),
        ("/", {"Sec-Fetch-Dest": "iframe", "Accept": "text/html"}),
        ("/_dash-layout", {"Accept": "application/json"}),
    ],
)
def test_opening_a_page_mints_a_session(path: str, headers: dict[str, str]) -> None:
    assert len(cookies_of(make_app().server.test_client().get(path, headers=headers))) == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/_dash-dependencies", {"Accept": "application/json"}),
        ("/_favicon.ico", {"Accept": "image/*"}),
        ("/assets/style.css", {"Accept": "text/css"}),
        ("/_dash-component-suites/dash/dcc/dash_core_components.js", {"Accept": "*/*"}),
        ("/", {"Accept": "*/*"}),
        ("/", {}),
        ("/", {"Sec-Fetch-Dest": "script", "Accept": "text/html"}),
    ],
)
def test_nothing_else_mints_a_session(path: str, headers: dict[str, str]) -> None:
    assert cookies_of(make_app().server.test_client().get(path, headers=headers)) == []


def test_callbacks_mint_no_session() -> None:
    page = Page(make_app().server.test_client()).open()
    page.client = page.client.application.test_client()  # a browser that refuses cookies
    body = page.request("b.data", ["go.n_clicks"])
    assert cookies_of(page.post(body)) == []
    posted = page.client.post("/", headers={"Accept": "text/html"})
    assert cookies_of(posted) == []


def test_four_tabs_that_open_at_once_end_in_one_session() -> None:
    client = make_app().server.test_client()
    first = [cookies_of(navigate(client.application.test_client()))[0] for _ in range(4)]
    for cookie in first:  # the browser keeps the last one that arrives
        client.set_cookie(cookie.key, cookie.value)
    pages = [Page(client).open() for _ in range(4)]
    for page in pages:
        page.change("go", n_clicks=1)
    assert len({page.get("b")["__store__"] for page in pages}) == 1


# -- whose session it is


@pytest.fixture
def cookie() -> Morsel[str]:
    configure(backend="memory", secret_key="secret")
    (cookie,) = cookies_of(navigate(make_app().server.test_client()))
    return cookie


@pytest.mark.parametrize(
    "change",
    [
        lambda value: "chosen-by-the-attacker",
        lambda value: "",
        lambda value: value[:-3],
        lambda value: "X" + value[1:],
        lambda value: value.replace(".", ".X", 1),
        lambda value: "ä" * 10,
        lambda value: "A" * 3000,
        lambda value: value + "." + value,
    ],
)
def test_an_id_that_the_server_did_not_issue_is_never_adopted(
    cookie: Morsel[str], change: Callable[[str], str]
) -> None:
    client = make_app().server.test_client()
    client.set_cookie(cookie.key, change(cookie.value))
    (fresh,) = cookies_of(navigate(client))
    assert fresh.value not in (cookie.value, change(cookie.value))
    before = session_of(client)
    client.set_cookie(cookie.key, cookie.value)
    assert session_of(client) != before


def test_a_cookie_of_another_secret_is_never_adopted(cookie: Morsel[str]) -> None:
    reset()
    configure(backend="memory", secret_key="another")
    client = make_app().server.test_client()
    name = get_state_manager().cookies.names[0]
    client.set_cookie(name, cookie.value)
    (fresh,) = cookies_of(navigate(client))
    assert (fresh.key, fresh.value) != (name, cookie.value)


def test_a_cookie_is_renewed_before_it_expires_and_refused_after(
    cookie: Morsel[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    client = make_app().server.test_client()
    client.set_cookie(cookie.key, cookie.value)
    session, now = session_of(client), time.time()
    assert cookies_of(navigate(client)) == []
    monkeypatch.setattr(time, "time", lambda: now + 10 * DAY)
    (renewed,) = cookies_of(navigate(client))
    assert renewed.value != cookie.value
    assert session_of(client) == session
    monkeypatch.setattr(time, "time", lambda: now + 35 * DAY)
    client.set_cookie(cookie.key, cookie.value)
    (fresh,) = cookies_of(navigate(client))
    assert session_of(client) != session
    client.set_cookie(cookie.key, renewed.value)
    assert session_of(client) == session
    assert fresh.value != renewed.value


def test_two_browsers_hold_different_sessions() -> None:
    app = make_app()
    pages = [Page(app.server.test_client()).open() for _ in range(2)]
    for n, page in enumerate(pages):
        page.change("go", n_clicks=n)
    pages[1].change("b", data=pages[0].get("b"))
    assert pages[1].get("out", "children") == "initial None"
    assert pages[0].get("out", "children") == "initial [0]"


# -- secrets


def test_nothing_that_is_kept_or_logged_is_a_usable_session_or_reference(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    configure(backend="database", database_url=f"sqlite:///{tmp_path / 'kept.db'}", secret_key="the secret")
    app = make_app()
    page = Page(app.server.test_client()).open()
    for n in range(3):
        page.change("go", n_clicks=n)
    stranger = Page(app.server.test_client()).open()
    stranger.change("b", data=page.get("b"))
    get_state_manager().close()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()) + caplog.text.encode()
    [name] = get_state_manager().cookies.names
    cookie = page.client.get_cookie(name).value
    for secret in (session_of(page.client), cookie, page.get("b")["__store__"], "the secret"):
        assert secret.encode() not in kept


# -- without cookies


def test_ten_thousand_requests_without_a_cookie_leave_no_record(many: Many) -> None:
    configure(backend="memory", secret_key="secret")
    app = make_app(use_async=False)  # spares each callback a thread of its own, and so half of the time
    page = Page(app.server.test_client()).open()
    body = page.request("out.children", ["b.data"])
    before = count_entries()
    kinds = itertools.cycle([navigate, lambda client: client.get("/_dash-layout"), lambda client: call(client, body)])
    for kind in itertools.islice(kinds, many(10_000)):
        kind(app.server.test_client(use_cookies=False))
    assert count_entries() == before


def call(client: Any, body: dict[str, Any]) -> Any:
    return client.post("/_dash-update-component", json=body)


def test_references_work_in_a_browser_that_refuses_cookies(backend: str) -> None:
    app = make_app()
    page = Page(app.server.test_client(use_cookies=False)).open()
    for n in (1, 2, 3):
        page.change("go", n_clicks=n)
    assert page.get("out", "children") == "initial [1, 2, 3]"
    other = Page(app.server.test_client(use_cookies=False)).open()
    other.change("go", n_clicks=1)
    assert other.get("b") != page.get("b")


def test_what_was_written_before_the_cookie_came_back_still_reads(backend: str) -> None:
    app = make_app()
    page = Page(app.server.test_client(use_cookies=False)).open()
    page.change("go", n_clicks=1)
    page.client = app.server.test_client()
    navigate(page.client)
    page.change("go", n_clicks=2)
    assert page.get("out", "children") == "initial [1, 2]"


# -- logins


@pytest.mark.parametrize("how", ["route", "callback"])
def test_a_login_moves_the_data_to_a_new_session(how: str, backend: str) -> None:
    app = make_app()
    page = Page(app.server.test_client()).open()
    page.change("go", n_clicks=1)
    name = get_state_manager().cookies.names[0]
    stolen = page.client.get_cookie(name).decoded_value
    before = session_of(page.client)
    if how == "route":
        assert page.client.get("/login").text == "welcome"
    else:
        page.change("go", title="log in")
    assert session_of(page.client) != before
    page.change("go", n_clicks=2)
    assert page.get("out", "children") == "initial [1, 2]"

    thief = Page(app.server.test_client()).open()
    thief.client.set_cookie(name, stolen)
    thief.props["b"]["data"] = page.get("b")
    thief.change("a", data="anything")
    assert thief.get("out", "children") == "anything None"


def test_a_login_without_a_session_begins_one(backend: str) -> None:
    client = make_app().server.test_client()
    (cookie,) = cookies_of(client.get("/login"))
    assert cookie["httponly"]
    page = Page(client).open()
    session = session_of(client)
    page.change("go", n_clicks=1)
    assert session_of(client) == session
    assert page.get("out", "children") == "initial [1]"


# -- secrets


def test_old_references_and_cookies_verify_while_the_old_key_is_listed() -> None:
    page = Page(make_app().server.test_client())

    def serve(*keys: str) -> None:
        reset()
        configure(secret_key=keys)
        page.client = make_app().server.test_client()
        for cookie in jar:
            page.client.set_cookie(*cookie)

    jar: list[tuple[str, str]] = []
    serve("old")
    page.open().change("go", n_clicks=1)
    name = get_state_manager().cookies.names[0]
    jar.append((name, page.client.get_cookie(name).decoded_value))
    session = session_of(page.client)

    serve("new", "old")
    page.change("go", n_clicks=2)
    assert page.get("out", "children") == "initial [1, 2]"
    assert session_of(page.client) == session

    serve("new")
    page.change("a", data="-")
    assert page.get("out", "children") == "- None"


def test_a_page_gets_its_cookie_signed_anew_after_a_rotation_of_keys() -> None:
    configure(secret_key=("old",))
    client = make_app().server.test_client()
    (old,) = cookies_of(navigate(client))
    reset()
    configure(secret_key=("new", "old"))
    client = make_app().server.test_client()
    client.set_cookie(old.key, old.value)
    session = session_of(client)
    (new,) = cookies_of(navigate(client))
    assert new.key == get_state_manager().cookies.names[0] != old.key
    reset()
    configure(secret_key=("new",))
    assert session_of(client) == session


SECRETS = """
import sys, dash, flask
from dash_statemanager import ServerStore, get_state_manager
server = flask.Flask(__name__)
server.secret_key = sys.argv[1] or None
app = dash.Dash(__name__, server=server)
app.layout = [ServerStore(id="a", data=1)]
reference = server.test_client().get("/_dash-layout").json[0]["props"]["data"]
print(*reference.values(), get_state_manager().cookies.names[0])
"""


def test_a_secret_that_nobody_set_is_made_once_for_all_processes(script: Callable[..., str]) -> None:
    assert script(SECRETS, "") == script(SECRETS, "")


def test_the_secret_of_the_web_server_signs(script: Callable[..., str]) -> None:
    servers, mine = script(SECRETS, "one"), script(SECRETS, "one", STATE_SECRET_KEY="mine")
    for secret, printed in (("one", servers), ("mine", mine)):
        reset()
        configure(secret_key=secret)
        reference, cookie = printed.split()
        assert cookie == get_state_manager().cookies.names[0]
        assert get_state_manager().read({"__store__": reference}) == 1


def test_the_session_id_is_what_python_sees() -> None:
    app = make_app()
    seen = []

    @app.server.route("/who")
    def who() -> flask.Response:
        seen.append(get_session_id())
        return flask.Response("you")

    client = app.server.test_client()
    navigate(client)
    client.get("/who")
    assert seen == [session_of(client)]
    with pytest.raises(dash_statemanager.SessionError, match="no session"):
        get_session_id()
