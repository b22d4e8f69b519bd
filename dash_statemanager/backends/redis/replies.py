"""Replies of a server, read without the copies that large ones don't need."""

from __future__ import annotations

import io
import math
import re
import select
import ssl
import threading
import time
from typing import Any

from redis import cluster, exceptions
from redis.connection import DefaultParser

from ..base import Room

__all__ = ["Parser", "Place", "landing"]

Place = tuple[Room, int]
"""A room, and where in it."""
BUFFER = 1 << 20
FRESH = 1.0
"""Seconds after a reply in which a connection is not asked whether it still stands: who uses it finds out."""
SCRIPT = re.compile(r"ERR Error running script .*?: -(?=[A-Z]+ )")
"""What servers before version 7 say before the error of a command in a script."""
_errors = getattr(cluster, "ClusterParser", DefaultParser)
"""Knows the errors of clusters; in later versions every parser does."""


class _Landing(threading.local):
    """Where the strings of the replies that this thread waits for are to be put."""

    _place: Place | None = None
    _buffer: memoryview | None = None

    def into(self, place: Place | None) -> _Landing:
        """Puts strings one after the other into a room, until it is left."""
        self._place = place
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._place = self._buffer = None

    @property
    def is_open(self) -> bool:
        return self._place is not None

    def receive(self, stream: io.BufferedReader, nbytes: int) -> int:
        """Puts a string of so many bytes to its place, and returns its size.

        It comes by a buffer that is used again and again: new memory costs a page fault for each page.
        """
        assert self._place is not None
        room, at = self._place
        if self._buffer is None:
            self._buffer = memoryview(bytearray(BUFFER))
        buffer = self._buffer
        for start in range(0, nbytes, BUFFER):
            piece = buffer[: nbytes - start]
            if stream.readinto(piece) != len(piece):
                raise exceptions.ConnectionError("Connection closed by server.")
            room.put(at + start, piece)
        self._place = room, at + nbytes
        return nbytes


landing = _Landing()


class _Stream(io.RawIOBase):
    """What comes through a socket.

    Attributes:
        is_quiet: Whether the socket is known to have nothing now, and need not be asked.
    """

    is_quiet = False

    def __init__(self, sock: Any) -> None:
        self._socket = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_quiet:
            return None
        try:
            size: int = self._socket.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        if not size:
            raise exceptions.ConnectionError("Connection closed by server.")
        return size


class Parser:
    """A parser of redis-py (its `parser_class`) for the second version of the protocol."""

    def __init__(self, socket_read_size: int) -> None:
        self._size = socket_read_size
        self._socket: Any = None
        self._poll: Any = None
        self._source: Any = None
        self._stream: io.BufferedReader | None = None
        self._heard = -math.inf

    def on_connect(self, connection: Any) -> None:
        """Starts to read from a new connection."""
        self._socket = connection._sock
        self._poll = _poll(self._socket)
        self._source = _Stream(self._socket)
        self._stream = io.BufferedReader(self._source, self._size)

    def on_disconnect(self) -> None:
        """Forgets the connection."""
        self._socket = self._poll = self._source = self._stream = None

    def can_read(self, timeout: float) -> bool:
        """Whether something waits to be read, which in a connection that was idle is none of ours, or its end."""
        stream = self._connected()
        if time.monotonic() - self._heard < FRESH:
            return False
        usual = self._socket.gettimeout()
        self._socket.settimeout(timeout)
        self._source.is_quiet = self._poll is not None and not self._poll.poll(timeout * 1000)
        try:
            return bool(stream.peek(1))
        except TimeoutError:
            return False
        finally:
            self._source.is_quiet = False
            self._socket.settimeout(usual)

    def read_response(self, disable_decoding: bool = False, **_: Any) -> Any:
        """The next reply. An error is returned, not raised, unless it concerns the connection."""
        reply = self._read(self._connected())
        self._heard = time.monotonic()
        if isinstance(reply, exceptions.ConnectionError):
            raise reply
        return reply

    def _connected(self) -> io.BufferedReader:
        if self._stream is None:
            raise exceptions.ConnectionError("Connection closed by server.")
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
            return _errors.parse_error(SCRIPT.sub("", text.decode(errors="replace"), count=1))
        raise exceptions.InvalidResponse(f"Protocol Error: {line!r}")

    @staticmethod
    def _string(stream: io.BufferedReader, nbytes: int) -> bytes | int | None:
        if nbytes < 0:
            return None
        string = landing.receive(stream, nbytes) if landing.is_open else stream.read(nbytes)
        stream.read(2)
        return string


def _poll(sock: Any) -> Any:
    """Tells whether something has come, for less than an attempt to read; None where it would not be the truth."""
    if not hasattr(select, "poll") or hasattr(sock, "pending"):  # encryption has messages of its own
        return None
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return poll
