"""Clientside callbacks run unchanged over stores whose data stays on the server."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from dash import ALL, ClientsideFunction, Dash, Input, Output, Patch, State, clientside_callback, dcc, html

from dash_statemanager import ServerStore, configure

pytestmark = pytest.mark.browser


def texts(dash_duo: Any, *ids: str) -> list[str]:
    return [dash_duo.find_element(f"#{name}").text for name in ids]


def requests(dash_duo: Any) -> list[str]:
    """Addresses of the value requests that the page made."""
    return list(
        dash_duo.driver.execute_script(
            "return performance.getEntriesByType('resource').map(e => e.name).filter(n => n.includes('/value'))"
        )
    )


@pytest.mark.parametrize("store", [dcc.Store, ServerStore])
def test_inline_functions_read_values_and_context(dash_duo: Any, store: Any) -> None:
    app = Dash(__name__)
    app.layout = html.Div(
        [store(id="s", data={"n": [1, 2]}), html.Button("go", id="go"), html.Div(id="out"), html.Div(id="ctx")]
    )

    @app.callback(Output("s", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> dict[str, Any]:
        return {"n": [n] * 3}

    app.clientside_callback(
        "function (data) { return JSON.stringify(data); }", Output("out", "children"), Input("s", "data")
    )
    app.clientside_callback(
        """function (clicks, data) {
            var c = dash_clientside.callback_context;
            return JSON.stringify([data === c.states['s.data'], c.states_list[0].value, c.triggered.length]);
        }""",
        Output("ctx", "children"),
        Input("go", "n_clicks"),
        State("s", "data"),
    )
    dash_duo.start_server(app)
    dash_duo.wait_for_text_to_equal("#out", '{"n":[1,2]}')
    dash_duo.find_element("#go").click()
    dash_duo.wait_for_text_to_equal("#out", '{"n":[1,1,1]}')
    assert json.loads(texts(dash_duo, "ctx")[0])[0] is True
    assert dash_duo.get_logs() == []


def test_one_fetch_for_many_readers_and_none_for_a_known_reference(dash_duo: Any) -> None:
    app = Dash(__name__)
    names = [f"out{i}" for i in range(8)]
    app.layout = html.Div(
        [ServerStore(id="s", data=[7]), html.Button("go", id="go"), html.Div(id="again"), *map(_div, names)]
    )
    for name in names:
        app.clientside_callback("function (data) { return data[0]; }", Output(name, "children"), Input("s", "data"))
    app.clientside_callback(
        "function (clicks, data) { return data[0] + clicks; }",
        Output("again", "children"),
        Input("go", "n_clicks"),
        State("s", "data"),
        prevent_initial_call=True,
    )
    dash_duo.start_server(app)
    for name in names:
        dash_duo.wait_for_text_to_equal(f"#{name}", "7")
    assert len(requests(dash_duo)) == 1
    dash_duo.find_element("#go").click()
    dash_duo.wait_for_text_to_equal("#again", "8")
    assert len(requests(dash_duo)) == 1


def _div(name: str) -> html.Div:
    return html.Div(id=name)


@pytest.mark.parametrize("store", [dcc.Store, ServerStore])
def test_written_values_and_patches_reach_python(dash_duo: Any, store: Any) -> None:
    app = Dash(__name__)
    app.layout = html.Div(
        [
            store(id="list", data=[1]),
            store(id="dict", data={"a": {"b": []}}),
            *[html.Button(name, id=name) for name in ("write", "patch", "setprops", "server")],
            html.Div(id="out"),
        ]
    )
    app.clientside_callback(
        "function (n) { return [n, n]; }",
        Output("list", "data", allow_duplicate=True),
        Input("write", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        "function (n) { return new dash_clientside.Patch().append(['a', 'b'], 'page' + n).build(); }",
        Output("dict", "data", allow_duplicate=True),
        Input("patch", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        """function (n) {
            dash_clientside.set_props('dict', {data: new dash_clientside.Patch().assign(['c'], n).build()});
        }""",
        Input("setprops", "n_clicks"),
        prevent_initial_call=True,
    )

    @app.callback(Output("dict", "data", allow_duplicate=True), Input("server", "n_clicks"), prevent_initial_call=True)
    def server(n: int) -> Patch:
        patch = Patch()
        patch["a"]["b"].append(f"server{n}")
        return patch

    @app.callback(Output("out", "children"), Input("list", "data"), Input("dict", "data"))
    def show(values: Any, tree: Any) -> str:
        return json.dumps([values, tree], sort_keys=True)

    dash_duo.start_server(app)
    dash_duo.wait_for_text_to_equal("#out", '[[1], {"a": {"b": []}}]')
    steps = [
        ("write", '[[1, 1], {"a": {"b": []}}]'),
        ("patch", '[[1, 1], {"a": {"b": ["page1"]}}]'),
        ("server", '[[1, 1], {"a": {"b": ["page1", "server1"]}}]'),
        ("setprops", '[[1, 1], {"a": {"b": ["page1", "server1"]}, "c": 1}]'),
        ("patch", '[[1, 1], {"a": {"b": ["page1", "server1", "page2"]}, "c": 1}]'),
    ]
    for button, expected in steps:
        dash_duo.find_element(f"#{button}").click()
        dash_duo.wait_for_text_to_equal("#out", expected)
    assert dash_duo.get_logs() == []


@pytest.mark.parametrize("store", [dcc.Store, ServerStore])
def test_assets_promises_and_lists_of_stores(dash_duo: Any, store: Any, tmp_path: Any) -> None:
    (tmp_path / "own.js").write_text(
        """window.dash_clientside = Object.assign({}, window.dash_clientside, {own: {
            total: async function (values) { await Promise.resolve(); return values.flat().reduce((a, b) => a + b); },
            stop: function (values) { throw window.dash_clientside.PreventUpdate; }
        }});"""
    )
    app = Dash(__name__, assets_folder=str(tmp_path))
    app.layout = html.Div(
        [*[store(id={"type": "s", "i": i}, data=[i, 10]) for i in range(3)], html.Div(id="out"), html.Div("-", id="no")]
    )
    stores = Input({"type": "s", "i": ALL}, "data")
    clientside_callback(ClientsideFunction("own", "total"), Output("out", "children"), stores)
    clientside_callback(ClientsideFunction("own", "stop"), Output("no", "children"), stores)
    dash_duo.start_server(app)
    dash_duo.wait_for_text_to_equal("#out", "33")
    assert texts(dash_duo, "no") == ["-"]
    assert dash_duo.get_logs() == []


def test_frames_arrive_as_rows_and_code_of_ones_own_can_resolve(dash_duo: Any) -> None:
    app = Dash(__name__)
    app.layout = html.Div([ServerStore(id="s"), html.Button("go", id="go"), html.Div(id="out")])

    @app.callback(Output("s", "data"), Input("go", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> pd.DataFrame:
        return pd.DataFrame({"a": [1, 2], "b": ["x", None]})

    app.clientside_callback(
        "function (rows) { return JSON.stringify(rows || null); }", Output("out", "children"), Input("s", "data")
    )
    dash_duo.start_server(app)
    dash_duo.find_element("#go").click()
    dash_duo.wait_for_text_to_equal("#out", '[{"a":1,"b":"x"},{"a":2,"b":null}]')
    reference = json.loads(dash_duo.driver.execute_script("return sessionStorage.getItem('s')"))
    assert set(reference) == {"__store__"}
    rows = dash_duo.driver.execute_async_script(
        "dash_clientside.statemanager.resolve(arguments[0]).then(arguments[1])", reference
    )
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


def test_a_store_that_asks_for_it_shows_clientside_code_its_reference_only(dash_duo: Any) -> None:
    app = Dash(__name__)
    app.layout = html.Div(
        [
            ServerStore(id="kept", data=["secret"], clientside="reference"),
            ServerStore(id="open", data=["open"]),
            *[ServerStore(id={"type": "s", "i": i}, data=[i], clientside="reference") for i in range(2)],
            html.Div(id="out"),
            html.Div(id="seen"),
        ]
    )
    app.clientside_callback(
        """function (kept, open, several) {
            var c = dash_clientside.callback_context;
            return JSON.stringify([
                Object.keys(kept), open, several.map(Object.keys), c.inputs['kept.data'] === kept,
                c.inputs_list[0].value === kept, c.inputs['open.data'] === open,
            ]);
        }""",
        Output("out", "children"),
        Input("kept", "data"),
        Input("open", "data"),
        Input({"type": "s", "i": ALL}, "data"),
    )
    app.callback(Output("seen", "children"), Input("kept", "data"))(lambda kept: kept)
    dash_duo.start_server(app)
    name = ["__store__"]
    dash_duo.wait_for_text_to_equal("#seen", "secret")
    dash_duo.wait_for_contains_text("#out", "open")
    assert json.loads(texts(dash_duo, "out")[0]) == [name, ["open"], [name, name], True, True, True]
    assert len(requests(dash_duo)) == 1
    assert dash_duo.get_logs() == []


def test_a_sealed_store_refuses_code_in_the_browser_in_the_console_and_in_the_log(
    dash_duo: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = Dash(__name__)
    app.layout = html.Div(
        [
            ServerStore(id="s", data="initial", sealed=True),
            *[html.Button(name, id=name) for name in ("write", "set", "clear", "nothing", "python")],
            html.Div(id="out"),
        ]
    )
    for button, code in {
        "write": "function () { return ['forged']; }",
        "set": "function () { dash_clientside.set_props('s', {data: 1}); return dash_clientside.no_update; }",
        "clear": "function () { return null; }",
        "nothing": "function () { return dash_clientside.no_update; }",
    }.items():
        output = Output("s", "data", allow_duplicate=True)
        app.clientside_callback(code, output, Input(button, "n_clicks"), prevent_initial_call=True)
    python = app.callback(
        Output("s", "data", allow_duplicate=True), Input("python", "n_clicks"), prevent_initial_call=True
    )
    python(lambda clicks: f"python {clicks}")
    app.callback(Output("out", "children"), Input("s", "data"))(lambda data: data)
    dash_duo.start_server(app)
    messages = []
    with caplog.at_level("WARNING", "dash_statemanager"):
        for button, expected in [
            ("python", "python 1"),
            ("write", "initial"),
            ("python", "python 2"),
            ("set", "initial"),
        ]:
            dash_duo.find_element(f"#{button}").click()
            dash_duo.wait_for_text_to_equal("#out", expected)
            messages.append([entry["message"] for entry in dash_duo.get_logs()])
    assert [len(said) for said in messages] == [0, 1, 0, 1]
    assert all('sealed store \\"s\\"' in said[0] for said in messages if said)
    assert "sealed store was refused" in caplog.text
    dash_duo.find_element("#nothing").click()
    dash_duo.find_element("#clear").click()
    dash_duo.wait_for_text_to_equal("#out", "")
    assert dash_duo.get_logs() == []


def test_values_that_travel_are_read_written_and_patched_alike(dash_duo: Any) -> None:
    configure(backend="client", secret_key="a secret")
    app = Dash(__name__)
    names = ("grow", "append", "push", "rows", "log")
    app.layout = html.Div(
        [
            ServerStore(id="frame"),
            ServerStore(id="list", data=["first"]),
            *(html.Button(name, id=name) for name in names[:3]),
            *(html.Div(id=name) for name in names[3:]),
            html.Div(id="python"),
        ]
    )

    @app.callback(Output("frame", "data"), Input("grow", "n_clicks"), prevent_initial_call=True)
    def grow(n: int) -> pd.DataFrame:
        return pd.DataFrame({"x": range(n)})

    @app.callback(Output("list", "data"), Input("append", "n_clicks"), prevent_initial_call=True)
    def append(n: int) -> Patch:
        patch = Patch()
        patch.append(f"python {n}")
        return patch

    @app.callback(Output("python", "children"), Input("list", "data"), Input("frame", "data"))
    def show(items: list[str], frame: pd.DataFrame | None) -> str:
        return f"{items} {None if frame is None else len(frame)}"

    app.clientside_callback(
        """function (n) {
            dash_clientside.set_props('list', {data: ['browser ' + n]});
            return dash_clientside.no_update;
        }""",
        Output("push", "title"),
        Input("push", "n_clicks"),
        prevent_initial_call=True,
    )
    for store, out in (("frame", "rows"), ("list", "log")):
        app.clientside_callback(
            "function (data) { return JSON.stringify(data); }", Output(out, "children"), Input(store, "data")
        )
    dash_duo.start_server(app)
    dash_duo.wait_for_text_to_equal("#log", '["first"]')
    assert requests(dash_duo) == []
    dash_duo.find_element("#grow").click()
    dash_duo.wait_for_text_to_equal("#rows", '[{"x":0}]')
    dash_duo.find_element("#append").click()
    dash_duo.wait_for_text_to_equal("#log", '["first","python 1"]')
    dash_duo.wait_for_text_to_equal("#python", "['first', 'python 1'] 1")
    dash_duo.find_element("#push").click()
    dash_duo.wait_for_text_to_equal("#log", '["browser 1"]')
    dash_duo.find_element("#append").click()
    dash_duo.wait_for_text_to_equal("#python", "['browser 1', 'python 2'] 1")
    assert dash_duo.get_logs() == []
