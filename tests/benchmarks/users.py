"""Fifty users at a time, in a process of their own: as little work as possible beside that of the servers."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import orjson

ROUTE = "/_dash-update-component"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class User:
    """A browser with a page of `throughput.make`; its clicks go over any of its connections.

    Args:
        port: Of the server.
        connections: How many.
    """

    def __init__(self, port: int, connections: int) -> None:
        self._port, self._number = port, connections
        self._streams: list[Stream] = []
        self._cookie = b""
        self._held: Any = None
        self._serial = 0

    async def open(self) -> None:
        """Opens the page, and has something to read."""
        self._streams = [await asyncio.open_connection("127.0.0.1", self._port) for _ in range(self._number)]
        await self._ask(b"GET", "/", b"text/html")
        await self.write()

    async def write(self) -> None:
        self._serial += 1
        self._held = await self._click("write", "filters", "data", [])

    async def read(self) -> None:
        held = {"id": "filters", "property": "data", "value": self._held}
        seen = await self._click("read", "seen", "children", [held])
        assert seen == str(self._serial), (seen, self._serial)

    async def close(self) -> None:
        for _, writer in self._streams:
            writer.close()

    async def _click(self, button: str, component: str, prop: str, state: list[Any]) -> Any:
        body = {
            "output": f"{component}.{prop}",
            "outputs": {"id": component, "property": prop},
            "inputs": [{"id": button, "property": "n_clicks", "value": self._serial}],
            "changedPropIds": [f"{button}.n_clicks"],
            "parsedChangedPropsIds": [f"{button}.n_clicks"],
            "state": state,
        }
        answer = orjson.loads(await self._ask(b"POST", ROUTE, b"application/json", orjson.dumps(body)))
        return answer["response"][component][prop]

    async def _ask(self, method: bytes, path: str, accept: bytes, body: bytes = b"") -> bytes:
        reader, writer = random.choice(self._streams)
        head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: %s\r\nContent-Type: application/json\r\n"
        rest = b"Cookie: %s\r\nContent-Length: %d\r\n\r\n"
        writer.write((head + rest) % (method, path.encode(), accept, self._cookie, len(body)) + body)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = [line.split(b": ", 1) for line in lines if line]
        self._cookie = next((value.split(b";")[0] for name, value in headers if name == b"Set-Cookie"), self._cookie)
        length = next(int(value) for name, value in headers if name == b"Content-Length")
        received = await reader.readexactly(length)
        assert b" 200 " in status, (status, received[:500])
        return received


class Crowd:
    """Users of several servers, who click on one of them at a time.

    Args:
        ports: Of the servers.
        users: How many each has.
        connections: How many connections each user has.
    """

    def __init__(self, ports: Sequence[int], users: int, connections: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, other = context.Pipe()
        arguments = other, list(ports), users, connections
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        other.close()
        self._line.recv()

    def click(self, port: int, button: str, seconds: float) -> float:
        """Callbacks a second that a server answers while all its users click one of their buttons."""
        self._line.send((port, button, seconds))
        rate: float = self._line.recv()
        return rate

    def leave(self) -> None:
        self._line.send(None)
        self._process.join(10)


def _serve(line: Connection, ports: Sequence[int], users: int, connections: int) -> None:
    asyncio.run(_obey(line, {port: [User(port, connections) for _ in range(users)] for port in ports}))


async def _obey(line: Connection, users: dict[int, list[User]]) -> None:
    for crowd in users.values():
        await asyncio.gather(*(user.open() for user in crowd))
    line.send("ready")
    while order := line.recv():
        port, button, seconds = order
        line.send(await _rate(users[port], button, seconds))
    for crowd in users.values():
        await asyncio.gather(*(user.close() for user in crowd))


async def _rate(users: Sequence[User], button: str, seconds: float) -> float:
    start = time.perf_counter()

    async def go_on(user: User) -> int:
        clicks = 0
        while time.perf_counter() < start + seconds:
            await getattr(user, button)()
            clicks += 1
        return clicks

    return sum(await asyncio.gather(*map(go_on, users))) / (time.perf_counter() - start)
