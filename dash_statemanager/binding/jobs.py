"""Background callbacks: functions that managers have already, and whose results they keep."""

from __future__ import annotations

import functools
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import dash._callback

from ..api import definitions, get_state_manager
from .callbacks import MARK, wrap
from .grouping import leaves
from .names import app_name, clean_property, current_app, store_id
from .running import current_context

_callback: Any = dash._callback
_base: Any = getattr(_callback, "BaseBackgroundCallbackManager", None) or _callback.BaseLongCallbackManager


def adopt() -> None:
    """Registers background functions again, wrapped, with the managers that have them; separates results."""
    _base.build_cache_key = _separating(_base.build_cache_key)
    for index, (key, function, progress) in enumerate(_base.functions):
        if getattr(function, MARK, False):
            continue
        wrapped = wrap(function, _progress_of(function) if progress else None)
        _base.functions[index] = (key, wrapped, progress)
        for manager in _base.managers:
            old = manager.func_registry.get(key)
            if hasattr(manager.handle, "tasks") and hasattr(old, "name"):
                manager.handle.tasks.unregister(old.name)  # Celery would go on with the old task
            manager.register(key, wrapped, progress)


def registered_callbacks() -> list[dict[str, Any]]:
    """What Dash keeps of the callbacks that were registered so far."""
    app = current_app()
    return [*_callback.GLOBAL_CALLBACK_MAP.values(), *(app.callback_map.values() if app else ())]


def _progress_of(function: Any) -> Any:
    for callback in registered_callbacks():
        if getattr(callback.get("callback"), "__wrapped__", None) is function:
            return (callback.get("background") or callback.get("long") or {}).get("progress")
    return None


def _separating(build: Callable[..., str]) -> Callable[..., str]:
    """A manager's `build_cache_key`, with keys of each session's own where results are references.

    Dash finds results by the arguments alone: with `cache_by`, and even without while two jobs run at once, one
    visitor would be sent another's reference, and read nothing.
    """

    @functools.wraps(build)
    def build_cache_key(self: Any, *args: Any, **kwargs: Any) -> str:
        key = build(self, *args, **kwargs)
        owner = _owner()
        return sha256(f"{key} {owner}".encode()).hexdigest() if owner else key

    return build_cache_key


def _owner() -> str | None:
    """Whose stores the running callback writes; None where everybody may read what it writes."""
    context = current_context()
    if context is None or not definitions:
        return None
    manager, app = get_state_manager(), app_name(context.get("path") or "")
    ids = [leaf["id"] for leaf in leaves(context.get("outputs_list")) if clean_property(leaf["property"]) == "data"]
    stores = [store for store in (manager.find(app, store_id(name)) for name in ids) if store is not None]
    owners = {manager.versions.keys.scope(manager.access.to_write(store.scope)) for store in stores}
    return " ".join(sorted(owners)) or None
