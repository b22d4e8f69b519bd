"""The least that any store on a server does: one statement for a write, one for a read, and a key in the browser.

No session, no signature, no expiry, no bound on what is kept: what these cost, no library can save.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

TABLE = "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, body {})"
Put = Callable[[str, bytes], object]
Get = Callable[[str], bytes]


def bare_store(settings: Mapping[str, Any]) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """What keeps a value and returns its key, and what reads it.

    Args:
        settings: Those of the library for the same place.
    """
    keep = _redis if settings["backend"] == "redis" else _sql
    put, get = keep(settings)

    def pack(value: Any) -> str:
        name = uuid.uuid4().hex
        put(name, orjson.dumps(value))
        return name

    return pack, lambda name: orjson.loads(get(name))


def _redis(settings: Mapping[str, Any]) -> tuple[Put, Get]:
    from redis import Redis

    client: Any = Redis.from_url(settings["redis_url"])
    return lambda name, body: client.set(name, body, ex=3600), client.get


def _sql(settings: Mapping[str, Any]) -> tuple[Put, Get]:
    url = settings["database_url"]
    connect, mark, kind = (_sqlite, "?", "BLOB") if url.startswith("sqlite") else (_postgresql, "%s", "BYTEA")
    idle: list[Any] = []
    first = connect(url)
    first.execute(TABLE.format(kind))
    first.close()  # before the workers are forked

    def run(statement: str, *values: object) -> Any:
        try:
            connection = idle.pop()
        except IndexError:
            connection = connect(url)
        cursor = connection.execute(statement.replace("?", mark), values)
        found = cursor.fetchone() if cursor.description else None
        idle.append(connection)
        return found

    def get(name: str) -> bytes:
        return bytes(run("SELECT body FROM kept WHERE name = ?", name)[0])

    return lambda name, body: run("INSERT INTO kept VALUES (?, ?)", name, body), get


def _sqlite(url: str) -> Any:
    path = Path(url.removeprefix("sqlite:///"))
    connection = sqlite3.connect(path.with_name("bare.db"), timeout=10, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _postgresql(url: str) -> Any:
    import psycopg

    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
