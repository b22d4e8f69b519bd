"""Python's side: the singleton, and plain functions that use it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .definitions import Definitions
from .errors import ConfigError, SessionError
from .session import ContextReset, Session, Visit, current_visit, enter_visit

if TYPE_CHECKING:
    from .manager import StateManager

definitions = Definitions(time.time)
"""The stores of this process. Components are made at import time, before anything is configured."""

_lock = threading.RLock()
_manager: StateManager | None = None
_server_secrets: list[Callable[[], str | None]] = []


def configure(config_file: str | Path | None = None, **settings: Any) -> StateManager:
    """Configures the library; call it once, before the first use. Without it the defaults below apply at first use.

    Args:
        config_file: A TOML file; default `config.toml` in the working directory, which may be missing.
        **settings: Settings by their Python names (`backend="memory"`); they win over environment and file.

    Raises:
        ConfigError: A setting is unknown or bad, or the manager is in use already.
    """
    global _manager
    from .config import load
    from .manager import StateManager

    with _lock:
        if _manager is not None:
            raise ConfigError("the state manager is in use already", "Call configure() earlier, or reset() before it")
        _manager = StateManager(load(config_file, **settings), time.time, definitions, _server_secret)
        expect_stores()
        return _manager


def expect_stores() -> None:
    """Notes that the app means to use stores: from now on it has sessions, and pages that know stores."""
    definitions.expect()
    load_script()


def load_script() -> None:
    """Makes Dash load the page's script, from the first store on."""
    package = sys.modules[__package__ or "dash_statemanager"]
    if not package._js_dist:
        script = {"relative_package_path": "static/statemanager.js", "namespace": "dash_statemanager"}
        package._js_dist.append(script)


def is_configured() -> bool:
    """Whether `configure` was called or the manager was used."""
    return _manager is not None


def reset() -> None:
    """Closes and forgets the manager; for tests. What was stored stays where it is."""
    global _manager
    with _lock:
        manager, _manager = _manager, None
        definitions.renew()
    if manager is not None:
        manager.close()


def get_state_manager() -> StateManager:
    """The manager of this process; made from the settings on first use."""
    return _manager or _configured()


def _configured() -> StateManager:
    with _lock:
        return _manager or configure()


def offer_server_secret(secret: Callable[[], str | None]) -> None:
    """Names a web server whose own secret signs references where `STATE_SECRET_KEY` is not set."""
    _server_secrets.append(secret)


def _server_secret() -> str | None:
    return next(filter(None, (secret() for secret in _server_secrets)), None)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    definitions.after_fork()
    if _manager is not None:
        _manager.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def get_store(store_id: str, default: Any = None) -> Any:
    """The newest value of a store for whoever is asking.

    Args:
        store_id: The store's id.
        default: What to return where there is no value.

    Raises:
        SessionError: The store is a session's, and there is no session.
        BackendUnavailable: The backend can't be reached.
    """
    return get_state_manager().get_store_data(store_id, default)


def set_store(store_id: str, value: Any, ttl: float | None = None) -> None:
    """Makes a value the newest of a store. Browsers go on with the value that they hold.

    Args:
        store_id: The store's id; there need not be a component with it.
        value: Anything that the store's codecs take; None deletes the store.
        ttl: Lifetime in seconds after the last use; default: the store's.

    Raises:
        CodecError: No codec takes the value.
        ValueTooLarge: The value is over its limit.
        SessionError: The store is a session's, and there is no session.
    """
    get_state_manager().set_store_data(store_id, value, ttl)


def update_store(store_id: str, function: Callable[[Any], Any], default: Any = None) -> Any:
    """Changes a store by a function of its newest value, without losing what others write at the same time.

    Args:
        store_id: The store's id.
        function: Gets the newest value, or `default` where there is none, and returns the new one. It is called
            again where another was faster to write, so it should do nothing else.
        default: What the function gets in place of None.

    Returns:
        The new value.

    Raises:
        TypeError: The function returned None.
        CodecError: No codec takes the new value.
        SessionError: The store is a session's, and there is no session.

    Example:
        ```python
        update_store("visits", lambda count: count + 1, default=0)
        ```
    """
    return get_state_manager().update_store(store_id, function, default)


def delete_store(store_id: str) -> bool:
    """Deletes all versions of a store; whether there were any."""
    return get_state_manager().delete_store(store_id)


def store_exists(store_id: str) -> bool:
    """Whether a store has a value for whoever is asking."""
    return get_state_manager().store_exists(store_id)


def get_stores(store_ids: Iterable[str]) -> dict[str, Any]:
    """The newest values of those of the stores that have one, by id."""
    return get_state_manager().get_stores(store_ids)


def set_stores(values: Mapping[str, Any], ttl: float | None = None) -> None:
    """As `set_store`, for several stores at once."""
    get_state_manager().set_stores(values, ttl)


def get_session_id() -> str:
    """The id of the current session: for `ensure_session_context` in a job that goes on for it. Keep it secret.

    Raises:
        SessionError: There is no session.
    """
    visit = current_visit()
    if visit is None or visit.session is None:
        raise SessionError("there is no session here", "Call this inside a callback of a browser that takes cookies")
    return visit.session.id


def ensure_session_context(session_id: str) -> ContextReset:
    """Acts for a session outside of its requests: in jobs, scripts and tests.

    Args:
        session_id: What `get_session_id` gave; any other non-empty string names a session of its own.

    Returns:
        Something that ends it at the end of a `with` block; without one it lasts as long as the context.
    """
    if not isinstance(session_id, str) or not session_id:
        raise SessionError("a session id is a non-empty string", "Pass what get_session_id() gave")
    return enter_visit(Visit(Session(session_id)))


def rotate_session() -> None:
    """Gives the current browser a new session id and moves its data there. Call it when somebody logs in."""
    get_state_manager().rotate_session()
