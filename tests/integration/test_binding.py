"""Every feature of callbacks gives the same with a ServerStore as with a dcc.Store."""

from __future__ import annotations

import copy
import inspect
from contextlib import nullcontext
from typing import Any

import dash
import pytest
from dash import Input, Output, Patch, dcc, html

from dash_statemanager import ServerStore, configure, ensure_session_context, get_state_manager
from dash_statemanager.reference import is_reference

from .conftest import session_of
from .features import arguments, changes, contexts, origins, patterns, registrations, surroundings, values
from .features.table import FEATURES, NEEDS, Feature
from .page import Page
from .remote import served

PLAIN_PREFIX = "/plain/"
TOPICS = (arguments, values, patterns, changes, contexts, registrations, origins, surroundings)
"""Their import fills the table of features."""


@pytest.mark.parametrize("backend", ["memory", "database", "client", "redis", "postgresql"], indirect=True)
@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_gives_the_same_as_with_a_plain_store(name: str, backend: str) -> None:
    ours, seen_by_ours = visited(FEATURES[name], ServerStore, "/")
    plain, seen_by_plain = visited(FEATURES[name], dcc.Store, PLAIN_PREFIX)
    assert seen_by_ours == seen_by_plain
    assert seen_by_plain
    assert everything(ours) == everything(plain)
    assert ours.types == plain.types


@pytest.mark.parametrize("name", NEEDS)
def test_a_feature_is_left_out_only_where_dash_is_too_old_for_it(name: str) -> None:
    assert (name in FEATURES) == NEEDS[name].is_due()


@pytest.mark.skipif("backend" not in inspect.signature(dash.Dash).parameters, reason="this Dash knows only Flask")
@pytest.mark.parametrize("kind", ["fastapi", "quart"])
@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_gives_the_same_on_every_kind_of_server(name: str, kind: str) -> None:
    configure(backend="memory")
    ours, seen_by_ours = visited(FEATURES[name], ServerStore, "/", kind)
    plain, seen_by_plain = visited(FEATURES[name], dcc.Store, PLAIN_PREFIX, kind)
    assert seen_by_ours == seen_by_plain
    assert seen_by_plain
    assert everything(ours) == everything(plain)


def visited(feature: Feature, Store: Any, prefix: str, kind: str = "flask") -> tuple[Page, list[str]]:
    notes: list[str] = []
    options = {} if kind == "flask" else {"backend": kind}
    app = dash.Dash(__name__, url_base_pathname=prefix, on_error=contexts.on_app_error, **options)
    visit = feature(app, Store, lambda *values: notes.append(repr(values)))
    with nullcontext(app.server.test_client()) if kind == "flask" else served(app, kind, prefix) as client:
        page = Page(client, prefix).open()
        visit(page)
    return page, notes


def everything(page: Page) -> dict[str, Any]:
    """All properties of all components, with the stores' values in place of references."""
    props = copy.deepcopy(page.props)
    with ensure_session_context(session_of(page.client)) if page.prefix == "/" else ensure_session_context("nobody"):
        for component in props.values():
            if component.get("storage_type") == "session":
                del component["storage_type"]  # our default
            for name, value in component.items():
                if is_reference(value):
                    component[name] = get_state_manager().read(value)
    return props


def test_patches_of_two_tabs_and_of_parallel_answers_are_exact(backend: str) -> None:
    app = dash.Dash(__name__)
    app.layout = [ServerStore(id="a", data={"log": []}), *map(html.Button, ("1", "2", "3"), ("b1", "b2", "b3"))]

    for button in ("b1", "b2", "b3"):

        @app.callback(Output("a", "data", allow_duplicate=True), Input(button, "title"), prevent_initial_call=True)
        def append(title: str) -> Patch:
            patch = Patch()
            patch["log"].append(title)
            return patch

    seen: list[Any] = []
    app.callback(Input("a", "data"), prevent_initial_call=True)(lambda a: seen.append(a["log"]))
    client = app.server.test_client()
    one, two = Page(client).open(), Page(client).open()
    one.change("b1", title="one")
    two.change("b1", title="two")
    one.change("b2", title="one again")
    assert seen == [["one"], ["two"], ["one", "one again"]]

    # Three requests leave one tab before the first answer arrives.
    outputs = [spec["output"] for spec in two.callbacks if spec["output"].startswith("a.data")]
    for button in ("b1", "b2", "b3"):
        two.props[button]["title"] = f"parallel {button}"
    answers = [two.post(two.request(output, [])) for output in outputs]
    for answer in answers:
        two.receive(answer.json)
    assert seen[-1] == ["two", "parallel b1", "parallel b2", "parallel b3"]
