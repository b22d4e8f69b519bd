"""Where payloads live. Importing this package imports no driver: a backend is loaded when it is opened."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError, MissingExtra
from .breaker import Breaker
from .local import LocalFiles, LocalTier
from .shared import SharedBodies

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


def open_backend(
    settings: Settings, clock: Callable[[], float] = time.time, content_key: Callable[[], bytes] | None = None
) -> Backend:
    """The backend that the settings name; it connects with its first operation, not here.

    Args:
        settings: `backend` names it, the rest is read by the backend itself.
        clock: Unix time in seconds.
        content_key: Gives what equal values are recognised with; without it each is kept by itself.

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
    leaves = backend.reach in ("machine", "network")
    shares = leaves and backend.exact and settings.deduplicate and content_key is not None
    if shares and backend.reach == "network" and settings.local_tier_bytes:
        backend = LocalTier(backend, LocalFiles(_tier(settings), settings.local_tier_bytes))
    if leaves and settings.encryption_key:
        backend = _load(_ENCRYPTED)(backend, settings.encryption_key, clock)
    if shares and content_key is not None:
        backend = SharedBodies(backend, content_key, clock)
    return Breaker(backend) if backend.reach == "network" else backend


def _tier(settings: Settings) -> Path:
    user = getattr(os, "getuid", lambda: "user")()
    base = Path(settings.local_tier_folder or Path(tempfile.gettempdir()) / f"dash-statemanager-{user}")
    return base / settings.namespace


def _load(place: _Place) -> Any:
    try:
        return getattr(importlib.import_module("." + place.module, __name__), place.name)
    except ModuleNotFoundError as exc:
        what = f"{place.name} needs {exc.name}, which is not installed"
        raise MissingExtra(what, f"pip install {place.install}") from exc
