"""Downloads: one request brings data and metadata, and large objects come in ranges, several at a time.

The XML API is asked, since it alone sends an object's metadata along with its data.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

import google_crc32c
import requests
from google.api_core.exceptions import NotFound, from_http_response

from .stat import Stat

__all__ = ["Download"]

RANGE = 8 << 20
"""Bytes of one request."""
PIECE = 1 << 20


class Download:
    """An object on its way here.

    Args:
        url: Address of the server and the bucket.
        key: The object's name.

    Attributes:
        stat: What is known of it after `begin`; None from a server that tells only when asked.
        data: What was received, in its place.
        torn: Whether the object was overwritten while it was read, and has to be read again.
    """

    stat: Stat | None = None

    def __init__(self, url: str, key: str) -> None:
        self.key = key
        self.data = bytearray()
        self.torn = False
        self._url = f"{url}/{quote(key)}"
        self._hash = ""

    def begin(self, session: requests.Session, timeout: tuple[float, float]) -> None:
        """Asks for the first range; raises `NotFound` where there is no such object."""
        self._ask(session, timeout, 0)

    def rest(self) -> Iterator[int]:
        """Where the other ranges begin."""
        return iter(range(RANGE, len(self.data), RANGE))

    def go_on(self, session: requests.Session, timeout: tuple[float, float], at: int) -> None:
        """Asks for another range of the same generation."""
        try:
            self._ask(session, timeout, at)
        except NotFound:
            self.torn = True

    def is_intact(self) -> bool:
        """Whether the checksum is the one that the server has."""
        crc = google_crc32c.Checksum()
        for at in range(0, len(self.data), PIECE):
            crc.update(bytes(memoryview(self.data)[at : at + PIECE]))
        return not self._hash or self._hash == base64.b64encode(crc.digest()).decode()

    def _ask(self, session: requests.Session, timeout: tuple[float, float], at: int) -> None:
        headers = {"Range": f"bytes={at}-{at + RANGE - 1}", "Accept-Encoding": "identity"}
        pinned = {"generation": self.stat.etag} if self.stat else {}
        with session.get(self._url, params=pinned, headers=headers, timeout=timeout, stream=True) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # it is empty
            if not response.ok:
                raise from_http_response(response)
            if at == 0:
                self._prepare(response)
            self._receive(response, at)

    def _prepare(self, response: requests.Response) -> None:
        total = int(response.headers.get("Content-Range", response.headers["Content-Length"]).rpartition("/")[2])
        self.data = bytearray(total)
        self.stat = Stat.of_headers(self.key, total, response.headers)
        hashes = dict(pair.strip().split("=", 1) for pair in response.headers.get("x-goog-hash", "").split(",") if pair)
        self._hash = hashes.get("crc32c", "")

    def _receive(self, response: requests.Response, at: int) -> None:
        end = min(at + RANGE, len(self.data))
        for piece in response.iter_content(PIECE):
            self.data[at : at + len(piece)] = piece
            at += len(piece)
        if at < end:
            raise requests.ConnectionError("the answer ended early")
