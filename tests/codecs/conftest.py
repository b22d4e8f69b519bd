"""What the tests of codecs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs

KEYS = (b"first", b"second")


@pytest.fixture(scope="session")
def codecs() -> Codecs:
    return Codecs(keys=KEYS)


@pytest.fixture(scope="session")
def as_bytes(codecs: Codecs) -> Callable[..., bytes]:
    """The payload of a value as a database would keep it."""

    def encode(value: Any, types: str = "json", using: Codecs = codecs) -> bytes:
        return b"".join(using.payload(using.freeze(value, types), created=1.5, ttl=60.0).parts())

    return encode


@pytest.fixture(scope="session")
def readings(codecs: Codecs) -> Callable[..., list[Any]]:
    """What readers get: from the process's memory, and the first and the second from a database."""

    def read(value: Any, types: str = "json") -> list[Any]:
        frozen = codecs.freeze(value, types)
        payload = codecs.payload(frozen, created=0.0, ttl=None)
        opened = codecs.open(BytesPayload(b"".join(payload.parts()))).frozen
        return [frozen.thaw(), opened.thaw(), opened.thaw()]

    return read
