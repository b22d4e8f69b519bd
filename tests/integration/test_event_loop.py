"""Waiting for a backend never holds up the event loop of an async server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import requests
from dash import Dash, Input, Output, State, dcc, html, set_props

from dash_statemanager import ServerStore, configure
from dash_statemanager.chains import LIGHT
from dash_statemanager.errors import BackendFull, BackendUnavailable
from dash_statemanager.reference import is_reference

from .test_servers import callback, initial, open_page, serve

PATIENCE = 20
WRITES = {"put", "put_many"}


class Watched:
    """A backend that notes which of its methods are called on an event loop, and can be made to wait or to fail.

    Args:
        backend: Does the work.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.called: list[str] = []
        self.on_the_loop: list[str] = []
        self.waiting, self.go_on = threading.Event(), threading.Event()
        self.slow: set[str] = set()
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._backend, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            self.called.append(name)
            if asyncio._get_running_loop() is not None:
                self.on_the_loop.append(name)
            if name in self.slow:
                self.waiting.set()
                assert self.go_on.wait(PATIENCE), "nobody told the backend to go on"
            if self.error and name in WRITES:
                raise self.error
            return method(*args, **kwargs)

        return call


class Counting(ThreadPoolExecutor):
    """Threads that count what they are given to do."""

    given = 0

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given += 1
        return super().submit(*args, **kwargs)


@pytest.fixture
def threads() -> Iterator[Counting]:
    with Counting() as threads:
        yield threads


@pytest.fixture
def cache_bytes() -> int:
    return 0


@pytest.fixture
def backend(cache_bytes: int) -> Watched:
    manager = configure(backend="database", cache_bytes=cache_bytes, secret_key="k")
    manager.backend = Watched(manager.backend)  # type: ignore[assignment]
    return manager.backend  # type: ignore[return-value]


@pytest.fixture(params=["fastapi", "quart"])
def address(request: pytest.FixtureRequest, backend: Watched, threads: Counting) -> Iterator[str]:
    pytest.importorskip(request.param)
    app = Dash(__name__, backend=request.param)
    stores = [ServerStore(id=name) for name in ("a", "b", "rescued")]
    settings = ServerStore(id="settings", data={"unit": "t"})
    app.layout = html.Div([html.Button(id="go"), settings, *stores, dcc.Store(id="plain"), html.Div(id="out")])

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    async def write(n: int) -> Any:
        set_props("b", {"data": [n]})
        set_props("out", {"title": "set"})
        return {"n": n}

    @app.callback(Output("out", "children"), Input("a", "data"), State("b", "data"))
    async def read(a: Any, b: Any) -> str:
        return f"{a} {b}"

    @app.callback(Output("out", "lang"), Input("settings", "data"))
    async def show(settings: Any) -> str:
        return str(settings)

    @app.callback(Output("out", "role"), Input("go", "role"))
    async def count_threads(role: str) -> str:
        asyncio.get_running_loop().set_default_executor(threads)
        return role

    @app.callback(Output("out", "dir"), Input("go", "dir"))
    async def make(name: str) -> Any:
        return ServerStore(id="made", data={"made": name})

    @app.callback(Output("out", "title"), Input("go", "title"))
    async def beside(title: str) -> str:
        return title.upper()

    def rescue(error: Exception) -> Any:
        set_props("b", {"data": [str(error)]})
        return {"rescued": str(error)}

    @app.callback(Output("rescued", "data"), Input("go", "name"), on_error=rescue)
    async def fail(name: str) -> Any:
        raise ValueError(name)

    @app.callback(Output("plain", "data"), Input("go", "lang"), on_error=rescue)
    async def fail_beside(lang: str) -> Any:
        raise ValueError(lang)

    run, stop, port = serve(app, request.param)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/"
    backend.go_on.set()
    stop()
    thread.join(10)


