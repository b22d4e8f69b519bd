"""A memcached of the tests' own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.base import Server, answers

GET_MEMCACHED = "apt-get install -y memcached"


def executable() -> str | None:
    """The machine's memcached, where it has one."""
    return shutil.which("memcached")


class Memcached(Server):
    """A memcached with room for 64 MB."""

    def command(self) -> Sequence[str]:
        return [str(executable()), "-l", "127.0.0.1", "-p", str(self.port), "-m", "64", "-u", "nobody"]

    def ready(self) -> bool:
        return answers(("127.0.0.1", self.port))

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        """The configuration of a `flask_caching.Cache`."""
        return {"CACHE_TYPE": "MemcachedCache", "CACHE_MEMCACHED_SERVERS": [f"127.0.0.1:{port or self.port}"]}

    def set_read_only(self, on: bool) -> None:
        raise NotImplementedError

    def set_full(self, on: bool) -> None:
        raise NotImplementedError
