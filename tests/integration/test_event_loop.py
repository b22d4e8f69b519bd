"""Waiting for a backend never holds up the event loop of an async server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dash import Dash, Input, Output, State, html, set_props

from dash_statemanager import ServerStore, configure

from .test_servers import callback, open_page, serve

PATIENCE = 20


class Watched:
    """A backend that notes which of its methods are called on an event loop, and can be made to wait.

    Args:
        backend: Does the work.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.called: list[str] = []
        self.on_the_loop: list[str] = []
        self.waiting, self.go_on = threading.Event(), threading.Event()
        self.slow: set[str] = set()

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
            return method(*args, **kwargs)

        return call


@pytest.fixture
def backend() -> Watched:
    manager = configure(backend="database", cache_bytes=0)
    manager.backend = Watched(manager.backend)  # type: ignore[assignment]
    return manager.backend  # type: ignore[return-value]


@pytest.fixture(params=["fastapi", "quart"])
def address(request: pytest.FixtureRequest, backend: Watched) -> Iterator[str]:
    pytest.importorskip(request.param)
    app = Dash(__name__, backend=request.param)
    app.layout = html.Div([*(ServerStore(id=name) for name in ("a", "b")), html.Button(id="go"), html.Div(id="out")])

    @app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    async def write(n: int) -> Any:
        set_props("b", {"data": [n]})
        set_props("out", {"title": "set"})
        return {"n": n}

    @app.callback(Output("out", "children"), Input("a", "data"), State("b", "data"))
    async def read(a: Any, b: Any) -> str:
        return f"{a} {b}"

    @app.callback(Output("out", "title"), Input("go", "title"))
    async def beside(title: str) -> str:
        return title.upper()

    run, stop, port = serve(app, request.param)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/"
    backend.go_on.set()
    stop()
    thread.join(10)


def test_the_work_of_asynchronous_callbacks_is_done_in_threads(address: str, backend: Watched) -> None:
    browser = open_page(address)
    browser.get(f"{address}_dash-layout")
    for n in (1, 2):
        a = callback(browser, address, "a.data", [("go.n_clicks", n)])
        assert callback(browser, address, "out.children", [("a.data", a)], [("b.data", [])]) == f"{{'n': {n}}} []"
        assert browser.get(f"{address}_dash-statemanager/value", params={"reference": a["__store__"]}).json() == {
            "n": n
        }
    assert {"get_many", "put_many"} & set(backend.called)
    assert backend.on_the_loop == []


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
