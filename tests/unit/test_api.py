"""Python's side: one manager, and plain functions that use it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import dash_statemanager
from dash_statemanager import (
    ConfigError,
    SessionError,
    configure,
    delete_store,
    ensure_session_context,
    get_session_id,
    get_state_manager,
    get_store,
    get_stores,
    is_configured,
    reset,
    rotate_session,
    set_store,
    set_stores,
    store_exists,
)


def test_all_public_names_are_there_and_documented() -> None:
    public = [getattr(dash_statemanager, name) for name in dash_statemanager.__all__]
    assert [one for one in public if not one.__doc__] == []
    assert dash_statemanager.__all__ == sorted(dash_statemanager.__all__)


def test_there_is_one_manager() -> None:
    assert not is_configured()
    with ThreadPoolExecutor(16) as pool:
        managers = {id(manager) for manager in pool.map(lambda _: get_state_manager(), range(64))}
    assert len(managers) == 1
    assert is_configured()


def test_it_is_configured_once_before_its_first_use() -> None:
    manager = configure(backend="memory")
    assert get_state_manager() is manager
    with pytest.raises(ConfigError, match=r"in use already.*reset\(\)"):
        configure(backend="memory")


def test_reset_forgets_the_manager_and_leaves_what_was_stored() -> None:
    with ensure_session_context("me"):
        set_store("sales", 1)
        reset()
        assert not is_configured()
        assert get_store("sales") == 1


def test_a_mistake_in_the_settings_leaves_nothing_configured() -> None:
    with pytest.raises(ConfigError):
        configure(cache_bytes=-1)
    assert not is_configured()


def test_stores_by_name() -> None:
    configure(backend="memory")
    with ensure_session_context("me"):
        assert get_store("sales", default="nothing") == "nothing"
        set_store("sales", {"a": 1})
        set_stores({"b": 2, "c": 3}, ttl=60)
        assert get_store("sales") == {"a": 1}
        assert get_stores(["b", "c", "d"]) == {"b": 2, "c": 3}
        assert store_exists("b")
        assert delete_store("b")
        assert not store_exists("b")


def test_a_session_context_ends_with_its_block() -> None:
    with ensure_session_context("me"):
        assert get_session_id() == "me"
        with ensure_session_context("you"):
            assert get_session_id() == "you"
        assert get_session_id() == "me"
    with pytest.raises(SessionError, match="no session here"):
        get_session_id()


def test_without_a_block_it_lasts_as_long_as_the_context() -> None:
    async def job() -> str:
        ensure_session_context("job")
        await asyncio.sleep(0)
        return get_session_id()

    assert asyncio.run(job()) == "job"
    with pytest.raises(SessionError):
        get_session_id()


@pytest.mark.parametrize("session_id", ["", None, 7])
def test_a_session_id_is_a_text(session_id: Any) -> None:
    with pytest.raises(SessionError, match="non-empty string"):
        ensure_session_context(session_id)


def test_a_login_gives_a_new_session_id_and_keeps_the_data() -> None:
    configure(backend="memory")
    with ensure_session_context("me"):
        set_store("cart", ["shoes"])
        rotate_session()
        assert get_session_id() != "me"
        assert get_store("cart") == ["shoes"]
