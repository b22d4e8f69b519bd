"""Python's side: stores by name, users, and the helpers for callbacks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dash
import numpy as np
import pandas as pd
import pytest
from dash import Input, Output, html

from dash_statemanager import (
    LockTimeout,
    ServerStore,
    SessionError,
    configure,
    delete_store,
    ensure_session_context,
    get_session_id,
    get_state_manager,
    get_store,
    get_stores,
    is_configured,
    locked,
    memoized,
    set_store,
    set_stores,
    state_managed_callback,
    store_exists,
)

from .conftest import session_of
from .page import Page

pytestmark = pytest.mark.usefixtures("backend")


# -- stores by name


def test_a_store_is_set_read_and_deleted_by_name() -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    with ensure_session_context("me"):
        assert get_store("s") is None
        assert get_store("s", "default") == "default"
        assert not store_exists("s")
        for value in ({"a": [1]}, 0, False, "", []):
            set_store("s", value)
            assert get_store("s", "default") == value
            assert store_exists("s")
        set_store("s", frame)
        pd.testing.assert_frame_equal(get_store("s"), frame)
        assert delete_store("s")
        assert not delete_store("s")
        assert not store_exists("s")
        assert get_store("s", 1) == 1


def test_none_deletes() -> None:
    with ensure_session_context("me"):
        set_stores({"a": 1, "b": 2})
        set_stores({"a": None, "b": 3})
        assert get_stores(["a", "b", "c"]) == {"b": 3}
        set_store("b", None)
        assert get_stores(["a", "b"]) == {}


def test_each_session_has_its_own() -> None:
    for name in ("one", "two"):
        with ensure_session_context(name):
            assert get_store("s") is None
            set_store("s", name)
            assert get_session_id() == name
    for name in ("one", "two"):
        with ensure_session_context(name):
            assert get_store("s") == name


def test_without_a_session_there_is_nothing_to_act_for() -> None:
    for use in (get_store, store_exists, delete_store, lambda store: set_store(store, 1)):
        with pytest.raises(SessionError, match=r"store 'mine': there is no session to act for\. Call ensure_session"):
            use("mine")
    with pytest.raises(SessionError, match="non-empty string"):
        ensure_session_context("")


def test_what_callbacks_wrote_is_read_by_name_patches_included() -> None:
    from dash import Patch

    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a", data={"n": 0}), html.Button(id="go"), html.Div(id="out")]

    @app.callback(Output("a", "data"), Output("out", "children"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> Any:
        before = get_store("a")
        patch = Patch()
        patch["list"].append(n)
        return ({"n": n, "list": []} if n == 1 else patch), str(before)

    page = Page(app.server.test_client()).open()
    for n in (1, 2, 3):
        page.change("go", n_clicks=n)
    assert page.get("out", "children") == str({"n": 1, "list": [2]})
    with ensure_session_context(session_of(page.client)):
        assert get_store("a") == {"n": 1, "list": [2, 3]}


def test_two_contexts_in_two_threads_never_mix() -> None:
    meet = threading.Barrier(2, timeout=20)

    def act(name: str) -> list[Any]:
        seen = []
        for n in range(50):
            with ensure_session_context(name), get_state_manager().set_user_context(f"user of {name}"):
                meet.wait()
                set_store("s", [name, n])
                meet.wait()
                seen.append(get_store("s") == [name, n] and get_session_id() == name)
        return seen

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(act, ["one", "two"])) == [[True] * 50] * 2


def test_two_contexts_in_two_tasks_never_mix() -> None:
    async def act(name: str) -> bool:
        with ensure_session_context(name):
            set_store("s", name)
            await asyncio.sleep(0)
            return get_store("s") == name and await asyncio.to_thread(get_store, "s") == name

    async def both() -> list[bool]:
        return await asyncio.gather(*(act(f"task {n}") for n in range(10)))

    assert all(asyncio.run(both()))


# -- scopes


def scoped_app(**kwargs: Any) -> dash.Dash:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="s", **kwargs), html.Button(id="go"), html.Div(id="out")]

    @app.callback(Output("s", "data"), Input("go", "title"), prevent_initial_call=True)
    def write(title: str) -> Any:
        return {"from": title}

    @app.callback(Output("out", "children"), Input("s", "data"), prevent_initial_call=True)
    def read(value: Any) -> str:
        return json.dumps([value, get_store("s")])

    return app


def read_back(page: Page, reference: Any) -> list[Any]:
    page.change("s", data=reference)
    return list(json.loads(page.get("out", "children")))


def test_the_apps_scope_is_everyones() -> None:
    app = scoped_app(scope="app")
    one, two = (Page(app.server.test_client()).open() for _ in range(2))
    one.change("go", title="one")
    assert read_back(two, one.get("s")) == [{"from": "one"}] * 2
    assert get_store("s") == {"from": "one"}


@pytest.mark.parametrize("identity", ["header:X-User", "iap"])
def test_the_users_scope_follows_the_user(identity: str, backend: str) -> None:
    from dash_statemanager import reset

    reset()
    configure(backend=backend, identity=identity)
    app = scoped_app(scope="user")
    header = "HTTP_X_USER" if identity != "iap" else "HTTP_X_GOOG_AUTHENTICATED_USER_EMAIL"
    laptop, phone, stranger, nobody = (Page(app.server.test_client()).open() for _ in range(4))
    for page, user in ((laptop, "ann"), (phone, "ann"), (stranger, "bob")):
        page.client.environ_base[header] = user
    laptop.change("go", title="ann")
    reference = laptop.get("s")
    assert read_back(phone, reference) == [{"from": "ann"}] * 2
    assert read_back(stranger, reference) == [None, None]
    assert read_back(nobody, reference) == [None, None]
    manager = get_state_manager()
    with manager.set_user_context("ann"):
        assert get_store("s") == {"from": "ann"}
    assert manager.clear_user_data("bob") == 0
    assert manager.clear_user_data("ann") > 0
    assert read_back(phone, reference) == [None, None]


def test_the_users_context_wins_within_a_callback() -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="s", scope="user"), html.Button(id="go"), html.Div(id="out")]

    @app.callback(Output("out", "children"), Input("go", "title"), prevent_initial_call=True)
    def act(user: str) -> str:
        with get_state_manager().set_user_context(user):
            before = get_store("s")
            set_store("s", {"of": user})
        return json.dumps([before, get_store("s")])

    pages = [Page(app.server.test_client()).open() for _ in range(2)]
    for page, user, before in ((pages[0], "ann", None), (pages[1], "ann", {"of": "ann"}), (pages[0], "bob", None)):
        page.change("go", title=user)
        assert json.loads(page.get("out", "children")) == [before, None]


def test_without_isolation_there_is_one_scope(backend: str) -> None:
    from dash_statemanager import reset

    reset()
    configure(backend=backend, enable_user_isolation=False)
    app = scoped_app()
    one, two = (Page(app.server.test_client()).open() for _ in range(2))
    one.change("go", title="one")
    assert read_back(two, one.get("s")) == [{"from": "one"}] * 2


# -- figures


def test_figures_tell_what_a_session_holds() -> None:
    assert is_configured()
    app = scoped_app()
    page = Page(app.server.test_client()).open()
    page.change("go", title="x")
    with ensure_session_context(session_of(page.client)):
        set_store("frame", pd.DataFrame({"x": np.arange(100_000)}))
        stats = get_state_manager().get_backend_stats()
        assert json.loads(json.dumps(stats)) == stats
        frame, store = stats["session"]["stores"]
        assert (frame["id"], frame["type"], frame["rows"], frame["columns"]) == ("frame", "DataFrame", 100_000, 1)
        assert frame["nbytes"] > 100_000
        assert (store["id"], store["versions"]) == ("s", 1)
        assert stats["session"]["bytes"] > frame["nbytes"]
        assert get_state_manager().clear_session() > 0
        assert get_store("frame") is None
        assert get_state_manager().get_backend_stats()["session"] == {"bytes": 0, "stores": []}


# -- helpers for callbacks


def helper_app() -> tuple[dash.Dash, list[Any]]:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="filters-store"), html.Button(id="go"), html.Div(id="out")]
    app.callback(Output("filters-store", "data"), Input("go", "title"), prevent_initial_call=True)(
        lambda title: [title]
    )
    return app, []


def test_stores_are_passed_as_keyword_arguments() -> None:
    app, seen = helper_app()

    @app.callback(Output("out", "children"), Input("go", "n_clicks"), prevent_initial_call=True)
    @state_managed_callback(store_mappings={"filters": "filters-store", "missing": "nothing-there"})
    def show(n: int, filters: Any, missing: Any) -> str:
        seen.append((n, filters, missing))
        return str(filters)

    @app.callback(Output("out", "title"), Input("go", "n_clicks"), prevent_initial_call=True)
    @state_managed_callback(store_mappings={"filters": "filters-store"})
    async def show_later(n: int, *, filters: Any) -> str:
        seen.append((n, filters))
        return str(filters)

    page = Page(app.server.test_client()).open()
    page.change("go", n_clicks=1).change("go", title="x").change("go", n_clicks=2)
    assert seen == [(1, None, None), (1, None), (2, ["x"], None), (2, ["x"])]
    assert (page.get("out", "children"), page.get("out", "title")) == ("['x']", "['x']")


def test_a_locked_callback_runs_one_at_a_time_for_each_session() -> None:
    app, _ = helper_app()
    inside: dict[str, int] = {}
    most: list[int] = []
    both_sessions = threading.Barrier(2, timeout=20)

    @app.callback(Output("out", "children"), Input("go", "n_clicks"), prevent_initial_call=True)
    @locked("filters-store")
    def count(n: int) -> str:
        session = get_session_id()
        inside[session] = inside.get(session, 0) + 1
        most.append(inside[session])
        both_sessions.wait()  # two sessions hold it at once, or this breaks
        set_store("count", (get_store("count") or 0) + 1)
        inside[session] -= 1
        return "counted"

    pages = [Page(app.server.test_client()).open() for _ in range(2)]
    body = pages[0].request("out.children", ["go.n_clicks"])

    def send(page: Page) -> int:
        client = app.server.test_client()
        name = get_state_manager().cookies.names[0]
        client.set_cookie(name, page.client.get_cookie(name).decoded_value)
        return int(client.post("/_dash-update-component", json=body).status_code)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(send, pages * 4)) == {200}
    assert most == [1] * 8
    for page in pages:
        with ensure_session_context(session_of(page.client)):
            assert get_store("count") == 4


def test_a_lock_that_is_not_free_in_time_is_an_error() -> None:
    holds, let_go = threading.Event(), threading.Event()

    @locked("s")
    def hold() -> None:
        holds.set()
        assert let_go.wait(20)

    @locked("s", timeout=0.05)
    def try_it() -> None: ...

    def in_session(function: Callable[[], None]) -> None:
        with ensure_session_context("me"):
            function()

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(in_session, hold)
        assert holds.wait(20)
        with pytest.raises(LockTimeout, match=r"not free within 0\.05 s"):
            in_session(try_it)
        let_go.set()
        held.result()
    in_session(try_it)


def test_a_memoized_function_is_computed_once_for_equal_arguments() -> None:
    calls: list[Any] = []
    entered = threading.Barrier(1)

    @memoized()
    def slow(x: int, *, frame: pd.DataFrame | None = None) -> Any:
        entered.wait()
        calls.append(x)
        return pd.DataFrame({"x": [x]}) if frame is None else frame + x

    with ThreadPoolExecutor(10) as threads:
        results = list(threads.map(slow, [1] * 30))
    assert calls == [1]
    for result in results:
        assert result["x"].tolist() == [1]
        result["x"] = "changed"
    assert slow(1)["x"].tolist() == [1]
    assert slow(2)["x"].tolist() == [2]
    frame = pd.DataFrame({"y": [1.0]})
    assert slow(3, frame=frame)["y"].tolist() == slow(3, frame=frame.copy())["y"].tolist() == [4.0]
    assert calls == [1, 2, 3]


def test_a_memoized_result_belongs_to_its_scope() -> None:
    calls: list[int] = []

    @memoized(scope="session")
    def mine(x: int) -> Any:
        calls.append(x)
        return {"session": get_session_id()}

    for name in ("one", "two", "one"):
        with ensure_session_context(name):
            assert mine(1) == {"session": name}
    assert calls == [1, 1]


def test_an_async_function_is_memoized_too() -> None:
    calls: list[int] = []

    @memoized()
    async def slow(x: int) -> Any:
        calls.append(x)
        await asyncio.sleep(0)
        return {"x": x}

    async def many() -> list[Any]:
        return await asyncio.gather(*(slow(1) for _ in range(10)))

    assert asyncio.run(many()) == [{"x": 1}] * 10
    assert calls == [1]


MEMOIZED = """
import os, sys, time
from pathlib import Path
from dash_statemanager import memoized

