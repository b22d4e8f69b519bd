"""What every peer is: how it makes an app, keeps a value and finds it again."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import signature
from typing import Any, ClassVar
from urllib.parse import urlsplit

KEPT_SECONDS = 3600
NAMESPACE = "dash-statemanager-benchmark"
PREFIX = f"{NAMESPACE}/"


@dataclass(frozen=True)
class Place:
    """Where a peer keeps its data.

    Attributes:
        folder: Its own, the same for all its processes.
        redis: URL of a Redis server.
    """

    folder: str
    redis: str


class Peer(ABC):
    """One way to keep data between callbacks. All but `missing` and `running` runs in the peer's own server process.

    Attributes:
        name: Its word for the command line.
        label: How the tables call it.
        shared: Whether a second process on the same storage is to read what the first one wrote.
        parts: Whether it may read less than the whole of a frame.
        most_rows: The longest frame for which it is of any use.
        often_rows: The longest frame that it takes in every repetition; it takes longer ones `SELDOM` times.
        crowd_rows: The longest frame that twenty users at a time may read.
    """

    name: str
    label: str
    shared: ClassVar[bool] = True
    parts: ClassVar[bool] = False
    most_rows: ClassVar[int] = 10_000_000
    often_rows: ClassVar[int] = 10_000_000
    crowd_rows: ClassVar[int] = 1_000_000

    def missing(self, place: Place) -> str | None:
        """Why it can't run here and what to do about it, or None."""
        return None

    @contextmanager
    def running(self, place: Place) -> Iterator[Mapping[str, str]]:
        """What it needs beside its own processes, for as long as they run; gives them their environment."""
        yield {}

    @abstractmethod
    def app(self, place: Place) -> Any:
        """The Dash app, without layout and callbacks."""

    def store(self, store_id: str) -> Any:
        """The component that keeps a value, or what leads to it."""
        from dash import dcc

        return dcc.Store(id=store_id)

    def pack(self, store_id: str, value: Any) -> Any:
        """What the writing callback returns."""
        return value

    def unpack(self, store_id: str, data: Any) -> Any:
        """The value, from what the reading callback receives."""
        return data

    def annotation(self) -> Any:
        """Of the argument from which `columns` reads."""
        return Any

    def columns(self, store_id: str, data: Any, names: list[str]) -> Any:
        """Some columns of the frame, from what a callback receives that annotates its argument."""
        return self.unpack(store_id, data)[names]

    def forget(self) -> None:
        """Drops the values that the process keeps to read them faster, if it does."""


def dash_app(kind: Any = None, **options: Any) -> Any:
    """A Dash app that runs callbacks as `pip install dash` does: where `dash[async]` is there it adds an event loop."""
    from dash import Dash

    if "use_async" in signature(Dash).parameters:
        options["use_async"] = False
    return (kind or Dash)(__name__, **options)


@contextmanager
def tidied(url: str, pattern: str) -> Iterator[Mapping[str, str]]:
    """The environment of a peer on Redis, which leaves nothing there."""
    from redis import Redis

    try:
        yield {}
    finally:
        with Redis.from_url(url) as client:
            for name in client.scan_iter(match=pattern):
                client.delete(name)


def no_package(module: str, requirement: str) -> str | None:
    """The command that installs a module which is not there."""
    return None if find_spec(module) else f"pip install {requirement}"


def no_redis(url: str) -> str | None:
    """Where there is no Redis, or no client for it: what to do."""
    if reason := no_package("redis", "redis"):
        return reason
    parsed = urlsplit(url)
    try:
        socket.create_connection((parsed.hostname or "localhost", parsed.port or 6379), timeout=1).close()
    except OSError:
        return f"start a Redis server at {url}, or name one with --redis"
    return None
