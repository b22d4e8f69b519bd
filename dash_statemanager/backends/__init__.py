"""Where payloads live. Importing this package imports no driver: a backend is loaded when it is opened."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError, MissingExtra
from .breaker import Breaker

if TYPE_CHECKING:
    from ..config import Settings
    from .base import Backend

__all__ = ["open_backend"]


class _Place(NamedTuple):
    module: str
    name: str
    install: str


_PLACES = {
    "client": _Place("client", "ClientBackend", "dash-statemanager"),
    "database": _Place("sql", "SqlBackend", "sqlalchemy"),
    "flask-caching": _Place("flask_caching", "FlaskCachingBackend", "'dash-statemanager[flask-caching]'"),
    "gcs": _Place("gcs", "GcsBackend", "'dash-statemanager[gcs]'"),
    "memory": _Place("memory", "MemoryBackend", "dash-statemanager"),
    "redis": _Place("redis", "RedisBackend", "'dash-statemanager[redis]'"),
}
_ENCRYPTED = _Place("encrypted", "Encrypted", "'dash-statemanager[encryption]'")


def open_backend(settings: Settings, clock: Callable[[], float] = time.time) -> Backend:
    """The backend that the settings name; it connects with its first operation, not here.

    Args:
        settings: `backend` names it, the rest is read by the backend itself.
        clock: Unix time in seconds.

    Raises:
        ConfigError: There is no backend of that name, or its own settings are wrong.
        MissingExtra: A package that it needs is not installed.
    """
    try:
        place = _PLACES[settings.backend]
    except KeyError:
        known = ", ".join(sorted(_PLACES))
        raise ConfigError(f"STATE_BACKEND = {settings.backend!r} is not a backend", f"Known are: {known}") from None
    backend: Backend = _load(place).from_settings(settings, clock)
    if settings.encryption_key and backend.reach in ("machine", "network"):
        backend = _load(_ENCRYPTED)(backend, settings.encryption_key)
    return Breaker(backend) if backend.reach == "network" else backend


def _load(place: _Place) -> Any:
    try:
        return getattr(importlib.import_module("." + place.module, __name__), place.name)
    except ModuleNotFoundError as exc:
        what = f"{place.name} needs {exc.name}, which is not installed"
        raise MissingExtra(what, f"pip install {place.install}") from exc