folder = Path(sys.argv[1])

@memoized()
def slow(x):
    (folder / f"computed by {os.getpid()}").touch()
    ends = time.monotonic() + 20
    while len(list(folder.glob("here *"))) < 2 and time.monotonic() < ends:
        time.sleep(0.01)
    return {"by": os.getpid(), "x": x}

(folder / f"here {os.getpid()}").touch()
print(slow(1)["by"])
"""


def test_two_processes_compute_a_memoized_result_once(script: Callable[..., str], tmp_path: Path, backend: str) -> None:
    if backend == "memory":
        return
    with ThreadPoolExecutor(2) as threads:
        printed = list(threads.map(lambda n: script(MEMOIZED, str(tmp_path), name=f"memo{n}"), range(2)))
    assert len(set(printed)) == 1
    assert len(list(tmp_path.glob("computed by *"))) == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_locked_callback_holds_the_lock_until_its_results_are_written(kind: str) -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="count"), html.Button(id="go")]

    def count(_: int) -> int:
        return int(get_store("count", 0)) + 1

    async def count_later(n: int) -> int:
        return await asyncio.to_thread(count, n)

    function = count if kind == "sync" else count_later
    app.callback(Output("count", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(locked("count")(function))
    page = Page(app.server.test_client()).open()
    page.change("go", n_clicks=0)
    request = page.request("count.data", ["go.n_clicks"])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: page.client.post("/_dash-update-component", json=request), range(40)))
    with ensure_session_context(session_of(page.client)):
        assert get_store("count") == 41
