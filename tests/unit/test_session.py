"""Sessions: server-issued cookies, identities, and the scopes that they open."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import TimestampSigner

from dash_statemanager.errors import ConfigError, SessionError
from dash_statemanager.reference import APP, NOBODY, Scope
from dash_statemanager.session import (
    Access,
    Identity,
    Session,
    SessionCookies,
    Visit,
    before_response,
    current_visit,
    enter_user,
    enter_visit,
)

COOKIES = SessionCookies(["secret"], "dash", 1000)
SESSION = Session("mine", ("before",))
COOKIE = COOKIES.dump(SESSION)


def load(value: str, cookies: SessionCookies = COOKIES) -> Session | None:
    return cookies.load({cookies.names[0]: value}.get)[0]


def visit(**headers: str) -> Visit:
    return Visit(SESSION, header=lambda name: headers.get(name.lower().replace("-", "_")))


def test_a_cookie_carries_a_session_and_its_former_ids() -> None:
    assert load(COOKIES.dump(SESSION)) == SESSION


def test_a_cookie_tells_when_it_was_signed() -> None:
    signer = TimestampSigner("any")
    before = signer.get_timestamp()
    session, signed = COOKIES.load({COOKIES.names[0]: COOKIES.dump(SESSION)}.get)
    assert session == SESSION
    assert before <= signed <= signer.get_timestamp()


@settings(max_examples=300)
@given(st.text())
def test_an_id_that_the_server_did_not_sign_is_never_adopted(value: str) -> None:
    assert load(value) is None


@settings(max_examples=300)
@given(st.data())
def test_a_cookie_that_was_changed_is_none(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(COOKIE) - 2))
    character = data.draw(st.sampled_from("aZ09_-.").filter(lambda c: c != COOKIE[place]))
    assert load(COOKIE[:place] + character + COOKIE[place + 1 :]) is None


def test_a_cookie_of_another_secret_is_none() -> None:
    other = SessionCookies(["other"], "dash", 1000)
    assert load(other.dump(SESSION)) is None


def test_a_cookie_that_was_not_renewed_in_time_is_refused() -> None:
    later = SessionCookies(["secret"], "dash", 1000)
    later.lifetime = -1
    assert load(COOKIES.dump(SESSION), later) is None


def test_secrets_rotate_without_logging_anybody_out() -> None:
    both = SessionCookies(["new", "secret"], "dash", 1000)
    browser = {COOKIES.names[0]: COOKIES.dump(SESSION)}
    assert both.load(browser.get)[0] == SESSION
    assert both.names[0] != COOKIES.names[0]


def test_apps_that_share_a_host_have_cookies_of_their_own() -> None:
    names = {SessionCookies([key], space, 1).names[0] for key in "ab" for space in ("one", "two")}
    assert len(names) == 4
    assert not any("secret" in name for name in COOKIES.names)


def test_new_sessions_can_not_be_guessed_and_remember_four_former_ids() -> None:
    assert len({Session.new().id for _ in range(100)}) == 100
    assert Session.new(*"abcdef").former == tuple("abcd")


def test_a_session_id_is_not_in_its_representation_or_scope() -> None:
    assert "mine" not in repr(SESSION)
    assert "mine" not in "".join(map(str, SESSION.scopes))


def test_a_visit_ends_with_its_block() -> None:
    with enter_visit(visit()):
        assert current_visit() is not None
        with enter_visit(None):
            assert current_visit() is None
        assert current_visit() is not None
    assert current_visit() is None


def test_threads_act_for_different_users_at_once() -> None:
    identity = Identity("cookie")

    def act(user: str) -> str | None:
        with enter_user(user):
            return identity.user(None)

    with ThreadPoolExecutor(8) as pool:
        users = [str(number) for number in range(100)]
        assert [pool.submit(copy_context().run, act, user).result() for user in users] == users


def test_with_the_setting_cookie_nobody_is_a_user() -> None:
    assert Identity("cookie").user(visit(x_goog_authenticated_user_email="me@example.com")) is None


def test_iap_names_the_user_in_its_header() -> None:
    assert Identity("iap").user(visit(x_goog_authenticated_user_email="me@example.com")) == "me@example.com"


def test_a_header_of_choice_names_the_user() -> None:
    identity = Identity("header:X-User")
    assert identity.user(visit(x_user="me")) == "me"
    assert identity.user(visit(x_user="")) is None
    assert identity.user(visit()) is None
    assert identity.user(None) is None


@pytest.fixture
def auth(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("my_auth")
    monkeypatch.setitem(sys.modules, "my_auth", module)
    return module


def test_a_function_of_choice_names_the_user(auth: Any) -> None:
    auth.current_user = lambda: auth.name
    identity = Identity("my_auth:current_user")
    auth.name = 7
    assert identity.user(visit()) == "7"
    auth.name = None
    assert identity.user(visit()) is None


@pytest.mark.parametrize("setting", ["my_auth:missing", "no_such_module:f", "my_auth:constant"])
def test_a_function_that_is_none_is_an_error_that_names_the_setting(auth: Any, setting: str) -> None:
    auth.constant = "me"
    with pytest.raises(ConfigError, match=f"STATE_IDENTITY = '{setting}'.*Name a function"):
        Identity(setting)


def test_what_python_says_wins_over_the_setting() -> None:
    with enter_user("somebody"):
        assert Identity("header:X-User").user(visit(x_user="me")) == "somebody"


MINE, USER = Scope.of("s", "mine"), Scope.of("u", "me")


def test_the_scope_of_a_store_says_where_it_is_written() -> None:
    access = Access(Identity("header:X-User"), isolated=True)
    with enter_visit(visit(x_user="me")):
        assert [access.to_write(scope) for scope in ("session", "user", "app")] == [MINE, USER, APP]


def test_a_user_who_is_nobody_is_the_session() -> None:
    with enter_visit(visit()):
        assert Access(Identity("header:X-User"), isolated=True).to_write("user") == MINE


@pytest.mark.parametrize("missing", [None, Visit()])
def test_without_a_session_what_is_written_is_nobodys(missing: Visit | None) -> None:
    access = Access(Identity("cookie"), isolated=True)
    with enter_visit(missing):
        assert access.to_write("session") == NOBODY
        assert access.to_write("app") == APP
        with pytest.raises(SessionError, match="ensure_session_context"):
            access.by_name("session")


def test_without_isolation_all_share_one_scope() -> None:
    access = Access(Identity("cookie"), isolated=False)
    with enter_visit(visit()):
        assert {access.to_write(scope) for scope in ("session", "user", "app")} == {APP}
    assert access.by_name("session") == APP


def test_a_session_reads_its_own_its_former_its_users_the_apps_and_nobodys() -> None:
    with enter_visit(visit(x_user="me")):
        readable = Access(Identity("header:X-User"), isolated=True).to_read()
    assert {kind: list(scopes) for kind, scopes in readable.items()} == {
        "s": [MINE, Scope.of("s", "before")],
        "u": [USER],
        "a": [APP],
        "x": [NOBODY],
    }


def test_who_has_no_session_reads_the_apps_and_nobodys() -> None:
    assert Access(Identity("cookie"), isolated=True).to_read() == {"s": (), "u": (), "a": (APP,), "x": (NOBODY,)}


def test_on_an_event_loop_what_may_wait_is_done_before_the_response_leaves_in_order_and_once() -> None:
    done: list[int] = []

    async def answer() -> None:
        for number in range(3):
            before_response(lambda number=number: done.append(number))

    visit = Visit(app="/")
    with enter_visit(visit):
        asyncio.run(answer())
        assert done == []
        before_response(lambda: done.append(-1))
        assert done == [-1]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: visit.finish(), range(4)))
    assert done == [-1, 0, 1, 2]


@pytest.mark.parametrize("visit", [None, Visit()])
def test_where_there_is_no_response_it_is_done_at_once(visit: Visit | None) -> None:
    done: list[str] = []

    async def work() -> None:
        before_response(lambda: done.append("now"))

    with enter_visit(visit):
        asyncio.run(work())
    assert done == ["now"]


def test_what_fails_is_an_error_of_one_response() -> None:
    visit = Visit(app="/", due=[lambda: 1 // 0, lambda: None])  # type: ignore[list-item]
    with pytest.raises(ZeroDivisionError):
        visit.finish()
    visit.finish()
    assert visit.due == []
