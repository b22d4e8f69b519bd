"""Sends the requests that a browser would send, and nothing else that costs time."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import orjson

CPU_HEADER = "X-Benchmark-CPU"


@dataclass(frozen=True)
class Answer:
    """What one request cost.

    Attributes:
        seconds: Until its answer was there whole.
        sent: Bytes of its body.
        received: Bytes of the answer's body.
        cpu: Seconds of CPU that the server process had used when it answered, since its start.
    """

    seconds: float
    sent: int
    received: int
    cpu: float


class Page:
    """One tab: cookies, the values of its components, and connections to the servers behind one address.

    Args:
        ports: Of the servers; the first one answers where no other is asked.
    """

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=600) for port in ports]
        self._cookies: SimpleCookie = SimpleCookie()
        self._callbacks: dict[str, Any] = {}
        self.values: dict[str, Any] = {}

    def open(self) -> None:
        """Opens the page: index, layout, dependencies; and the connections to further servers."""
        for server in range(1, len(self._connections)):
            self.usage(server)
        self._request("GET", "/", accept="text/html")
        self._request("GET", "/_dash-layout")
        _, dependencies = self._request("GET", "/_dash-dependencies")
        self._callbacks = {callback["inputs"][0]["id"]: callback for callback in orjson.loads(dependencies)}

    @contextmanager
    def crowd(self, count: int) -> Iterator[list[Page]]:
        """So many other users, each with the page open."""
        with ExitStack() as stack:
            pages = [stack.enter_context(closing(Page(self._ports))) for _ in range(count)]
            for page in pages:
                page.open()
            yield pages

    def click(self, button: str, serial: int, server: int = 0) -> Answer:
        """Clicks a button for the `serial`-th time, and takes over the answer."""
        answer, received = self.send(orjson.dumps(self.body(button, serial)), server)
        self.take(received)
        return answer

    def send(self, body: bytes, server: int = 0) -> tuple[Answer, bytes]:
        """Sends the request of a click, and nothing else; so that many can do it at a time."""
        return self._request("POST", "/_dash-update-component", body, server=server)

    def take(self, received: bytes) -> None:
        """Takes over an answer."""
        for component, props in orjson.loads(received)["response"].items():
            self.values.update({f"{component}.{name}": value for name, value in props.items()})

    def body(self, button: str, serial: int) -> dict[str, Any]:
        """The body of the request of a click, as Dash's renderer makes it."""
        callback = self._callbacks[button]
        self.values[f"{button}.n_clicks"] = serial
        outputs = [_spec(name) for name in callback["output"].strip(".").split("...")]
        return {
            "output": callback["output"],
            "outputs": outputs if callback["output"].startswith("..") else outputs[0],
            "inputs": [self._with_value(spec) for spec in callback["inputs"]],
            "changedPropIds": [f"{button}.n_clicks"],
            "parsedChangedPropsIds": [f"{button}.n_clicks"],
            "state": [self._with_value(spec) for spec in callback["state"]],
        }

    def usage(self, server: int = 0) -> dict[str, float]:
        """What the server process uses; see `server.measure_usage`."""
        answer, received = self._request("GET", "/benchmark/usage", server=server)
        return {**orjson.loads(received), "cpu": answer.cpu}

    def forget(self, server: int) -> None:
        """Makes the server process drop the values that it keeps to read them faster."""
        self._request("GET", "/benchmark/forget", server=server)

    def in_process(self, button: str, serials: list[int]) -> list[float]:
        """Seconds that clicks take inside the server process."""
        asked = orjson.dumps({"body": self.body(button, serials[0]), "serials": serials})
        _, received = self._request("POST", "/benchmark/in-process", asked)
        seconds: list[float] = orjson.loads(received)
        return seconds

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _with_value(self, spec: dict[str, Any]) -> dict[str, Any]:
        name = f"{spec['id']}.{spec['property']}"
        value = {"value": self.values[name]} if name in self.values else {}
        return {"id": spec["id"], "property": spec["property"], **value}

    def _request(
        self, method: str, path: str, body: bytes | None = None, *, accept: str = "application/json", server: int = 0
    ) -> tuple[Answer, bytes]:
        cookies = self._cookies.output([], "", ";").strip()
        headers = {"Accept": accept, "Content-Type": "application/json", "Cookie": cookies}
        connection = self._connections[server]
        start = time.perf_counter()
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        received = response.read()
        seconds = time.perf_counter() - start
        if response.status != 200:
            raise RuntimeError(f"{method} {path} was answered with {response.status}: {received[:2000]!r}")
        for cookie in response.headers.get_all("Set-Cookie", []):
            self._cookies.load(cookie)
        cpu = float(response.headers[CPU_HEADER])
        return Answer(seconds, len(body or b""), len(received), cpu), received


def _spec(name: str) -> dict[str, str]:
    component, _, prop = name.rpartition(".")
    return {"id": component, "property": prop}
