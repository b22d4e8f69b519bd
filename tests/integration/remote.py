"""A page's client against a real server: as much of werkzeug's test client as a page needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import requests

from .test_servers import open_page, serve


class RemoteClient:
    """Sends requests, and keeps cookies.

    Args:
        address: Of the server.
        prefix: Where the app is on it.
    """

    def __init__(self, address: str, prefix: str) -> None:
        self._address = address
        self._browser = open_page(address + prefix)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        return _answer(self._browser.get(self._address + path, headers=headers))

    def post(self, path: str, *, data: str, content_type: str, query_string: Mapping[str, Any]) -> Any:
        headers = {"Content-Type": content_type}
        return _answer(self._browser.post(self._address + path, data=data, headers=headers, params=query_string))

    def get_cookie(self, name: str) -> Any:
        value = self._browser.cookies.get(name)
        return None if value is None else SimpleNamespace(value=value, decoded_value=value)


@contextmanager
def served(app: Any, kind: str, prefix: str) -> Iterator[RemoteClient]:
    """Serves an app for the time of the block."""
    run, stop, port = serve(app, kind)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield RemoteClient(f"http://127.0.0.1:{port}", prefix)
    finally:
        stop()
        thread.join(10)


def _answer(answer: requests.Response) -> Any:
    try:
        as_json = answer.json()  # FastAPI does not say of callbacks' answers that they are JSON
    except ValueError:
        as_json = None
    return SimpleNamespace(status_code=answer.status_code, text=answer.text, json=as_json)
