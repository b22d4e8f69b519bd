"""Where the binding reaches into Dash: each place is as it is used, and a Dash that lacks one is refused at import."""

from __future__ import annotations

import contextvars
import inspect
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import dash
import pytest
from dash import ALL, Input, Output, Patch, State, ctx, html, set_props
from dash import _callback as dash_callback
from dash._callback_context import context_value

from dash_statemanager import UnsupportedDash
from dash_statemanager.binding.versions import MCP, TOUCH_POINTS, TouchPoint, check

Proof = Callable[[], None]
PROOFS: dict[str, Proof] = {}
POINTS = {point.where.split("|")[0].partition(":")[2]: point for point in (*TOUCH_POINTS, *MCP)}
POINTS["to_json of dash.dash"] = next(point for point in TOUCH_POINTS if point.where == "dash.dash:to_json")
POINTS["to_json"] = next(point for point in TOUCH_POINTS if point.where == "dash._callback:to_json")
HERE = {name: point for name, point in POINTS.items() if point.is_due()}


def proves(*names: str) -> Callable[[Proof], Proof]:
    def keep(proof: Proof) -> Proof:
        PROOFS.update(dict.fromkeys(names, proof))
        return proof

    return keep


# -- what is missing is named


def remove(point: TouchPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for where in point.where.split("|"):
        module, _, path = where.partition(":")
        *way, last = path.split(".")
        try:
            owner: Any = import_module(module)
        except ImportError:
            continue
        for name in way:
            owner = getattr(owner, name, None)
        monkeypatch.delattr(owner, last, raising=False)


@pytest.mark.parametrize("name", HERE)
def test_a_dash_without_a_touch_point_is_refused_in_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        remove(HERE[name], patched)
        with pytest.raises(UnsupportedDash) as raised:
            check([HERE[name]])
    assert f"Dash {dash.__version__} no longer {HERE[name].use}" in str(raised.value)
    assert HERE[name].where in str(raised.value)
    assert "Install a newer dash-statemanager" in str(raised.value)


RENAMED = [(name, used) for name, point in HERE.items() for used in point.names]


@pytest.mark.parametrize(("name", "used"), RENAMED)
def test_a_dash_that_renames_what_a_touch_point_works_with_is_refused(name: str, used: str) -> None:
    renamed = TouchPoint(HERE[name].where, HERE[name].use, [used.replace("|", " renamed|") + " renamed"])
    with pytest.raises(UnsupportedDash):
        check([renamed])


@pytest.mark.skipif(not MCP[0].is_due(), reason="this Dash has no MCP server")
def test_an_app_with_an_mcp_server_that_changed_goes_on_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patched:
        remove(MCP[0], patched)
        dash.Dash(__name__, enable_mcp=True)
    assert "the MCP server can't describe stored values: Dash" in caplog.text
    assert MCP[0].use in caplog.text


def test_an_older_dash_need_not_have_what_came_later() -> None:
    check([TouchPoint("dash:what_is_to_come", "knows the future", since=(99, 0))])


IMPORT = """
import sys, dash
from dash import _callback
if sys.argv[1] == "renamed":
    _callback.registrar = _callback.__dict__.pop("register_callback")
import dash_statemanager
print("fine")
"""


def test_the_import_itself_refuses(script: Callable[..., str]) -> None:
    assert script(IMPORT, "as it is") == "fine\n"
    with pytest.raises(AssertionError, match=r"UnsupportedDash: Dash .* no longer registers callbacks as dash-state"):
        script(IMPORT, "renamed")


# -- what is there is as it is used


def test_each_touch_point_has_its_proof() -> None:
    assert PROOFS.keys() == POINTS.keys()


@pytest.mark.parametrize("name", HERE)
def test_a_touch_point_is_as_it_is_used(name: str) -> None:
    PROOFS[name]()


def registered(
    function: Callable[..., Any] = lambda *values: values[0], output: Any = None, *more: Any, **options: Any
) -> dash.Dash:
    app = dash.Dash(__name__)
    app.layout = [html.Div(id="in"), html.Div(id="out"), html.Div(id={"i": 1})]
    app.callback(output or Output("out", "title"), Input("in", "title"), *more, **options)(function)
    return app


def run(app: dash.Dash, state: Any = (), **more: Any) -> dict[str, Any]:
    (output,) = app.callback_map or dash_callback.GLOBAL_CALLBACK_MAP
    body = {
        "output": output,
        "outputs": {"id": "out", "property": "title"},
        "inputs": [{"id": "in", "property": "title", "value": "asked"}],
        "state": list(state),
        "changedPropIds": ["in.title"],
        **more,
    }
    client = app.server.test_client()
    client.set_cookie("name", "value")
    answer = client.post("/_dash-update-component", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def context_of(app_of: Callable[[Callable[..., Any]], dash.Dash], **request: Any) -> dict[str, Any]:
    """The context of a callback while it runs."""
    seen: list[dict[str, Any]] = []

    def look(*_: Any, **__: Any) -> str:
        seen.append(dict(context_value.get()))
        return "answered"

    run(app_of(look), **request)
    return seen[0]


@proves("register_callback")
def callbacks_are_registered_through_a_global_of_their_module() -> None:
    source = inspect.getsource(dash_callback.callback)
    assert "register_callback(" in source, "dash.callback calls something else than dash._callback.register_callback"
    function = lambda value: value  # noqa: E731
    app = dash.Dash(__name__)
    assert app.callback(Output("a", "title"), Input("b", "title"))(function) is function, "the user gets a wrapper"
    [registered] = dash_callback.GLOBAL_CALLBACK_MAP.values() or app.callback_map.values()
    inner = registered["callback"].__wrapped__
    assert inner is not function, "register_callback's decorator no longer registers what it is given"
    assert inner.__wrapped__ is function, "register_callback's decorator no longer registers what it is given"


@proves("_invoke_callback", "_async_invoke_callback")
def functions_are_called_through_globals_of_their_module() -> None:
    async def later(value: str) -> str:
        return value

    kinds = {"_invoke_callback": lambda value: value, "_async_invoke_callback": later}
    for name, function in kinds.items():
        if hasattr(dash_callback, name):
            with pytest.MonkeyPatch.context() as patched:
                invoke, called = getattr(dash_callback, name), []
                patched.setattr(dash_callback, name, lambda *call: called.append(call) or invoke(*call))  # noqa: B023
                run(registered(function))
            [(wrapper, value)] = called
            assert inspect.unwrap(wrapper) is function, f"{name} is no longer given the function first"
            assert value == "asked", f"{name} is no longer given the arguments one by one"
            dash_callback.GLOBAL_CALLBACK_MAP.clear()
            dash_callback.GLOBAL_CALLBACK_LIST.clear()


@proves("GLOBAL_CALLBACK_MAP", "GLOBAL_CALLBACK_LIST")
def callbacks_without_an_app_wait_in_globals() -> None:
    dash.callback(Output("a", "title"), Input("b", "title"))(lambda value: value)
    assert "callback" in dash_callback.GLOBAL_CALLBACK_MAP["a.title"], "functions are kept elsewhere"
    [spec] = dash_callback.GLOBAL_CALLBACK_LIST
    assert {"output", "inputs", "state", "clientside_function"} <= spec.keys(), "browsers are told other things"
    dash.clientside_callback("x => x", Output("c", "title"), Input("d", "data"))
    spec = dash_callback.GLOBAL_CALLBACK_LIST[-1]
    assert {"namespace", "function_name"} == spec["clientside_function"].keys(), "clientside functions are named anew"
    assert spec["inputs"] == [{"id": "d", "property": "data"}], "dependencies are described in another way"


@proves("to_json", "to_json of dash.dash")
def answers_and_layouts_are_encoded_by_globals() -> None:
    app = registered(lambda value: 2**70)
    assert run(app)["response"] == {"out": {"title": 2**70}}, "answers no longer go through dash._callback.to_json"
    app.layout = html.Div(title=2**70)
    layout = app.server.test_client().get("/_dash-layout")
    assert layout.json["props"]["title"] == 2**70, "layouts no longer go through dash.dash.to_json"


@proves(
    "BaseBackgroundCallbackManager.functions",
    "BaseBackgroundCallbackManager.managers",
    "BaseBackgroundCallbackManager.build_cache_key",
)
def managers_keep_functions_by_key() -> None:
    base = POINTS["BaseBackgroundCallbackManager.functions"]
    found: Any = getattr(dash_callback, "BaseBackgroundCallbackManager", None) or dash_callback.BaseLongCallbackManager
    functions, managers = found.functions, found.managers
    assert isinstance(functions, list), f"{base.where} is no list"
    assert isinstance(managers, list), "managers are kept in something else than a list"
    before = len(functions)

    class Manager(found):  # type: ignore[misc]
        def make_job_fn(self, function: Any, progress: bool, key: Any = None) -> Any:
            return function, progress

    manager = Manager(None)
    try:
        app = dash.Dash(__name__, background_callback_manager=manager)
        app.callback(Output("a", "title"), Input("b", "title"), background=True)(lambda value: value)
        [(key, function, progress)] = functions[before:]
        assert managers[-1] is manager, "managers no longer note themselves"
        assert manager.func_registry[key] == (function, progress), "a manager keeps functions elsewhere"
        given = ["fn", "args", "cache_args_to_ignore"]
        names = list(inspect.signature(found.build_cache_key).parameters)
        assert names[1:4] == given, "build_cache_key takes other arguments"
        triggered = [None] * (len(names) - 4)  # Dash 3 and newer
        assert isinstance(found.build_cache_key(manager, proves, [1], [], *triggered), str)
    finally:
        managers.remove(manager)
        del functions[before:]


@proves("ProxySetProps")
def properties_that_a_job_sets_are_passed_on_at_once() -> None:
    told: list[Any] = []
    proxy = POINTS["ProxySetProps"].found()(lambda *change: told.append(change))
    proxy["a"] = {"title": 1}
    assert told == [("a", {"title": 1})], "what a background callback sets is collected in another way"
    assert type(proxy).__name__ == "ProxySetProps", "is_active() knows a job by this name"


@proves("context_value")
def the_context_of_a_callback_is_one_dict_in_a_context_variable() -> None:
    context = context_of(registered)
    assert context["inputs_list"] == [{"id": "in", "property": "title", "value": "asked"}]
    assert "updated_props" in context, "set_props collects elsewhere"


@proves("CallbackContext.inputs", "CallbackContext.states", "CallbackContext.triggered")
def values_are_found_by_the_names_of_properties() -> None:
    state = [{"id": "in", "property": "id", "value": "in"}]
    context = context_of(lambda look: registered(look, None, State("in", "id")), state=state)
    assert context["input_values"] == {"in.title": "asked"}, "ctx.inputs has other keys or values"
    assert context["state_values"] == {"in.id": "in"}, "ctx.states has other keys or values"
    assert context["triggered_inputs"] == [{"prop_id": "in.title", "value": "asked"}], "ctx.triggered differs"


@proves("CallbackContext.inputs_list", "CallbackContext.states_list", "CallbackContext.args_grouping")
def arguments_come_in_lists_and_groupings_with_their_values() -> None:
    state = [{"id": "in", "property": "id", "value": "in"}]
    context = context_of(lambda look: registered(look, None, State("in", "id")), state=state)
    assert [spec["value"] for spec in context["inputs_list"]] == ["asked"], "inputs_list has no values"
    assert [spec["value"] for spec in context["states_list"]] == ["in"], "states_list has no values"
    grouped = [(spec["id"], spec["property"], spec["value"]) for spec in context["args_grouping"]]
    assert grouped == [("in", "title", "asked"), ("in", "id", "in")], "args_grouping no longer goes with the arguments"


@proves("CallbackContext.outputs_list", "CallbackContext.outputs_grouping", "CallbackContext.using_outputs_grouping")
def outputs_come_as_they_are_returned() -> None:
    context = context_of(registered)
    assert not context["using_outputs_grouping"], "one output is a grouping now"
    output = context["outputs_list"]
    assert (output["id"], output["property"]) == ("out", "title"), "outputs_list no longer describes the one output"
    grouped = {"a": Output("out", "title", allow_duplicate=True)}

    def app_of(look: Callable[..., Any]) -> dash.Dash:
        return registered(lambda value: {"a": look(value)}, grouped, prevent_initial_call=True)

    [name] = app_of(str).callback_map or dash_callback.GLOBAL_CALLBACK_MAP
    for registry in (dash_callback.GLOBAL_CALLBACK_MAP, dash_callback.GLOBAL_CALLBACK_LIST):
        registry.clear()
    prop = name.strip(".").partition(".")[2]
    context = context_of(app_of, outputs=[{"id": "out", "property": prop}])
    assert context["using_outputs_grouping"], "a dict of outputs is no grouping any more"
    assert context["outputs_grouping"]["a"]["property"].partition("@")[0] == "title", "outputs_grouping is built anew"


@proves("CallbackContext.set_props")
def what_set_props_sets_is_put_into_the_context() -> None:
    def look(_: Any) -> str:
        set_props("in", {"lang": "de"})
        ctx.set_props({"i": 1}, {"lang": "en"})
        assert context_value.get()["updated_props"] == {"in": {"lang": "de"}, '{"i":1}': {"lang": "en"}}
        return "answered"

    sent = run(registered(look))["sideUpdate"]
    assert sent == {"in": {"lang": "de"}, '{"i":1}': {"lang": "en"}}, "set_props collects in another way"


@proves("CallbackContext.cookies", "CallbackContext.headers", "CallbackContext.path")
def what_a_worker_learns_of_the_request_is_in_the_context() -> None:
    context = context_of(registered)
    assert context["cookies"].get("name") == "value", "background callbacks no longer learn the cookies"
    assert {name.lower() for name in dict(context["headers"])} >= {"cookie"}, "nor the headers"
    assert "_dash-update-component" in context["path"], "nor the path"


@proves("CallbackContext.websocket")
def the_websocket_is_in_the_context() -> None:
    token = context_value.set({"dash_websocket": (socket := object())})  # type: ignore[dict-item]
    try:
        assert ctx.websocket is None, "ctx.websocket no longer takes an attribute of the context"
        attributed: Any = dash._utils.AttributeDict(dash_websocket=socket)
        context_value.set(attributed)
        assert ctx.websocket is socket, "the websocket is kept elsewhere"
    finally:
        context_value.reset(token)


@proves("get_app")
def the_current_app_is_known() -> None:
    app = dash.Dash(__name__)
    assert dash._get_app.APP is app, "the app that was made last is no longer the current one"
    assert contextvars.Context().run(dash.get_app) is app


@proves("stringify_id")
def dict_ids_are_written_with_sorted_keys() -> None:
    assert dash._utils.stringify_id({"b": 1, "a": "x"}) == '{"a":"x","b":1}', "ids of patterns are written differently"
    assert dash._utils.stringify_id("a") == "a"


@proves("Patch.to_plotly_json")
def a_patch_is_a_list_of_operations() -> None:
    patch = Patch()
    patch["a"]["b"].append(1)
    assert patch.to_plotly_json()["operations"] == [
        {"operation": "Append", "location": ["a", "b"], "params": {"value": 1}}
    ], "operations of patches have another form"


@proves("Dash.__init__", "Dash.init_app")
def an_app_has_a_server_and_settings() -> None:
    app = dash.Dash(__name__, url_base_pathname="/base/")
    assert app.config.routes_pathname_prefix == "/base/"
    assert app._on_error is None, "the error handler of an app is kept elsewhere"
    assert (app._callback_list, app.callback_map) == ([], {}), "callbacks of an app are kept elsewhere"
    assert list(inspect.signature(dash.Dash.init_app).parameters)[:2] == ["self", "app"]
    assert any(map(callable, [app.server.wsgi_app])), "the default server is no Flask app"


@proves("Dash._add_url", "Dash._setup_routes")
def routes_are_added_below_the_prefix() -> None:
    app = dash.Dash(__name__, url_base_pathname="/base/")
    app.layout = html.Div()
    app._add_url("ours", lambda: "answer", ["GET", "POST"])
    assert app.server.test_client().post("/base/ours").text == "answer", "_add_url adds routes in another way"
    for route in ("_dash-layout", "_dash-dependencies"):
        assert app.server.test_client().get(f"/base/{route}").status_code == 200, f"pages no longer ask for {route}"


@proves("Dash.enable_dev_tools")
def a_backend_says_which_server_it_is() -> None:
    backend: Any = getattr(dash.Dash(__name__), "backend", None)
    assert backend.server_type == "flask", "backends name their server differently"


@proves("_RESOURCE_PROVIDERS", "_RESULT_FORMATTERS")
def what_the_mcp_server_offers_is_listed() -> None:
    from dash_statemanager.binding.mcp import Described, StoredValues, install

    for point, ours in zip(MCP, (StoredValues, Described), strict=True):
        install()
        install()
        assert isinstance(point.found(), list), f"{point.where} is no list"
        assert point.found().count(ours) == 1


@proves("ComponentRegistry.registry")
def scripts_of_a_library_are_listed_in_its_module() -> None:
    from dash_statemanager import ServerStore

    app = dash.Dash(__name__)
    app.layout = html.Div([ServerStore(id="a"), html.Div(json.dumps({}), id={"all": str(ALL)})])
    index = app.server.test_client().get("/", headers={"Accept": "text/html"}).text
    assert "statemanager" in index, "_js_dist of a module of components is no longer looked at"
