"""HTTP whose answers have to come on: a byte now and then is no answer."""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter

from ..deadline import PACE

__all__ = ["PatientAdapter"]

SHORTEST = 0.001
"""Seconds to look for what has come already, where this process itself was held up."""


class PatientAdapter(HTTPAdapter):
    """Sends requests, and gives an answer the timeout as a whole, and again as much while its data comes."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _make_patient(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            _make_patient(manager)
        return manager


def _make_patient(manager: Any) -> None:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _patient_pool(pool) for scheme, pool in pools.items()}


def _patient_pool(pool: Any) -> type:
    connection = type("PatientConnection", (pool.ConnectionCls,), {"response_class": _Response})
    return type("PatientPool", (pool,), {"ConnectionCls": connection})


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if timeout := sock.gettimeout():
            self.fp = io.BufferedReader(_Incoming(sock, self.fp.detach(), timeout))


class _Incoming(io.RawIOBase):
    """What comes through a socket, as long as it comes on."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, timeout: float) -> None:
        self._sock, self._raw, self._timeout = sock, raw, timeout
        self._until = time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(max(self._until - time.monotonic(), SHORTEST))
        try:
            size = self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(self._timeout)
        now = time.monotonic()
        self._until = min(max(self._until, now) + (size or 0) / PACE, now + self._timeout)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()
