"""The manager: stores by name, sessions that rotate, and figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

from dash_statemanager import ensure_session_context
from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.config import load
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.errors import BackendUnavailable, ConfigError, CorruptPayload, SessionError
from dash_statemanager.manager import StateManager
from dash_statemanager.patches import Operations
from dash_statemanager.reference import BASE, CHAIN
from dash_statemanager.session import Session, Visit, current_visit, enter_visit

SALES = StoreDefinition("sales")
MakeManager = Callable[..., StateManager]


@pytest.fixture(autouse=True)
def me() -> Iterator[None]:
    with ensure_session_context("me"):
        yield


def test_values_are_kept_by_name(manager: StateManager) -> None:
    assert manager.get_store_data("sales", "nothing") == "nothing"
    assert not manager.store_exists("sales")
    manager.set_store_data("sales", {"a": 1})
    assert manager.get_store_data("sales") == {"a": 1}
    assert manager.store_exists("sales")
    assert manager.delete_store("sales")
    assert not manager.delete_store("sales")
    assert manager.get_store_data("sales") is None


def test_several_are_read_and_written_at_once(manager: StateManager) -> None:
    manager.set_stores({"a": 1, "b": [2], "c": None})
    assert manager.get_stores(["a", "b", "c", "d"]) == {"a": 1, "b": [2]}


@pytest.mark.parametrize("value", [0, False, "", [], {}])
def test_falsy_values_are_values(manager: StateManager, value: Any) -> None:
    manager.set_store_data("sales", value)
    assert manager.get_store_data("sales", "nothing") == value
    assert manager.store_exists("sales")


def test_none_deletes_a_store(manager: StateManager) -> None:
    manager.set_store_data("sales", 1)
    manager.set_store_data("sales", None)
    assert not manager.store_exists("sales")
    assert manager.write_many([(SALES, None)]) == [None]


def test_by_name_the_newest_value_counts_patches_included(manager: StateManager) -> None:
    manager.set_store_data("sales", {"a": 1})
    manager.write_many([(SALES, Operations([{"operation": "Assign", "location": ["b"], "params": {"value": 2}}]))])
    assert manager.get_store_data("sales") == {"a": 1, "b": 2}


def test_a_lifetime_can_be_given_with_the_value(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager()
    manager.set_store_data("sales", 1, ttl=10)
    clock.advance(10)
    assert manager.get_store_data("sales") is None


def test_sessions_do_not_see_each_other(manager: StateManager) -> None:
    manager.set_store_data("sales", "mine")
    with ensure_session_context("you"):
        assert manager.get_store_data("sales") is None
        manager.set_store_data("sales", "yours")
    assert manager.get_store_data("sales") == "mine"


def test_users_see_theirs_in_all_their_browsers_and_the_app_is_for_everyone(manager: StateManager) -> None:
    manager.definitions.define(StoreDefinition("prefs", scope="user"))
    manager.definitions.define(StoreDefinition("news", scope="app"))
    with manager.set_user_context("ann"):
        manager.set_stores({"prefs": "dark", "news": "rain"})
    with ensure_session_context("another browser"):
        assert manager.get_stores(["prefs", "news"]) == {"news": "rain"}
        with manager.set_user_context("ann"):
            assert manager.get_stores(["prefs", "news"]) == {"prefs": "dark", "news": "rain"}
    assert manager.clear_user_data("ann") == 2
    with manager.set_user_context("ann"):
        assert manager.get_stores(["prefs", "news"]) == {"news": "rain"}


def test_without_isolation_everybody_shares_one_scope(make_manager: MakeManager) -> None:
    manager = make_manager(enable_user_isolation=False)
    manager.set_store_data("sales", 1)
    with ensure_session_context("you"):
        assert manager.get_store_data("sales") == 1


def test_by_name_there_must_be_a_session_and_the_error_names_the_store(manager: StateManager) -> None:
    with enter_visit(None), pytest.raises(SessionError, match="store 'sales': there is no session"):
        manager.get_store_data("sales")


def test_all_references_of_a_callback_are_read_in_their_order(manager: StateManager) -> None:
    one, two = manager.write_many([(SALES, [1]), (StoreDefinition("other"), [2])])
    assert isinstance(one, dict)
    assert isinstance(two, dict)
    assert manager.read_many([(two, None), (one, SALES), ({BASE: "forged"}, None), (two, SALES)]) == [
        [2],
        [1],
        None,
        [2],
    ]


def test_what_is_handed_out_and_taken_in_is_a_copy(manager: StateManager) -> None:
    value = {"list": [1], "frame": pd.DataFrame({"a": [1, 2]})}
    manager.set_store_data("sales", value)
    value["list"].append(2)
    for _ in range(2):
        found = manager.get_store_data("sales")
        assert found["list"] == [1]
        assert found["frame"]["a"].tolist() == [1, 2]
        found["list"].append(3)
        found["frame"].loc[0, "a"] = 9
        found["frame"]["b"] = 0


def test_clear_session_deletes_all_that_it_holds_and_nothing_else(manager: StateManager) -> None:
    manager.set_stores({"a": 1, "b": 2})
    with ensure_session_context("you"):
        manager.set_store_data("a", "yours")
    assert manager.clear_session() == 4
    assert manager.get_stores(["a", "b"]) == {}
    with ensure_session_context("you"):
        assert manager.get_store_data("a") == "yours"


def test_a_rotated_session_keeps_its_data_references_and_patches(manager: StateManager) -> None:
    reference = manager.write_many([(SALES, {"a": 1})])[0]
    operations = Operations([{"operation": "Assign", "location": ["b"], "params": {"value": 2}}])
    patch = manager.write_many([(SALES, operations)])[0].link
    assert isinstance(reference, dict)
    manager.rotate_session()
    assert manager.read(reference) == {"a": 1}
    assert manager.read({**reference, CHAIN: [patch]}) == {"a": 1, "b": 2}
    assert manager.get_store_data("sales") == {"a": 1, "b": 2}


def test_who_knew_the_old_cookie_sees_nothing_any_more(manager: StateManager) -> None:
    before = manager.write_many([(SALES, "before")])[0]
    manager.rotate_session()
    after = manager.write_many([(SALES, "after")])[0]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    visit = current_visit()
    assert visit is not None
    assert visit.issued is visit.session
    with enter_visit(Visit(Session("me"))):
        assert manager.get_store_data("sales") is None
        assert manager.read(before) is None
        assert manager.read(after) is None


def test_a_rotated_session_keeps_what_is_left_of_lifetimes(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager(ttl_default=100)
    manager.set_store_data("sales", 1)
    clock.advance(60)
    manager.rotate_session()
    assert {row.expires_at - clock() for row in manager.backend.scan("dash/s.") if row.expires_at} == {40}


def test_a_session_is_not_rotated_where_the_browser_can_not_be_told(manager: StateManager) -> None:
    session = Session.new()
    with enter_visit(Visit(session)):
        manager.set_store_data("a", 1)
    with enter_visit(Visit(session, answered=False)):
        with pytest.raises(SessionError, match="websocket"):
            manager.rotate_session()
        assert manager.get_store_data("a") == 1


def test_who_has_no_session_gets_one_by_rotation(manager: StateManager) -> None:
    with enter_visit(None):
        manager.rotate_session()
        manager.set_store_data("sales", 1)
        assert manager.get_store_data("sales") == 1


def test_equal_initial_values_have_equal_references_in_all_workers(make_manager: MakeManager) -> None:
    here, there = (make_manager(backend="database") for _ in range(2))
    first, again = (worker.exchange.prepare_initial(SALES, {"a": 1})[0] for worker in (here, there))
    assert first == again != here.exchange.prepare_initial(SALES, {"a": 2})[0]


def test_initial_values_are_read_by_all_and_are_in_no_head(manager: StateManager) -> None:
    reference, write_initial = manager.exchange.prepare_initial(SALES, {"a": 1})
    assert manager.read(reference) is None
    write_initial()
    with ensure_session_context("you"):
        assert manager.read(reference) == {"a": 1}
    assert manager.get_store_data("sales") is None


def test_the_secret_is_made_once_and_the_same_for_all_workers(make_manager: MakeManager) -> None:
    managers = [make_manager(backend="database") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda manager: manager.secret_keys, managers))
    assert len({tuple(key) for key in keys}) == 1
    assert len(keys[0][0]) >= 32


def test_the_servers_own_secret_counts_where_no_other_is_set(clock: Any) -> None:
    def secrets(**settings: Any) -> list[str]:
        return StateManager(load(environ={}, backend="memory", **settings), clock, None, lambda: "server's").secret_keys

    assert secrets() == ["server's"]
    assert secrets(secret_key=["new", "old"]) == ["new", "old"]


def test_references_outlive_a_rotation_of_secrets(make_manager: MakeManager) -> None:
    reference = make_manager(backend="database", secret_key="old").write_many([(SALES, [1])])[0]
    assert isinstance(reference, dict)
    assert make_manager(backend="database", secret_key=["new", "old"]).read(reference) == [1]
    assert make_manager(backend="database", secret_key="new").read(reference) is None


def test_an_unknown_backend_is_an_error_at_once(make_manager: MakeManager) -> None:
    with pytest.raises(ConfigError, match=r"STATE_BACKEND = 'redsi'.*database, .*redis"):
        make_manager(backend="redsi")


def test_a_corrupt_payload_is_an_error_not_nothing(make_manager: MakeManager) -> None:
    manager = make_manager(backend="database", cache_bytes=0)
    reference = manager.write_many([(SALES, {"a": 1})])[0]
    assert isinstance(reference, dict)
    for row in list(manager.backend.scan("dash/s.")):
        if not row.key.endswith("/head"):
            manager.backend.put(row.key, BytesPayload(b"garbage"))
    with pytest.raises(CorruptPayload):
        manager.read(reference)


def test_a_backend_that_can_not_be_reached_is_an_error_not_nothing(make_manager: MakeManager) -> None:
    manager = make_manager(backend="database", database_url="sqlite:////proc/none/state.db", secret_key="k")
    with pytest.raises(BackendUnavailable):
        manager.get_store_data("sales", "nothing")


def test_figures_are_plain_json_and_tell_what_the_session_holds(manager: StateManager) -> None:
    manager.set_stores({"b": pd.DataFrame({"x": [1, 2, 3], "y": [1, 2, 3]}), "a": {"k": 1}})
    manager.set_store_data("a", {"k": 2})
    manager.read({BASE: "forged"})
    figures = json.loads(json.dumps(manager.get_backend_stats()))
    first, second = figures["session"]["stores"]
    assert (first["id"], first["versions"], second["id"]) == ("a", 2, "b")
    assert (second["type"], second["rows"], second["columns"]) == ("DataFrame", 3, 2)
    assert figures["session"]["bytes"] >= first["nbytes"] + second["nbytes"]
    assert figures["counters"] == {"refused": 1}
    assert figures["cache"]["entries"] == 3
    assert figures["backend"]["name"] == manager.settings.backend


def test_a_reference_is_as_large_as_the_figures_say(manager: StateManager) -> None:
    reference = manager.write_many([(SALES, [1])])[0]
    [store] = manager.get_backend_stats()["session"]["stores"]
    assert store["reference_bytes"] == len(json.dumps(reference, separators=(",", ":")))


def test_who_has_no_session_holds_nothing(manager: StateManager) -> None:
    with enter_visit(None):
        assert manager.get_backend_stats()["session"] == {"bytes": 0, "stores": []}


def test_what_expired_is_removed_by_pruning(make_manager: MakeManager, clock: Any) -> None:
    manager = make_manager(backend="database", ttl_default=100)
    manager.set_store_data("sales", 1)
    clock.advance(100)
    assert manager.prune() == 2
    assert manager.prune() == 0


def test_fifty_users_at_once_never_see_each_other(make_manager: MakeManager) -> None:
    manager = make_manager()

    def visit(user: int) -> list[Any]:
        with ensure_session_context(f"user {user}"):
            seen = []
            for step in range(20):
                reference = manager.write_many([(SALES, [user, step])])[0]
                assert isinstance(reference, dict)
                seen += [manager.read(reference), manager.get_store_data("sales")]
            return seen

    with ThreadPoolExecutor(50) as pool:
        for user, seen in enumerate(pool.map(visit, range(50))):
            assert seen == [[user, step] for step in range(20) for _ in range(2)]


@pytest.mark.parametrize(
    ("settings", "compressed"),
    [
        ({"backend": "database", "database_url": "sqlite:///never-opened.db"}, False),
        ({"backend": "database", "database_url": "sqlite:///never-opened.db", "compression": "lz4"}, True),
        ({"backend": "redis"}, True),
        ({"backend": "redis", "compression": "none"}, False),
    ],
)
def test_what_stays_on_the_machine_is_not_compressed_by_itself(settings, compressed):
    codecs = StateManager(load(environ={}, secret_key="secret", **settings)).codecs
    payload = codecs.payload(codecs.freeze(["the same"] * 10_000), created=0.0, ttl=None)

    assert (len(b"".join(payload.parts())) < 10_000) == compressed
