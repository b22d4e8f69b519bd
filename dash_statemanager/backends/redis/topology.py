"""Which server holds which key: the only one, the one that Sentinels name, or a node of a cluster."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple

import redis
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from .commands import Packer
from .patience import CONNECTIONS, SENTINEL_CONNECTIONS
from .replies import Parser
from .url import Address, Target

__all__ = ["Topology", "open_topology"]

READ_SIZE = 1 << 16
UNBOUNDED = 1 << 16
"""Connections of a pool: who uses it counts them."""
KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}
"""Seconds, seconds and probes: firewalls forget connections that are idle for minutes, and don't say so."""
NOTHING = "dash-statemanager-nothing"
"""What a name is made of that holds nothing."""
ONE = 0
"""The only place where there are no slots."""


class Topology(ABC):
    """Where keys are. A place is a slot of a cluster; without a cluster there is only one.

    Attributes:
        changes: How often what was known had to be forgotten.
    """

    changes = 0

    @abstractmethod
    def place(self, name: str) -> int:
        """The place of a name."""

    @abstractmethod
    def places(self) -> list[int]:
        """One place of each server that takes writes."""

    @abstractmethod
    def some_name(self, place: int) -> str:
        """A name that the server of a place would hold."""

    @abstractmethod
    def client(self, place: int) -> redis.Redis:
        """The server of a place."""

    @abstractmethod
    def at(self, address: Address) -> redis.Redis:
        """The server at an address."""

    def forget(self, knows_better: Address | None = None) -> None:
        """What was known seems to be wrong: closes idle connections and asks again before the next command.

        Args:
            knows_better: Whom to ask first.
        """
        self.changes += 1
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Closes the connections that are not in use."""


class Single(Topology):
    """One server, or the one that Sentinels name each time when a connection is opened."""

    def __init__(self, target: Target, timeout: float) -> None:
        self._pool = _sentinel_pool(target, timeout) if target.kind == "sentinel" else _pool(target, timeout)
        self._client = redis.Redis(connection_pool=self._pool)

    def place(self, name: str) -> int:
        return ONE

    def places(self) -> list[int]:
        return [ONE]

    def some_name(self, place: int) -> str:
        return NOTHING

    def client(self, place: int) -> redis.Redis:
        return self._client

    def at(self, address: Address) -> redis.Redis:
        return self._client

    def close(self) -> None:
        self._pool.disconnect(inuse_connections=False)


class _Range(NamedTuple):
    first: int
    last: int
    address: Address


class Cluster(Topology):
    """Nodes that share 16384 slots. Which has which is asked from the first node that answers."""

    def __init__(self, target: Target, timeout: float) -> None:
        self._target, self._timeout = target, timeout
        self._known = list(target.addresses)
        self._ranges: list[_Range] = []
        self._clients: dict[Address, redis.Redis] = {}

    def place(self, name: str) -> int:
        slot: int = key_slot(name.encode())
        return slot

    def places(self) -> list[int]:
        firsts = {each.address: each.first for each in self._learned()}
        return sorted(firsts.values())

    def some_name(self, place: int) -> str:
        names = (f"{NOTHING}{number}" for number in count())
        return next(name for name in names if self.client(self.place(name)) is self.client(place))

    def client(self, place: int) -> redis.Redis:
        ranges = self._learned()
        found = ranges[max(0, bisect_right(ranges, place, key=lambda each: each.first) - 1)]
        if not found.first <= place <= found.last:
            raise errors.ClusterDownError(f"no node has slot {place}")
        return self.at(found.address)

    def at(self, address: Address) -> redis.Redis:
        if address not in self._clients:
            pool = _pool(self._target, self._timeout, address)
            self._clients.setdefault(address, redis.Redis(connection_pool=pool))
        return self._clients[address]

    def forget(self, knows_better: Address | None = None) -> None:
        if knows_better and knows_better[0]:
            self._known.insert(0, knows_better)
        self._ranges = []
        super().forget()

    def close(self) -> None:
        for client in list(self._clients.values()):
            client.connection_pool.disconnect(inuse_connections=False)

    def _learned(self) -> list[_Range]:
        ranges = self._ranges
        if not ranges:
            ranges = self._ranges = sorted(self._ask())
            learned = dict.fromkeys(each.address for each in ranges)
            self._known = [*learned, *(address for address in self._target.addresses if address not in learned)]
        return ranges

    def _ask(self) -> list[_Range]:
        problem: Exception = errors.ClusterDownError("no node has any slot")
        for address in self._known:
            try:
                with _scout(self._target, self._timeout, address, self._target.options) as scout:
                    if found := _ranges(scout.execute_command("CLUSTER", "SLOTS"), address):
                        return found
            except (errors.ConnectionError, errors.TimeoutError, OSError) as exc:
                problem = exc
        raise problem


def open_topology(target: Target, timeout: float) -> Topology:
    """The topology of the servers; it connects when it is used."""
    return Cluster(target, timeout) if target.kind == "cluster" else Single(target, timeout)


def _ranges(reply: Iterable[Any], asked: Address) -> list[_Range]:
    """What CLUSTER SLOTS says. A node that does not know its own name is at the address that was asked."""
    found = []
    for first, last, (host, port, *_), *_ in reply:
        name = host.decode() if isinstance(host, bytes) else host
        found.append(_Range(first, last, (name or asked[0], port)))
    return found


def _usual(timeout: float) -> dict[str, Any]:
    return {
        "command_packer": Packer(),
        "max_connections": UNBOUNDED,
        "parser_class": Parser,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
        "socket_read_size": READ_SIZE,
        "socket_timeout": timeout,
    }


def _pool(target: Target, timeout: float, address: Address | None = None) -> redis.ConnectionPool:
    host, port = address or target.addresses[0]
    options = {**_usual(timeout), **target.options, "host": host, "port": port}
    return redis.ConnectionPool(CONNECTIONS[target.tls], **options)


def _sentinel_pool(target: Target, timeout: float) -> redis.ConnectionPool:
    sentinel = Sentinel([])
    sentinel.sentinels = [_scout(target, timeout, each, target.sentinel_options) for each in target.addresses]
    options = {**_usual(timeout), **target.options, "connection_class": SENTINEL_CONNECTIONS[target.tls]}
    return SentinelConnectionPool(target.service, sentinel, **options)


def _scout(target: Target, timeout: float, address: Address, options: Any) -> redis.Redis:
    """A client that asks one of several servers, and leaves time to ask the next."""
    host, port = address
    share = {**_usual(timeout / 3), **options, "host": host, "port": port}
    return redis.Redis(connection_pool=redis.ConnectionPool(CONNECTIONS[target.tls], **share))
