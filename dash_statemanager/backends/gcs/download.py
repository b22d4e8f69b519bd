"""Downloads: one request brings data and metadata, and large objects come in ranges, several at a time.

The XML API is asked, since it alone sends an object's metadata along with its data.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import google_crc32c
import requests
from google.api_core.exceptions import NotFound, from_http_response

from ..base import Buffer, MemoryRoom, Range, Room
from .stat import Stat

__all__ = ["Download", "Stretch"]

RANGE = 8 << 20
"""Bytes of one request."""
PIECE = 1 << 20


class Download:
    """An object on its way here.

    Args:
        url: Address of the server and the bucket.
        key: The object's name.
        make_room: Gives the room in which it is received.

    Attributes:
        stat: What is known of it after `begin`; None from a server that tells only when asked.
        nbytes: Its size, then.
        torn: Whether the object was overwritten while it was read, and has to be read again.
    """

    stat: Stat | None = None

    def __init__(self, url: str, key: str, make_room: Callable[[int], Room]) -> None:
        self.key = key
        self.nbytes, self._make_room = 0, make_room
        self._room: Room = MemoryRoom(0)
        self.torn = False
        self._url = f"{url}/{quote(key)}"
        self._hash = ""

    def begin(self, session: requests.Session, timeout: tuple[float, float]) -> None:
        """Asks for the first range; raises `NotFound` where there is no such object."""
        self._ask(session, timeout, 0)

    def rest(self) -> Iterator[int]:
        """Where the other ranges begin."""
        return iter(range(RANGE, self.nbytes, RANGE))

    def go_on(self, session: requests.Session, timeout: tuple[float, float], at: int) -> None:
        """Asks for another range of the same generation."""
        try:
            self._ask(session, timeout, at)
        except NotFound:
            self.torn = True

    def data(self) -> Buffer:
        """What was received."""
        return self._room.whole()

    def is_intact(self) -> bool:
        """Whether the checksum is the one that the server has."""
        crc, data = google_crc32c.Checksum(), self.data()
        for at in range(0, self.nbytes, PIECE):
            crc.update(bytes(data[at : at + PIECE]))
        return not self._hash or self._hash == base64.b64encode(crc.digest()).decode()

    def _ask(self, session: requests.Session, timeout: tuple[float, float], at: int) -> None:
        pinned = {"generation": self.stat.etag} if self.stat else {}
        with _asked(session, self._url, pinned, (at, at + RANGE), timeout) as response:
            if response is None:
                return  # it is empty
            if at == 0:
                self._prepare(response)
            _receive(response, self._room, at, min(RANGE, self.nbytes - at))

    def _prepare(self, response: requests.Response) -> None:
        self.nbytes = total = _total(response)
        self._room = self._make_room(total)
        self.stat = Stat.of_headers(self.key, total, response.headers)
        hashes = dict(pair.strip().split("=", 1) for pair in response.headers.get("x-goog-hash", "").split(",") if pair)
        self._hash = hashes.get("crc32c", "")


class Stretch:
    """Some bytes of an object on their way here. There is no checksum of them.

    Args:
        url: Address of the server and the bucket.
        key: The object's name.
        wanted: Which bytes.

    Attributes:
        stat: What is known of the object; None where it ends before, or from a server that tells only when asked.
        data: The bytes.
    """

    stat: Stat | None = None

    def __init__(self, url: str, key: str, wanted: Range) -> None:
        self.data: Buffer = b""
        self._key, self._wanted = key, wanted
        self._url = f"{url}/{quote(key)}"

    def ask(self, session: requests.Session, timeout: tuple[float, float]) -> None:
        """Asks for them; raises `NotFound` where there is no such object."""
        first, end = self._wanted
        if first >= end:
            return
        with _asked(session, self._url, {}, self._wanted, timeout) as response:
            if response is not None:
                total = _total(response)
                self.stat = Stat.of_headers(self._key, total, response.headers)
                nbytes = min(end, total) - first
                room = MemoryRoom(nbytes)
                _receive(response, room, 0, nbytes)
                self.data = room.whole()


@contextmanager
def _asked(
    session: requests.Session, url: str, pinned: Mapping[str, str], wanted: Range, timeout: tuple[float, float]
) -> Iterator[requests.Response | None]:
    """The answer to a request for a range; None where nothing is there."""
    first, end = wanted
    headers = {"Range": f"bytes={first}-{end - 1}", "Accept-Encoding": "identity"}
    with session.get(url, params=pinned, headers=headers, timeout=timeout, stream=True) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            yield None
        elif not response.ok:
            raise from_http_response(response)
        else:
            yield response


def _total(response: requests.Response) -> int:
    return int(response.headers.get("Content-Range", response.headers["Content-Length"]).rpartition("/")[2])


def _receive(response: requests.Response, room: Room, at: int, nbytes: int) -> None:
    for piece in response.iter_content(PIECE):
        data = piece[:nbytes]
        room.put(at, data)
        at, nbytes = at + len(data), nbytes - len(data)
    if nbytes:
        raise requests.ConnectionError("the answer ended early")
