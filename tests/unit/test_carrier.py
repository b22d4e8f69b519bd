"""Values that travel to the browser and back: nobody can change them on the way, or use them elsewhere."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from dash import Patch

from dash_statemanager import ensure_session_context
from dash_statemanager.backends import wrapper
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.errors import BackendError, BackendUnavailable, ValueTooLarge
from dash_statemanager.exchange import Exchange
from dash_statemanager.manager import StateManager
from dash_statemanager.patches import Operations
from dash_statemanager.reference import BASE, CARRIED, CHAIN, PatchLink, is_reference

SALES = StoreDefinition("sales")
SEALED = StoreDefinition("sealed", sealed=True)
PYTHON = StoreDefinition("python", types="python")
FRAME = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
MakeManager = Callable[..., StateManager]


@pytest.fixture(autouse=True)
def me():
    with ensure_session_context("me"):
        yield


@pytest.fixture
def client(make_manager: MakeManager) -> StateManager:
    return make_manager(backend="client", secret_key="a secret")


def write(manager: StateManager, store: StoreDefinition, value: Any) -> Any:
    held = manager.write_many([(store, value)])[0]
    return held.link if isinstance(held, PatchLink) else held


def appending(value: Any) -> Operations:
    patch = Patch()
    patch["list"].append(value)
    return Operations(patch.to_plotly_json()["operations"])


@pytest.mark.parametrize("value", [{"a": [1, None]}, [], 0, "text", False, {"operations": [1]}])
def test_json_travels_as_it_is(client, value):
    assert write(client, SALES, value) == value
    assert client.exchange.prepare_initial(SALES, value)[0] == value


def test_a_frame_travels_with_its_reference(client):
    held = write(client, SALES, FRAME)
    assert set(held) == {BASE, CARRIED}
    assert is_reference(held)
    pd.testing.assert_frame_equal(client.read(held, SALES), FRAME)
    pd.testing.assert_frame_equal(client.exchange.open_many([(held, SALES)])[0].columns(["y"]), FRAME[["y"]])


def test_python_types_travel_as_what_they_are(client):
    assert client.read(write(client, PYTHON, {1: (2, 3)}), PYTHON) == {1: (2, 3)}


def test_what_a_sealed_store_holds_is_signed(client):
    held = write(client, SEALED, {"role": "guest"})
    assert is_reference(held)
    assert client.read(held, SEALED) == {"role": "guest"}
    other = write(client, StoreDefinition("other", sealed=True), {"role": "admin"})
    assert client.read(other, SEALED) is None
    assert client.read({**held, CARRIED: other[CARRIED]}, SEALED) is None


@pytest.mark.parametrize(
    "change", ["", "!", "AAAA", 5, None, [], "A" * 10_000_000], ids=lambda change: repr(change)[:9]
)
def test_what_was_changed_on_the_way_is_refused(client, change):
    held = write(client, SALES, FRAME)
    assert client.read({BASE: held[BASE], CARRIED: change}, SALES) is None
    assert client.counters["refused"] == 1


def test_every_changed_byte_is_noticed(client):
    held = write(client, SALES, FRAME)
    payload = bytearray(base64.b64decode(held[CARRIED]))
    for at in range(0, len(payload), 97):
        changed = bytearray(payload)
        changed[at] ^= 1
        assert client.read({BASE: held[BASE], CARRIED: base64.b64encode(changed).decode()}, SALES) is None


def test_another_session_reads_nothing(client):
    held = write(client, SALES, FRAME)
    with ensure_session_context("somebody else"):
        assert client.read(held, SALES) is None


def test_it_expires(make_manager, clock):
    manager = make_manager(backend="client", secret_key="a secret", ttl_default=60)
    held = write(manager, SALES, FRAME)
    clock.advance(59)
    assert manager.read(held, SALES) is not None
    clock.advance(2)
    assert manager.read(held, SALES) is None


@pytest.mark.parametrize("store", [SALES, SEALED, PYTHON], ids=lambda store: store.id)
@pytest.mark.parametrize("value", ["text", FRAME], ids=["json", "frame"])
def test_patches_join_the_chain(client, store, value):
    base, link = write(client, store, {"list": [0]}), write(client, store, appending(value))
    chain = {**base, CHAIN: [link]}
    first, second = client.read(chain, store)["list"]
    assert first == 0
    assert second is value or second == value if isinstance(value, str) else second.equals(value)


def test_a_sealed_store_takes_no_patch_that_was_made_elsewhere(client):
    base = write(client, SEALED, {"list": [0]})
    for link in ({"ops": list(appending("forged"))}, write(client, SALES, appending(FRAME))):
        assert client.read({**base, CHAIN: [link]}, SEALED) == {"list": [0]}


def test_a_settlement_travels_too(client):
    base, link = write(client, PYTHON, {"list": [0]}), write(client, PYTHON, appending(1))
    chain = {**base, CHAIN: [link]}
    settled = write(client, PYTHON, client.exchange.settle(chain, PYTHON))
    assert client.read({**base, CHAIN: [settled]}, PYTHON) == {"list": [0, 1]}


@pytest.mark.parametrize("value", ["x" * (3 << 20), os.urandom(3 << 20)], ids=["json", "bytes"])
def test_too_much_for_a_browser_is_an_error_that_names_the_next_backend(client, value):
    with pytest.raises(ValueTooLarge, match=r"store 'sales'.*2,097,152.*STATE_BACKEND = \"database\""):
        write(client, SALES, value)


def test_by_name_there_is_nothing_and_it_says_so(client):
    for use in (
        lambda: client.get_store_data("sales"),
        lambda: client.set_store_data("sales", 1),
        lambda: client.update_store("sales", lambda value: 1),
        lambda: client.delete_store("sales"),
        lambda: client.store_exists("sales"),
    ):
        with pytest.raises(BackendError, match="'sales' in the browser"):
            use()


def test_without_a_secret_it_warns_once(make_manager, caplog):
    caplog.set_level(logging.WARNING)
    manager = make_manager(backend="client", secret_key=())
    write(manager, SALES, FRAME)
    write(manager, SALES, FRAME)
    assert [record.message for record in caplog.records if "STATE_SECRET_KEY" in record.message] == [
        "STATE_BACKEND=client without STATE_SECRET_KEY: what is not JSON ends with this process"
    ]


class Line(wrapper.Wrapper):
    """A backend at the end of a line that may be cut."""

    cut = False

    def __getattribute__(self, name: str) -> Any:
        if (
            name in ("get", "get_many", "put", "put_many", "delete", "touch", "touch_many", "scan", "sizes")
            and self.cut
        ):
            raise BackendUnavailable("the line is cut", "Mend it")
        return super().__getattribute__(name)


@pytest.fixture
def away(make_manager) -> StateManager:
    """A manager whose backend goes away and comes back with `manager.backend.cut`."""
    manager = make_manager(backend="database", fallback="client", secret_key="a secret")
    manager.backend = Line(manager.backend)
    assert isinstance(manager.exchange, Exchange)
    return manager


def test_while_the_backend_is_away_values_travel_and_read_later_all_the_same(away):
    before = write(away, SALES, FRAME)
    away.backend.cut = True
    assert write(away, SALES, {"a": 1}) == {"a": 1}
    meanwhile = write(away, SALES, FRAME)
    assert CARRIED in meanwhile
    assert CARRIED in away.exchange.prepare_initial(SALES, FRAME)[0]
    assert away.read(meanwhile, SALES).equals(FRAME)
    assert away.read(before, SALES).equals(FRAME)  # the process has it
    away.backend.cut = False
    assert away.read(meanwhile, SALES).equals(FRAME)
    assert CARRIED not in write(away, SALES, FRAME)


def test_a_patch_made_while_the_backend_is_away_applies_to_what_was_written_before_and_after(away):
    before = write(away, SALES, {"list": [0]})
    away.backend.cut = True
    link = write(away, SALES, appending(1))
    away.backend.cut = False
    after = write(away, SALES, {"list": [5]})
    assert away.read({**before, CHAIN: [link]}, SALES) == {"list": [0, 1]}
    assert away.read({**after, CHAIN: [link]}, SALES) == {"list": [5, 1]}


def test_without_the_fallback_a_backend_that_is_away_is_an_error(make_manager):
    manager = make_manager(backend="database", secret_key="a secret")
    manager.backend = Line(manager.backend)
    manager.backend.cut = True
    with pytest.raises(BackendUnavailable, match=r"the line is cut\. Mend it"):
        write(manager, SALES, FRAME)
