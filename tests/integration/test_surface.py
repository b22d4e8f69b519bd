"""Where apps live, and where they come from and go to: proxies, reloads, notebooks, other libraries, and back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dash
import flask
import pandas as pd
import pytest
import requests
from dash import MATCH, Input, Output, State, html
from dash._utils import stringify_id
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from werkzeug.wrappers import Response

from dash_statemanager import ServerStore, get_state_manager
from dash_statemanager.binding.server import PREFIXES, AsgiSessionMiddleware
from tests.servers.base import free_port, wait_until

from .page import Page

Script = Callable[..., str]


# -- behind a proxy


def test_an_app_behind_a_proxy_that_takes_a_prefix_off(backend: str) -> None:
    app = dash.Dash(__name__, requests_pathname_prefix="/behind/proxy/", routes_pathname_prefix="/")
    app.layout = [ServerStore(id="a", data=[0]), html.Button(id="go"), html.Div(id="out")]
    app.callback(Output("a", "data"), Input("go", "n_clicks"), State("a", "data"))(lambda n, a: [*a, n])
    app.callback(Output("out", "children"), Input("a", "data"), prevent_initial_call=True)(str)
    proxied = DispatcherMiddleware(Response("not here", 404), {"/behind/proxy": app.server})
    page = Page(FlaskLike(proxied), "/behind/proxy/").open()
    page.change("go", n_clicks=1).change("go", n_clicks=2)
    assert page.get("out", "children") == "[0, 1, 2]"
    reference = page.get("a")["__store__"]
    answer = page.client.get("/behind/proxy/_dash-statemanager/value", query_string={"reference": reference})
    assert answer.json == [0, 1, 2]


class FlaskLike(Client):
    """A test client whose answers are those of Flask's."""

    def __init__(self, application: Any) -> None:
        super().__init__(application, Response)


def test_two_apps_of_one_process_may_keep_stores_of_one_name_in_two_ways() -> None:
    server = flask.Flask(__name__)
    seen: list[Any] = []
    for name, options in (("open", {}), ("sealed", {"sealed": True}), ("shared", {"scope": "app"})):
        app = dash.Dash(__name__, server=server, url_base_pathname=f"/{name}/")
        app.layout = [ServerStore(id="a", **options), html.Button(id="go"), html.Div(id="out")]
        app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)(lambda n: {"n": n})
        app.callback(Output("out", "children"), Input("a", "data"), prevent_initial_call=True)(seen.append)
    visitor, stranger = server.test_client(), server.test_client()
    for name, taken, read in (("open", "raw", None), ("sealed", None, None), ("shared", "raw", {"n": 1})):
        page = Page(visitor, f"/{name}/").open()
        other = Page(stranger, f"/{name}/").open()
        page.change("a", data="raw")
        page.change("go", n_clicks=1)
        other.change("a", data=page.get("a"))
        assert seen == [taken, {"n": 1}, read]
        seen.clear()


# -- many ids


def test_a_layout_that_makes_a_thousand_ids_for_each_visit(backend: str) -> None:
    app = dash.Dash(__name__)
    visits: list[None] = []

    def layout() -> Any:
        visits.append(None)
        names = [{"kind": "s", "name": f"visit {len(visits)}, number {n}"} for n in range(1000)]
        return [ServerStore(id=name, data=dict(name)) for name in names]

    app.layout = layout

    @app.callback(
        Output({"kind": "s", "name": MATCH}, "data"),
        Input({"kind": "s", "name": MATCH}, "id"),
        State({"kind": "s", "name": MATCH}, "data"),
    )
    def write(own: Any, value: Any) -> Any:
        return {"was": value}

    client = app.server.test_client()
    client.get("/", headers={"Accept": "text/html"})
    pages = [client.get("/_dash-layout").json for _ in range(3)]
    [output] = [spec["output"] for spec in client.get("/_dash-dependencies").json]
    for stores in pages:  # also those of visits that were followed by others
        store = stores[-1]["props"]
        body = {
            "output": output,
            "outputs": {"id": store["id"], "property": "data"},
            "inputs": [{"id": store["id"], "property": "id", "value": store["id"]}],
            "state": [{"id": store["id"], "property": "data", "value": store["data"]}],
            "changedPropIds": [],
        }
        answer = client.post("/_dash-update-component", json=body)
        reference = answer.json["response"][stringify_id(store["id"])]["data"]
        found = client.get("/_dash-statemanager/value", query_string={"reference": reference["__store__"]})
        assert found.json == {"was": store["id"]}


