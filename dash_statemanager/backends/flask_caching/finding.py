"""Which cache the settings mean, and what it can't promise."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from flask_caching import Cache

from ...errors import BackendError, ConfigError

__all__ = ["kinds", "named", "opened", "tell_limits"]

log = logging.getLogger("dash_statemanager")

HOW = (
    'Pass the Cache: configure(backend="flask-caching", flask_cache=cache), or set STATE_FLASK_CACHE = "module:name" '
    "to where it can be imported"
)


def named(setting: object) -> Cache:
    """The `Cache` that the setting `flask_cache` is or names.

    Raises:
        ConfigError: It is neither a `Cache`, nor does it name one that can be imported.
    """
    if isinstance(setting, Cache):
        return setting
    if setting is None:
        raise ConfigError("STATE_BACKEND = 'flask-caching' needs a flask_caching.Cache", HOW)
    module, _, name = str(setting).partition(":")
    what = f"STATE_FLASK_CACHE = {setting!r} "
    if not (isinstance(setting, str) and module and name):
        raise ConfigError(what + "is no flask_caching.Cache and does not name one", HOW)
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as exc:
        raise ConfigError(f"{what}can't be imported: {exc}", "Define the Cache in a module of its own") from exc
    if not isinstance(found, Cache):
        raise ConfigError(f"{what}is a {type(found).__name__} and no flask_caching.Cache", HOW)
    return found


def opened(cache: Cache) -> Any:
    """The cachelib object behind a `Cache`, which needs no app context.

    Raises:
        BackendError: The `Cache` has no app yet.
    """
    app = getattr(cache, "app", None)
    if app is None:
        raise BackendError("the flask_caching.Cache was not initialised", "Call cache.init_app(app.server)")
    return app.extensions["cache"][cache]


def kinds(store: object) -> set[str]:
    """The names of the classes that a cachelib object is of: caches of the same kind come from two libraries."""
    return {kind.__name__ for kind in type(store).__mro__}


def tell_limits(store: Any) -> None:
    """Says in the log what this cache can't promise."""
    if "NullCache" in kinds(store):
        log.error("the flask_caching.Cache is a NullCache, which keeps nothing: no store will have a value")
        return
    most = getattr(store, "_threshold", None)
    log.warning(
        "values are kept in a %s of flask-caching: it drops them with cache.clear()%s, conditional writes of several "
        "processes may be lost, and lists of keys may be incomplete",
        type(store).__name__,
        f" and beyond {most} items (CACHE_THRESHOLD)" if most else " or when it is full",
    )
