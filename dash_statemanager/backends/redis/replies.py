"""Replies of a server, read without the copies that large ones don't need."""

from __future__ import annotations

import contextlib
import io
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from redis import cluster
from redis.connection import DefaultParser
from redis.exceptions import ConnectionError, InvalidResponse  # noqa: A004

__all__ = ["Parser", "landing"]

_errors = getattr(cluster, "ClusterParser", DefaultParser)
"""Knows the errors of clusters; in later versions every parser does."""


class _Landing(threading.local):
    """Where the strings of the replies that this thread waits for are to be put."""

    _free: memoryview | None = None

    @contextlib.contextmanager
    def into(self, buffer: memoryview | None) -> Iterator[None]:
        """Puts strings one after the other into the buffer, as far as they fit."""
        self._free = buffer
        try:
            yield
        finally:
            self._free = None

    def take(self, nbytes: int) -> memoryview | None:
        """The place for a string; None where it is to be an object of its own."""
        if self._free is None or nbytes > len(self._free):
            return None
        place, self._free = self._free[:nbytes], self._free[nbytes:]
        return place


landing = _Landing()


class _Stream(io.RawIOBase):
    def __init__(self, sock: Any) -> None:
        self._socket = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            size: int = self._socket.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        if not size:
            raise ConnectionError("Connection closed by server.")
        return size


class Parser:
    """A parser of redis-py (its `parser_class`) for the second version of the protocol."""

    def __init__(self, socket_read_size: int) -> None:
        self._size = socket_read_size
        self._socket: Any = None
        self._stream: io.BufferedReader | None = None

    def on_connect(self, connection: Any) -> None:
        """Starts to read from a new connection."""
        self._socket = connection._sock
        self._stream = io.BufferedReader(_Stream(self._socket), self._size)

    def on_disconnect(self) -> None:
        """Forgets the connection."""
        self._socket = self._stream = None

    def can_read(self, timeout: float) -> bool:
        """Whether something waits to be read, which in a connection that was idle is none of ours."""
        stream = self._connected()
        usual = self._socket.gettimeout()
        self._socket.settimeout(timeout)
        try:
            return bool(stream.peek(1))
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(usual)

    def read_response(self, disable_decoding: bool = False, **_: Any) -> Any:
        """The next reply. An error is returned, not raised, unless it concerns the connection."""
        reply = self._read(self._connected())
        if isinstance(reply, ConnectionError):
            raise reply
        return reply

    def _connected(self) -> io.BufferedReader:
        if self._stream is None:
            raise ConnectionError("Connection closed by server.")
        return self._stream

    def _read(self, stream: io.BufferedReader) -> Any:
        line = stream.readline()
        kind, text = line[:1], line[1:-2]
        if kind == b"$":
            return self._string(stream, int(text))
        if kind == b":":
            return int(text)
        if kind == b"+":
            return text
        if kind == b"*":
            return None if text == b"-1" else [self._read(stream) for _ in range(int(text))]
        if kind == b"-":
            return _errors.parse_error(text.decode(errors="replace"))
        raise InvalidResponse(f"Protocol Error: {line!r}")

    @staticmethod
    def _string(stream: io.BufferedReader, nbytes: int) -> bytes | memoryview | None:
        if nbytes < 0:
            return None
        place = landing.take(nbytes)
        if place is None:
            string: bytes | memoryview = stream.read(nbytes)
        else:
            stream.readinto(place)
            string = place
        stream.read(2)
        return string
