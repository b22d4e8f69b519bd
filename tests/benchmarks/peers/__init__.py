"""Who is compared: one class for each way to keep data between callbacks. A further one is an entry of `PEERS`."""

from __future__ import annotations

from .base import Peer, Place
from .others import ExtensionsFiles, ExtensionsRedis, GlobalDict, Memoized, NoLibrary, PlainStore
from .stores import (
    Server,
    ServerEncrypted,
    ServerFlaskCaching,
    ServerGcs,
    ServerMariaDB,
    ServerMemory,
    ServerPostgreSQL,
    ServerRedis,
    ServerSqlite,
)

__all__ = [
    "FLOOR",
    "PEERS",
    "ExtensionsFiles",
    "ExtensionsRedis",
    "Memoized",
    "NoLibrary",
    "Peer",
    "Place",
    "PlainStore",
    "Server",
    "ServerMemory",
    "ServerRedis",
    "ServerSqlite",
]

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        GlobalDict(),
        PlainStore(),
        NoLibrary(),
        Memoized(),
        ExtensionsFiles(),
        ExtensionsRedis(),
        ServerMemory(),
        ServerSqlite(),
        ServerEncrypted(),
        ServerPostgreSQL(),
        ServerMariaDB(),
        ServerRedis(),
        ServerFlaskCaching(),
        ServerGcs(),
    )
}
FLOOR = GlobalDict.name
