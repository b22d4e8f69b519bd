"""What people use without this library."""

from __future__ import annotations

import uuid
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from .base import KEPT_SECONDS, PREFIX, Peer, Place, dash_app, no_package, no_redis, tidied

ITEMS = 1_000_000
"""More than is ever written: caches in files delete what is beyond."""


class GlobalDict(Peer):
    """The floor: for one process only, it grows without end, and nothing is faster."""

    name = "floor"
    label = "a global dict (the floor)"
    shared = False

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def app(self, place: Place) -> Any:
        return dash_app()

    def pack(self, store_id: str, value: Any) -> str:
        key = str(uuid.uuid4())
        self._values[key] = value
        return key

    def unpack(self, store_id: str, data: Any) -> Any:
        return self._values[data]


class PlainStore(Peer):
    """`dcc.Store`, with frames as records, as most apps do it. The browser has the data: all processes are alike."""

    name = "dcc.Store"
    label = "`dcc.Store`"
    shared = False
    most_rows: ClassVar[int] = 1_000_000
    often_rows = 100_000
    crowd_rows = 10_000

    def app(self, place: Place) -> Any:
        return dash_app()

    def pack(self, store_id: str, value: Any) -> Any:
        return value.to_dict("records") if hasattr(value, "columns") else value

    def unpack(self, store_id: str, data: Any) -> Any:
        import pandas as pd

        if not isinstance(data, list):
            return data
        frame = pd.DataFrame(data)
        return frame.assign(when=pd.to_datetime(frame["when"]))


class NoLibrary(PlainStore):
    """`dcc.Store` in a process into which this library never comes."""

    name = "without"
    label = "`dcc.Store` without the library"
    most_rows = 0

    def app(self, place: Place) -> Any:
        from dash._hooks import HooksManager

        HooksManager._registered = True  # entry points would load the library
        return dash_app()


class Memoized(Peer):
    """The pattern of Dash's documentation: a memoized global function, and its key in the browser.

    There the function computes the value when it is called first; here it gets the value that the callback made.
    """

    name = "memoize"
    label = "Flask-Caching, `memoize`, files"

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._global_store: Callable[[str], Any]

    def missing(self, place: Place) -> str | None:
        return no_package("flask_caching", "flask-caching")

    def app(self, place: Place) -> Any:
        from flask_caching import Cache

        app = dash_app()
        folder = str(Path(place.folder) / "cache")
        config = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": folder, "CACHE_THRESHOLD": ITEMS}

        @Cache(app.server, config=config).memoize(KEPT_SECONDS)
        def global_store(key: str) -> Any:
            return self._made.pop(key)

        self._global_store = global_store
        return app

    def pack(self, store_id: str, value: Any) -> str:
        key = str(uuid.uuid4())
        self._made[key] = value
        self._global_store(key)
        return key

    def unpack(self, store_id: str, data: Any) -> Any:
        return self._global_store(data)


class Extensions(Peer):
    """`Serverside` of dash-extensions."""

    def missing(self, place: Place) -> str | None:
        return no_package("dash_extensions", "dash-extensions==2.0.6")

    @abstractmethod
    def backend(self, place: Place) -> Any:
        """Its backend."""

    def app(self, place: Place) -> Any:
        from dash_extensions.enrich import DashProxy, ServersideOutputTransform

        return dash_app(DashProxy, transforms=[ServersideOutputTransform(backends=[self.backend(place)])])

    def pack(self, store_id: str, value: Any) -> Any:
        from dash_extensions.enrich import Serverside

        return Serverside(value)


class ExtensionsFiles(Extensions):
    name = "extensions-files"
    label = "dash-extensions, files"

    def backend(self, place: Place) -> Any:
        from dash_extensions.enrich import FileSystemBackend

        return FileSystemBackend(str(Path(place.folder) / "cache"), threshold=ITEMS)


class ExtensionsRedis(Extensions):
    name = "extensions-redis"
    label = "dash-extensions, Redis"
    most_rows = 1_000_000  # Redis takes no string above 512 MB

    def missing(self, place: Place) -> str | None:
        return super().missing(place) or no_redis(place.redis)

    def backend(self, place: Place) -> Any:
        from dash_extensions.enrich import RedisBackend
        from redis import Redis

        return RedisBackend(host=Redis.from_url(place.redis), key_prefix=PREFIX, default_timeout=KEPT_SECONDS)

    def running(self, place: Place) -> AbstractContextManager[Mapping[str, str]]:
        return tidied(place.redis, f"{PREFIX}*")
