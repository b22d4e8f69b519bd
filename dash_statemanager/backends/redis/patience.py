"""Connections that bound how long one operation waits, over all that it waits for."""

from __future__ import annotations

import math
import socket
import struct
import sys
import threading
import time
from typing import Any

import redis
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from ..deadline import PACE

__all__ = ["CONNECTIONS", "SENTINEL_CONNECTIONS", "patience"]

SLICE = 1 << 20
SHORTEST = 0.001
STEP = 0.05
"""Seconds in steps of which the system is told how long to wait: it mostly knows already."""
_TIMEVAL = struct.Struct("@ll")


class _Patience(threading.local):
    """How long the operation under way in this thread may still wait."""

    _until = math.inf
    _most = math.inf

    def of(self, seconds: float) -> _Patience:
        """For an operation that waits for so many seconds, and again as much while data comes and goes."""
        self._most, self._until = seconds, time.monotonic() + seconds
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._most = self._until = math.inf

    def left(self, most: float | None) -> float | None:
        """Seconds to wait now, at most `most`; None for as long as it takes. Raises TimeoutError where it is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if most is not None and most < left:
            return most
        return None if left == math.inf else max(left, SHORTEST)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    def moved(self, nbytes: int) -> None:
        """Data went through, which earns time."""
        self._until = min(self._until + nbytes / PACE, time.monotonic() + self._most)


patience = _Patience()


class _Socket:
    """A socket that waits no longer than the operation may."""

    def __init__(self, inner: socket.socket, most: float | None) -> None:
        self._inner = inner
        self._most = most

    def settimeout(self, seconds: float | None) -> None:
        self._most = seconds

    def gettimeout(self) -> float | None:
        return self._most

    def recv_into(self, buffer: Any, *arguments: int) -> int:
        self._wait()
        size = self._inner.recv_into(buffer, *arguments)
        patience.moved(size)
        return size

    def sendall(self, data: Any) -> None:
        view = memoryview(data)
        while view:
            self._wait()
            size = self._inner.send(view[:SLICE])
            patience.moved(size)
            view = view[size:]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _wait(self) -> None:
        self._limit(patience.left(self._most) if self._most != 0 else 0)

    def _limit(self, seconds: float | None) -> None:
        self._inner.settimeout(seconds)


class _SystemSocket(_Socket):
    """One whose waits the system ends: Python would ask it before each call, and let other threads run each time."""

    def __init__(self, inner: socket.socket, most: float | None) -> None:
        super().__init__(inner, most)
        self._limited: float | None = None
        inner.settimeout(None)

    def recv_into(self, buffer: Any, *arguments: int) -> int:
        if self._most == 0:
            return self._inner.recv_into(buffer, 0, socket.MSG_DONTWAIT)
        try:
            return super().recv_into(buffer, *arguments)
        except BlockingIOError as exc:
            raise TimeoutError from exc

    def sendall(self, data: Any) -> None:
        try:
            super().sendall(data)
        except BlockingIOError as exc:
            raise TimeoutError from exc

    def _limit(self, seconds: float | None) -> None:
        seconds = seconds or 0  # for ever
        if seconds > STEP:
            seconds = int(seconds / STEP) * STEP
        if seconds == self._limited:
            return
        limit = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._inner.setsockopt(socket.SOL_SOCKET, option, limit)
        self._limited = seconds


def _patient(inner: socket.socket, most: float | None) -> _Socket:
    """The socket of a connection; those with encryption or of another scheduler wait in ways of their own."""
    is_plain = sys.platform == "linux" and type(inner).__module__ == "socket"
    return (_SystemSocket if is_plain else _Socket)(inner, most)


class _Patient:
    """Makes a connection of redis-py patient."""

    socket_timeout: float | None
    socket_connect_timeout: float | None

    def _connect(self) -> Any:
        usual = self.socket_timeout
        self.socket_timeout = self.socket_connect_timeout = patience.left(usual)
        try:
            return _patient(super()._connect(), usual)  # type: ignore[misc]
        finally:
            self.socket_timeout = usual


class _Connection(_Patient, redis.Connection):
    pass


class _SSLConnection(_Patient, redis.SSLConnection):
    pass


class _SentinelManaged(_Patient, SentinelManagedConnection):
    pass


class _SentinelManagedSSL(_Patient, SentinelManagedSSLConnection):
    pass


CONNECTIONS: dict[bool, type[redis.Connection]] = {False: _Connection, True: _SSLConnection}
"""Connections to an address, by whether they are encrypted."""
SENTINEL_CONNECTIONS: dict[bool, type[redis.Connection]] = {False: _SentinelManaged, True: _SentinelManagedSSL}
"""Connections to the server that the Sentinels name."""