def test_a_store_made_in_a_websocket_callback_is_known_before_the_page_has_it(backend: str) -> None:
    told: list[Any] = []
    sent: list[Any] = []
    ServerStore(id="one store that exists")
    manager = get_state_manager()

    async def callback_that_makes_a_store(scope: Any, receive: Any, send: Any) -> None:
        store = ServerStore(id="of a callback", data=[1]).to_plotly_json()
        assert manager.find("/", "of a callback") is not None
        assert manager.read(store["props"]["data"]) is None
        await send({"type": "websocket.send", "text": store["props"]["data"]})

    async def send(message: Any) -> None:
        told.append(not manager.definitions.has_news)
        sent.append(manager.read(message["text"]))

    dash.Dash(__name__)
    server = SimpleNamespace(**{PREFIXES: ["/"]})
    scope = {"type": "websocket", "path": "/_dash-ws-callback", "headers": [], "scheme": "ws"}
    asyncio.run(AsgiSessionMiddleware(callback_that_makes_a_store, server)(scope, None, send))  # type: ignore[arg-type]
    assert (sent, told) == ([[1]], [True])


# -- development


RELOADED = """
import os
from dash import Dash, Input, Output, html
from dash_statemanager import ServerStore, get_state_manager

app = Dash(__name__)
app.layout = [ServerStore(id="a"), html.Button(id="go"), html.Div("EDITION", id="out")]

@app.callback(Output("a", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
def write(n):
    return {"n": n, "in": "EDITION"}

@app.callback(Output("out", "children"), Input("a", "data"), prevent_initial_call=True)
def show(a):
    return f"EDITION reads {a}"

if __name__ == "__main__":
    app.run(debug=True, port=os.environ["PORT"], dev_tools_ui=False)
"""


