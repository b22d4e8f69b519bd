"""The soak: four worker processes and fifty users for some minutes, on a server of its own.

    python -m tests.soak.run redis --minutes 12

It fails where a value is not what was written, where an answer is an error, or where memory, connections or entries
go on growing. The figures are printed as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from dash_statemanager.backends import open_backend
from dash_statemanager.backends.base import Backend
from dash_statemanager.config import load
from tests.servers.base import Server, free_port, wait_until
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import RedisServer

ROOT = Path(__file__).parents[2]
SERVERS: Mapping[str, Callable[[Path], Server]] = {"redis": RedisServer, "postgresql": PostgreSQL}
WORKERS, THREADS, USERS = 4, 8, 50
VISIT = 60
"""Clicks after which a user closes the browser and another comes."""
TTL, PRUNE = 90, 15
"""Seconds that values live after their last use, and between prunes: short, so that all evens out in minutes."""
RUSH = 10
"""Seconds at first in which nobody pauses between clicks: pools then have all the connections that they ever need."""
CACHE = 16 << 20
"""Bytes of each worker's cache: small, so that it is soon full."""
GROWTH = 1.15
"""What the last third of the time may have more than the middle third."""


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment: memory of all workers in bytes, connections, and what the server keeps."""

    memory: int
    connections: int
    entries: int
    kept: int


class User(threading.Thread):
    """Clicks at random, and checks what comes back."""

    def __init__(self, address: str, ended: threading.Event, counts: Counter[str]) -> None:
        super().__init__(daemon=True)
        self._address, self._ended, self._counts = address, ended, counts
        self._serial = 0
        self._rush = time.monotonic() + RUSH

    def run(self) -> None:
        while not self._ended.is_set():
            with requests.Session() as browser:
                try:
                    self._visit(browser)
                except (requests.RequestException, AssertionError) as exc:
                    self._counts["failures"] += 1
                    print(f"failure: {exc!r}"[:300], file=sys.stderr, flush=True)
                    self._ended.wait(1)

    def _visit(self, browser: requests.Session) -> None:
        page = browser.get(self._address, headers={"Accept": "text/html"}, timeout=20)
        assert page.status_code == 200, page.text
        held: dict[str, Any] = {"small": None, "frame": None, "log": None}
        expected: dict[str, Any] = dict(held)
        buttons = {"write": "small", "grow": "frame", "append": "log"}
        for _ in range(VISIT):
            if self._ended.wait(0 if time.monotonic() < self._rush else random.uniform(0.4, 1.2)):
                return
            self._serial += 1
            button = random.choices(["write", "append", "grow", "read"], [3, 3, 1, 6])[0]
            if button == "read":
                seen = self._click(browser, "read", "seen.children", held)
                assert seen == list(expected.values()), (seen, expected)
            else:
                name = buttons[button]
                state = {"log": held["log"]} if name == "log" else {}
                held[name] = _merged(held[name], self._click(browser, button, f"{name}.data", state))
                expected[name] = self._serial

    def _click(self, browser: requests.Session, button: str, output: str, state: Mapping[str, Any]) -> Any:
        component, prop = output.split(".")
        body = {
            "output": output,
            "outputs": {"id": component, "property": prop},
            "inputs": [{"id": button, "property": "n_clicks", "value": self._serial}],
            "state": [{"id": name, "property": "data", "value": value} for name, value in state.items()],
            "changedPropIds": [f"{button}.n_clicks"],
        }
        answer = browser.post(f"{self._address}_dash-update-component", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        self._counts["clicks"] += 1
        return answer.json()["response"][component][prop]


def _merged(held: Any, sent: Any) -> Any:
    """What the tab holds after an answer: a patch of a store appends to the chain of its reference."""
    if not (isinstance(sent, dict) and "__dash_patch_update" in sent):
        return sent
    chain = list(held.get("__patches__", ()))
    for operation in sent["operations"]:
        value = operation["params"]["value"]
        chain = {"Append": [*chain, value], "Prepend": [value, *chain], "Remove": [x for x in chain if x != value]}[
            operation["operation"]
        ]
    return {**held, "__patches__": chain}


@contextmanager
def workers(settings: Mapping[str, Any], log: Path) -> Iterator[tuple[str, int]]:
    """The app behind gunicorn: its address and the id of its parent process."""
    port = free_port()
    environ = {f"STATE_{name.upper()}": str(value) for name, value in settings.items()} | {"STATE_SECRET_KEY": "soak"}
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--workers",
        str(WORKERS),
        "--threads",
        str(THREADS),
        "--keep-alive",
        "75",
    ]
    command += ["--preload", "--log-level", "warning", "--bind", f"127.0.0.1:{port}", "tests.soak.app:server"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: requests.get(address, timeout=5).status_code == 200)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def sample(parent: int, port: int, backend: Backend) -> Sample:
    """Looks at the workers and at the server."""
    children = psutil.Process(parent).children()
    open_ = [each for child in children for each in child.net_connections("tcp") if each.raddr]
    stats: Mapping[str, Any] = backend.stats()
    return Sample(
        sum(child.memory_full_info().pss for child in children),
        sum(each.raddr.port == port for each in open_),
        stats["entries"],
        stats["bytes"],
    )


def soak(name: str, minutes: float, folder: Path) -> int:
    """Runs one soak, prints its table, and returns how many bounds were broken."""
    place = SERVERS[name](folder)
    place.start()
    settings = {**place.settings(), "ttl_default": TTL, "prune_interval": PRUNE, "cache_bytes": CACHE}
    samples: list[Sample] = []
    counts: Counter[str] = Counter()
    ended = threading.Event()
    backend = open_backend(load(environ={}, **settings))
    try:
        with workers(settings, folder / "gunicorn.log") as (address, parent):
            users = [User(address, ended, counts) for _ in range(USERS)]
            for user in users:
                user.start()
            until = time.monotonic() + 60 * minutes
            while time.monotonic() < until:
                time.sleep(min(10, 6 * minutes))
                samples.append(sample(parent, place.port, backend))
            ended.set()
            for user in users:
                user.join(30)
        print((folder / "gunicorn.log").read_text()[-2000:], file=sys.stderr)
    finally:
        ended.set()
        backend.close()
        place.kill()
    return report(name, minutes, samples, counts)


def report(name: str, minutes: float, samples: list[Sample], counts: Counter[str]) -> int:
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[-third:]
    broken = counts["failures"]
    print(f"\n{name}: {minutes:g} minutes, {WORKERS} workers, {USERS} users, {counts['clicks']:,} callbacks, "
          f"{counts['failures']} failures\n")  # fmt: skip
    print("| | middle third | last third | bound |\n|---|---|---|---|")
    for field, unit in (("memory", 1 << 20), ("connections", 1), ("entries", 1), ("kept", 1 << 20)):
        before, after = (statistics.median(getattr(sample, field) for sample in part) for part in (middle, last))
        over = after > before * GROWTH
        broken += over
        print(f"| {field} | {before / unit:,.0f} | {after / unit:,.0f} | {GROWTH:g}x{' BROKEN' if over else ''} |")
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("servers", nargs="+", choices=SERVERS)
    parser.add_argument("--minutes", type=float, default=12)
    asked = parser.parse_args()
    broken = 0
    for name in asked.servers:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            broken += soak(name, asked.minutes, Path(folder))
    print(json.dumps({"broken": broken}))
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
