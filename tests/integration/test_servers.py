"""Flask, FastAPI and Quart apps serve stores alike: sessions, values, and the route that pages read them from."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import requests
from dash import Dash, Input, Output, State, html
from werkzeug.serving import make_server

from dash_statemanager import ServerStore, get_store


@pytest.fixture(params=["flask", "fastapi", "quart"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param != "flask":
        pytest.importorskip(request.param)
    app = make_app(request.param)
    run, stop, port = serve(app, request.param)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/"
    stop()
    thread.join(10)


def make_app(kind: str) -> Dash:
    app = Dash(__name__) if kind == "flask" else Dash(__name__, backend=kind)
    app.layout = html.Div(
        [ServerStore(id="frame"), ServerStore(id="settings", data={"a": 1}), html.Button(id="go"), html.Div(id="out")]
    )

    @app.callback(Output("frame", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    async def write(n: int) -> pd.DataFrame:
        await asyncio.sleep(0)
        return pd.DataFrame({"x": range(n)})

    @app.callback(Output("out", "children"), Input("frame", "data"), State("settings", "data"))
    async def read(frame: pd.DataFrame | None, settings: Any) -> str:
        by_name = await asyncio.to_thread(get_store, "frame")
        return f"{None if frame is None else len(frame)} {settings} {None if by_name is None else len(by_name)}"

    @app.callback(Output("out", "title"), Input("go", "title"))
    async def make(title: str) -> Any:
        return ServerStore(id="made", data={"title": title})

    return app


def serve(app: Any, kind: str) -> tuple[Any, Any, int]:
    """How to run and stop a real server, and its port."""
    if kind == "flask":
        server = make_server("127.0.0.1", 0, app.server, threaded=True)
        return server.serve_forever, server.shutdown, server.port
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    asgi = uvicorn.Server(uvicorn.Config(app.server, log_level="warning"))
    return (
        lambda: asgi.run(sockets=[listener]),
        lambda: setattr(asgi, "should_exit", True),
        listener.getsockname()[1],
    )


def open_page(address: str) -> requests.Session:
    browser = requests.Session()
    browser.mount(
        "http://", requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(10, backoff_factor=0.05))
    )
    assert browser.get(address, headers={"Accept": "text/html"}).status_code == 200
    return browser


def initial(browser: requests.Session, address: str) -> Any:
    children = browser.get(f"{address}_dash-layout").json()["props"]["children"]
    return children[1]["props"]["data"]


def callback(browser: requests.Session, address: str, output: str, inputs: Any, state: Any = ()) -> Any:
    component, prop = output.split(".")
    specs = [
        [{"id": name.split(".")[0], "property": name.split(".")[1], "value": value} for name, value in values]
        for values in (inputs, state)
    ]
    body = {
        "output": output,
        "outputs": {"id": component, "property": prop},
        "inputs": specs[0],
        "state": specs[1],
        "changedPropIds": [inputs[0][0]],
    }
    answer = browser.post(f"{address}_dash-update-component", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["response"][component][prop]


def test_a_value_goes_round_and_stays_with_its_session(address: str) -> None:
    browser = open_page(address)
    [cookie] = list(browser.cookies)
    assert cookie.has_nonstandard_attr("HttpOnly")
    settings = initial(browser, address)
    reference = callback(browser, address, "frame.data", [("go.n_clicks", 5)])
    assert set(reference) == {"__store__"}
    state = [("settings.data", settings)]
    assert callback(browser, address, "out.children", [("frame.data", reference)], state) == "5 {'a': 1} 5"
    stranger = open_page(address)
    assert callback(stranger, address, "out.children", [("frame.data", reference)], state) == "None {'a': 1} None"


def test_the_page_reads_values_with_the_rights_of_its_session(address: str) -> None:
    browser = open_page(address)
    token = callback(browser, address, "frame.data", [("go.n_clicks", 3)])["__store__"]
    url = f"{address}_dash-statemanager/value"
    answer = browser.get(url, params={"reference": token, "offset": 1, "limit": 1})
    assert answer.json() == [{"x": 1}]
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert browser.post(url, json={"reference": {"__store__": token, "__patches__": []}}).json() == [
        {"x": 0},
        {"x": 1},
        {"x": 2},
    ]
    assert browser.get(url, params={"reference": token, "columns": "x", "limit": 0}).json() == []
    for nonsense in ({"columns": "y"}, {"offset": -1}, {"limit": "many"}):
        answer = browser.get(url, params={"reference": token, **nonsense})
        assert (answer.status_code, answer.headers["Cache-Control"]) == (400, "no-store")
    assert browser.get(url, params={"reference": token}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    refused = open_page(address).get(url, params={"reference": token})
    assert (refused.json(), refused.headers["Cache-Control"]) == (None, "no-store")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"reference": 5}', b'{"reference": {"__store__": []}}'])
def test_nonsense_is_answered_with_null(address: str, body: bytes) -> None:
    answer = open_page(address).post(
        f"{address}_dash-statemanager/value", data=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()) == (200, None)


def test_the_initial_value_of_a_store_that_a_callback_makes_is_there_when_the_page_has_it(address: str) -> None:
    browser = open_page(address)
    made = callback(browser, address, "out.title", [("go.title", "new")])
    token = made["props"]["data"]["__store__"]
    assert browser.get(f"{address}_dash-statemanager/value", params={"reference": token}).json() == {"title": "new"}


def test_arrow_comes_as_a_stream(address: str) -> None:
    import pyarrow as pa

    browser = open_page(address)
    token = callback(browser, address, "frame.data", [("go.n_clicks", 3)])["__store__"]
    answer = browser.get(f"{address}_dash-statemanager/value", params={"reference": token, "format": "arrow"})
    with pa.ipc.open_stream(answer.content) as reader:
        assert reader.read_all().to_pydict() == {"x": [0, 1, 2]}
