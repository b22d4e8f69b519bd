"""ServerStore: a dcc.Store that holds a reference."""

from __future__ import annotations

import inspect
import json
from typing import Any

import dash
import pandas as pd
import pytest
from dash import dcc

from dash_statemanager import ServerStore, configure, get_state_manager
from dash_statemanager.binding.names import app_name
from dash_statemanager.reference import BASE, is_reference


@pytest.fixture(autouse=True)
def app() -> dash.Dash:
    configure(backend="memory")
    return dash.Dash("app")


def sent(store: ServerStore) -> dict[str, Any]:
    props: dict[str, Any] = store.to_plotly_json()["props"]
    return props


def test_on_the_wire_it_is_a_plain_store() -> None:
    ours, plain = ServerStore(id="a", storage_type="local"), dcc.Store(id="a", storage_type="local")
    assert ours.to_plotly_json() == plain.to_plotly_json()


def test_it_takes_the_arguments_of_a_plain_store_in_their_order() -> None:
    plain = list(inspect.signature(dcc.Store.__init__).parameters)
    ours = list(inspect.signature(ServerStore.__init__).parameters)
    assert ours[: len(plain) - 1] == plain[:-1]
    assert ServerStore("a", "memory", [1], True, 5.0).clear_data is True


def test_the_reference_lasts_as_long_as_the_tab_unless_it_is_said_otherwise() -> None:
    assert sent(ServerStore(id="a"))["storage_type"] == "session"
    assert sent(ServerStore(id="a", storage_type="memory"))["storage_type"] == "memory"


@pytest.mark.parametrize("data", [0, False, "", [], {}, {"a": [1]}, "text"])
def test_python_sees_the_initial_value_and_the_browser_a_reference(data: Any) -> None:
    store = ServerStore(id="a", data=data)
    assert store.data == data
    assert is_reference(sent(store)["data"])
    assert get_state_manager().read(sent(store)["data"]) == data


def test_a_frame_can_be_an_initial_value() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    store = ServerStore(id="a", data=frame)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(get_state_manager().read(sent(store)["data"]), frame)


def test_without_an_initial_value_there_is_none() -> None:
    store = ServerStore(id="a", data=None)
    assert not hasattr(store, "data")
    assert "data" not in sent(store)


def test_the_initial_value_is_written_once_and_again_when_it_was_changed() -> None:
    store = ServerStore(id="a", data=[1])
    first = sent(store)["data"]
    assert sent(store)["data"] == first
    store.data = [2]
    assert get_state_manager().read(sent(store)["data"]) == [2]


def test_equal_stores_have_equal_references() -> None:
    assert sent(ServerStore(id="a", data=[1]))["data"] == sent(ServerStore(id="a", data=[1]))["data"]
    assert sent(ServerStore(id="a", data=[1]))["data"] != sent(ServerStore(id="b", data=[1]))["data"]


def test_subclasses_work() -> None:
    class Filters(ServerStore):
        def __init__(self, name: str) -> None:
            super().__init__(id={"type": "filters", "name": name}, data=None, scope="user")

    store = Filters("of a subclass")
    assert json.loads(json.dumps(sent(store)))["id"] == {"type": "filters", "name": "of a subclass"}
    found = get_state_manager().find(app_name(), '{"name":"of a subclass","type":"filters"}')
    assert found is not None
    assert found.scope == "user"


def test_how_it_is_kept_is_known_by_its_id() -> None:
    ServerStore(id="kept", scope="app", ttl=60, types="python", sealed=True)
    found = get_state_manager().find("/", "kept")
    assert found is not None
    assert (found.scope, found.ttl, found.types, found.sealed) == ("app", 60, "python", True)


@pytest.mark.parametrize(
    "mistake", [{"scope": "everyone"}, {"types": "xml"}, {"ttl": 0}, {"ttl": -1}, {"ttl": float("nan")}]
)
def test_a_mistake_names_the_argument(mistake: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(mistake))):
        ServerStore(id="a", **mistake)


def test_an_argument_that_does_not_exist_is_refused_as_by_a_plain_store() -> None:
    with pytest.raises(TypeError, match="weather"):
        ServerStore(id="a", weather="fine")


def test_a_reference_is_no_longer_than_120_bytes() -> None:
    reference = sent(ServerStore(id="a", data=list(range(1000))))["data"]
    assert list(reference) == [BASE]
    assert len(json.dumps(reference)) < 120