def test_hot_reload_keeps_the_values_of_open_pages(tmp_path: Path) -> None:
    script, port = tmp_path / "reloaded.py", free_port()
    script.write_text(RELOADED.replace("EDITION", "first"))
    address = f"http://127.0.0.1:{port}/"
    with (tmp_path / "log").open("wb") as log:
        environment = {**os.environ, "PORT": str(port), "PYTHONWARNINGS": "ignore", "HOST": "127.0.0.1"}
        process = subprocess.Popen(
            [sys.executable, str(script)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        browser = requests.Session()
        served = lambda edition: edition in browser.get(f"{address}_dash-layout", timeout=5).text  # noqa: E731
        wait_until(lambda: browser.get(address, headers={"Accept": "text/html"}, timeout=5).ok, 60)
        reference = answered(browser, address, "a.data", "go.n_clicks", 7)
        script.write_text(RELOADED.replace("EDITION", "second"))
        wait_until(lambda: served("second"), 60)
        assert answered(browser, address, "out.children", "a.data", reference) == "second reads {'n': 7, 'in': 'first'}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def answered(browser: requests.Session, address: str, output: str, changed: str, value: Any) -> Any:
    component, prop = output.split(".")
    given = dict(zip(("id", "property"), changed.split("."), strict=True))
    body = {
        "output": output,
        "outputs": {"id": component, "property": prop},
        "inputs": [{**given, "value": value}],
        "state": [],
        "changedPropIds": [changed],
    }
    answer = browser.post(f"{address}_dash-update-component", json=body, timeout=10)
    assert answer.ok, answer.text
    return answer.json()["response"][component][prop]


def test_a_cell_of_a_notebook_that_runs_again_goes_on_with_the_values(backend: str) -> None:
    def run_cell(edition: str, **options: Any) -> dash.Dash:
        app = dash.Dash("notebook")
        app.layout = [ServerStore(id="frame", **options), html.Button(id="go"), html.Div(id="out")]

        @app.callback(Output("frame", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
        def make(n: int) -> pd.DataFrame:
            return pd.DataFrame({"n": range(n)})

        @app.callback(Output("out", "children"), Input("frame", "data"), prevent_initial_call=True)
        def show(frame: Any) -> str:
            return f"{edition} {None if frame is None else len(frame)}"

        return app

    browser = run_cell("first").server.test_client()
    page = Page(browser).open().change("go", n_clicks=3)
    assert page.get("out", "children") == "first 3"
    [name] = get_state_manager().cookies.names
    again = run_cell("second", sealed=True).server.test_client()
    again.set_cookie(name, browser.get_cookie(name).value)
    page_again = Page(again).open().change("frame", data=page.get("frame"))
    assert page_again.get("out", "children") == "second 3"
    page_again.change("frame", data=["what sealed stores refuse"])
    assert page_again.get("out", "children") == "second None"  # the options are those of the last run


NOTEBOOK = """
import json, sys
from pathlib import Path
import nbformat
from nbclient import NotebookClient

_, page, address = sys.argv
port = address.rstrip("/").rpartition(":")[2]
show, look = Path(page).read_text().split("# %% What the app has just chosen")
show = show.replace('jupyter_mode="inline"', f'jupyter_mode="inline", port={port}')
visit = '''
import requests
browser = requests.Session()
browser.get("ADDRESS", headers={"Accept": "text/html"})
body = {
    "output": "chosen.data", "outputs": {"id": "chosen", "property": "data"}, "changedPropIds": ["airport.value"],
    "inputs": [{"id": "airport", "property": "value", "value": "AIRPORT"}],
}
print(browser.post("ADDRESS_dash-update-component", json=body).json()["response"]["chosen"]["data"].keys())
'''.replace("ADDRESS", address)
cells = [show, visit.replace("AIRPORT", "LGA"), "# " + look, "print(chosen()['origin'][0])"]
cells += [show, visit.replace("AIRPORT", "JFK"), "print(chosen()['origin'][0])"]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
print(json.dumps([output["text"].strip() for cell in notebook.cells for output in cell.outputs if "text" in output]))
"""


def test_the_documented_notebook_in_a_real_kernel(script: Script) -> None:
    pytest.importorskip("nbclient")
    page = Path(__file__).parents[2] / "docs" / "examples" / "notebook.py"
    printed = json.loads(script(NOTEBOOK, str(page), f"http://127.0.0.1:{free_port()}/").splitlines()[-1])
    keys = "dict_keys(['__store__'])"
    assert [text for text in printed if text] == [keys, "LGA", keys, "JFK"]


# -- other libraries

PROXY = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pandas as pd
from dash import dcc
from dash_extensions.enrich import (
    DashProxy, Input, MultiplexerTransform, Output, State, Trigger, TriggerTransform, html
)
from dash_statemanager import ServerStore, get_state_manager
from tests.integration.page import Page

def visit(Store):
    seen = []
    app = DashProxy(__name__, prevent_initial_callbacks=True, transforms=[TriggerTransform(), MultiplexerTransform()])
    stores, buttons = [Store(id="a"), Store(id="b", data=[1])], [html.Button(id="go"), html.Button(id="other")]
    app.layout = html.Div([*stores, *buttons, html.Div(id="out")])

    @app.callback(Output("a", "data"), Trigger("go", "n_clicks"), State("b", "data"))
    def first(b):
        return {"from": "go", "b": b}

    @app.callback(Output("a", "data"), Input("other", "n_clicks"), State("a", "data"))
    def second(n, a):
        return {"from": "other", "a": a}

    @app.callback(Output("out", "children"), Input("a", "data"))
    def read(a):
        seen.append(a)
        return str(a)

    page = Page(app.server.test_client()).open()
    page.change("go", n_clicks=1).change("other", n_clicks=1).change("go", n_clicks=2)
    return seen, page

ours, page = visit(ServerStore)
plain, _ = visit(dcc.Store)
print(json.dumps([ours == plain, len(ours), sorted(page.get("a")) == ["__store__"]]))
"""


def test_dash_extensions_dash_proxy(script: Script) -> None:
    assert json.loads(script(PROXY)) == [True, 3, True]


MOVED = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pandas as pd
from dash_extensions.enrich import (
    DashProxy, FileSystemBackend, Input, Output, Serverside, ServersideOutputTransform, dcc, html
)
from dash_statemanager import ServerStore, get_state_manager
from tests.integration.page import Page

folder, Store = sys.argv[1], {"theirs": dcc.Store, "ours": ServerStore}[sys.argv[2]]
transforms = [ServersideOutputTransform(backends=[FileSystemBackend(folder)])]
app = DashProxy(__name__, prevent_initial_callbacks=True, transforms=transforms)
app.layout = html.Div([Store(id="a"), html.Button(id="go"), html.Div(id="out")])

@app.callback(Output("a", "data"), Input("go", "n_clicks"))
def write(n):
    frame = pd.DataFrame({"n": range(n)})
    return Serverside(frame) if sys.argv[2] == "theirs" else frame

@app.callback(Output("out", "children"), Input("a", "data"))
def read(a):
    return f"{type(a).__name__} {len(a)}"

page = Page(app.server.test_client()).open()
if sys.argv[3:]:
    page.change("a", data=json.loads(sys.argv[3]))
else:
    page.change("go", n_clicks=3)
print(page.get("out", "children"))
print(json.dumps(page.get("a")))
"""


def test_a_store_that_was_one_of_dash_extensions(script: Script, tmp_path: Path) -> None:
    shown, held = script(MOVED, str(tmp_path / "theirs"), "theirs").splitlines()
    assert shown == "DataFrame 3"
    shown, reference = script(MOVED, str(tmp_path / "theirs"), "ours").splitlines()
    assert (shown, list(json.loads(reference))) == ("DataFrame 3", ["__store__"])
    # Browsers that still hold a key of theirs: it reads as long as the transform and its files are there.
    shown, _ = script(MOVED, str(tmp_path / "theirs"), "ours", held).splitlines()
    assert shown == "DataFrame 3"


# -- and back

BACK = """
import json, sys
import dash
from dash import Input, Output, State, dcc, html
from tests.integration.page import Page

if sys.argv[1] == "ours":
    from dash_statemanager import ServerStore as Store
else:
    Store = dcc.Store
app = dash.Dash(__name__)
app.layout = [Store(id="a"), html.Button(id="go"), html.Div(id="out")]

@app.callback(Output("a", "data"), Input("go", "n_clicks"), State("a", "data"), prevent_initial_call=True)
def write(n, a):
    return {"n": n, "before": a}

@app.callback(Output("out", "children"), Input("a", "data"), prevent_initial_call=True)
def read(a):
    return str(a)

client = app.server.test_client()
page = Page(client).open()
if sys.argv[2:]:
    name, value, reference = sys.argv[2:]
    client.set_cookie(name, value)
    page.change("a", data=json.loads(reference))
    print(page.get("out", "children"))
page.change("go", n_clicks=1)
print(page.get("out", "children"))
cookies = [[cookie.key, cookie.value] for cookie in client._cookies.values()]
print(json.dumps([cookies, page.get("a")]))
"""


def test_a_store_that_was_a_server_store_yesterday(script: Script) -> None:
    loaded = "" if hasattr(dash, "hooks") else "import dash_statemanager"  # newer ones load what is installed
    shown, held = script(BACK, "ours").splitlines()
    assert shown == "{'n': 1, 'before': None}"
    [[name, value]], reference = json.loads(held)
    read, written, _ = script(f"{loaded}\n{BACK}", "plain", name, value, json.dumps(reference)).splitlines()
    assert read == "{'n': 1, 'before': None}"
    assert written == "{'n': 1, 'before': {'n': 1, 'before': None}}"