def test_the_work_of_asynchronous_callbacks_is_done_in_threads(address: str, backend: Watched) -> None:
    browser = open_page(address)
    for n in (1, 2):
        made(browser, address, str(n))
        a = callback(browser, address, "a.data", [("go.n_clicks", n)])
        assert callback(browser, address, "out.children", [("a.data", a)], [("b.data", [])]) == f"{{'n': {n}}} []"
        assert browser.get(f"{address}_dash-statemanager/value", params={"reference": a["__store__"]}).json() == {
            "n": n
        }
        callback(browser, address, "rescued.data", [("go.name", str(n))])
        callback(browser, address, "plain.data", [("go.lang", str(n))])
    assert {"get_many", "put_many"} & set(backend.called)
    assert backend.on_the_loop == []


def made(browser: requests.Session, address: str, name: str = "now") -> Any:
    return callback(browser, address, "out.dir", [("go.dir", name)])["props"]["data"]


def rescued(browser: requests.Session, address: str) -> Any:
    return callback(browser, address, "rescued.data", [("go.name", "oops")])


@pytest.mark.parametrize(
    ("cache_bytes", "n", "given"), [(0, 1, 1), (1 << 20, 1, 0), (1 << 20, "x" * (LIGHT + 1), 1), (1 << 20, None, 0)]
)
def test_what_the_process_has_is_read_without_a_thread_unless_it_is_large(
    address: str, threads: Counting, n: Any, given: int
) -> None:
    browser = open_page(address)
    initial(browser, address)
    a = n and callback(browser, address, "a.data", [("go.n_clicks", n)])
    callback(browser, address, "out.role", [("go.role", "main")])
    callback(browser, address, "out.title", [("go.title", "what the server itself gives to threads")])
    usual, threads.given = threads.given, 0
    expected = f"{a and {'n': n}} None"
    assert callback(browser, address, "out.children", [("a.data", a)], [("b.data", None)]) == expected
    assert threads.given - usual == given


def test_a_slow_read_does_not_delay_another_request(address: str, backend: Watched) -> None:
    browser, other = open_page(address), open_page(address)
    a = callback(browser, address, "a.data", [("go.n_clicks", 1)])
    backend.slow = {"get", "get_many"}
    with ThreadPoolExecutor() as pool:
        state = [("b.data", None)]
        slow = pool.submit(callback, browser, address, "out.children", [("a.data", a)], state)
        assert backend.waiting.wait(PATIENCE)
        assert callback(other, address, "out.title", [("go.title", "fast")]) == "FAST"
        assert not slow.done()
        backend.go_on.set()
        assert slow.result(PATIENCE) == "{'n': 1} None"


@pytest.mark.parametrize("ask", [made, rescued])
def test_a_slow_write_of_an_initial_value_or_for_an_error_handler_does_not_delay_another_request(
    address: str, backend: Watched, ask: Callable[..., Any]
) -> None:
    browser, other = open_page(address), open_page(address)
    initial(other, address)  # tells other workers of the stores: the response that comes next need not
    backend.slow = WRITES
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, browser, address)
        assert backend.waiting.wait(PATIENCE)
        assert callback(other, address, "out.title", [("go.title", "fast")]) == "FAST"
        assert not slow.done()
        backend.go_on.set()
        reference = slow.result(PATIENCE)
    assert is_reference(reference)
    found = browser.post(f"{address}_dash-statemanager/value", json={"reference": reference})
    assert list(found.json()) == [ask.__name__]


def test_a_page_opens_while_the_backend_is_away_and_its_values_are_there_when_it_is_back(
    address: str, backend: Watched
) -> None:
    backend.error = BackendUnavailable("the network is down")
    browser = open_page(address)
    settings = initial(browser, address)
    backend.error = None
    assert is_reference(settings)
    assert callback(browser, address, "out.lang", [("settings.data", settings)]) == "{'unit': 't'}"


def test_a_value_that_finds_no_room_is_an_error_of_the_answer_that_has_it(address: str, backend: Watched) -> None:
    browser = open_page(address)
    backend.error = BackendFull("there is no room")
    with pytest.raises(AssertionError, match="assert 500 == 200"):
        made(browser, address)
    assert callback(browser, address, "out.title", [("go.title", "fast")]) == "FAST"
    backend.error = None
    assert is_reference(made(browser, address))
