"""What a read and a write cost where a backend holds a thousand entries, and where it holds a million.

    python tests/benchmarks/scale.py sqlite postgresql redis
    python tests/benchmarks/scale.py sqlite --entries 1000 100000 --rounds 500

Both stores are there at once and are asked in turns, call by call, so that what disturbs the machine disturbs both.
PostgreSQL and Redis are servers of its own.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)  # so that this runs as a script and its neighbours are found under one name

from dash_statemanager.backends.base import Put  # noqa: E402
from dash_statemanager.config import load  # noqa: E402
from dash_statemanager.definitions import StoreDefinition  # noqa: E402
from dash_statemanager.heads import Head  # noqa: E402
from dash_statemanager.manager import StateManager  # noqa: E402
from dash_statemanager.session import Session, Visit, enter_visit  # noqa: E402

STORE = StoreDefinition("filters")
VALUE = {"region": "north", "year": 2024, "products": [3, 14, 15], "sorted": True}
NAME = "A" * 22
"""Of all versions that are filled in."""
PUTS = 500
"""Entries that are filled in at a time."""
USERS = 50
"""Sessions that write again and again."""
TOUCHES = 10
"""Versions that are touched together, each with its head."""
Operation = Callable[["Store", int], None]


class Store:
    """A backend with so many entries, as one process sees it.

    Args:
        settings: Where it is.
        entries: Half of them are versions, the others their heads, each of a session of its own.
    """

    def __init__(self, settings: Mapping[str, Any], entries: int) -> None:
        self.manager = StateManager(load(environ={}, secret_key="k", prune_interval=1e9, **settings))
        self._sessions = entries // 2
        self._fill()
        self.references = [self._write(number, 0) for number in range(USERS)]
        self._others = itertools.cycle(random.sample(range(USERS, self._sessions), self._sessions - USERS))

    def write(self, number: int) -> None:
        """One of the users writes once more."""
        self.references[number % USERS] = self._write(number % USERS, number)

    def read(self, number: int) -> None:
        """One of the users reads what this process has."""
        with enter_visit(_visit(number % USERS)):
            assert self.manager.read(self.references[number % USERS])

    def cold_read(self, number: int) -> None:
        """Another user comes, of whom this process knows nothing."""
        who = next(self._others)
        self.manager.versions.cache.remove([self._key(who, NAME)])
        with enter_visit(_visit(who)):
            assert self.manager.get_store_data(STORE.id) == VALUE

    def touch(self, number: int) -> None:
        """Prolongs what some others hold."""
        keys = [self._key(next(self._others)) for _ in range(TOUCHES)]
        assert not self.manager.backend.touch_many(dict.fromkeys(keys, 86400.0))

    def list(self, number: int) -> None:
        """What one session holds."""
        with enter_visit(_visit(next(self._others))):
            scope = self.manager.versions.keys.scope(self.manager.access.to_write("session"))
        assert len(list(self.manager.backend.scan(scope))) == 2

    def _write(self, who: int, serial: int) -> Any:
        with enter_visit(_visit(who)):
            return self.manager.write_many([(STORE, {**VALUE, "serial": serial})])[0]

    def _key(self, who: int, name: str = "head") -> str:
        return self.manager.versions.keys.version(_visit(who).session.scopes[0], STORE.digest, name)

    def _fill(self) -> None:
        codecs = self.manager.codecs
        payload = codecs.payload(codecs.freeze(VALUE), created=time.time(), ttl=86400.0)
        head = Head(STORE.id).with_version(NAME, payload.nbytes, written_at=time.time())
        for first in range(0, self._sessions, PUTS // 2):
            some = range(first, min(first + PUTS // 2, self._sessions))
            heads = [Put(self._key(who), head.dump(), 86400.0) for who in some]
            self.manager.backend.put_many([*heads, *(Put(self._key(who, NAME), payload, 86400.0) for who in some)])
        self.manager.close()


OPERATIONS: Mapping[str, tuple[Operation, int]] = {
    "small write": (Store.write, 1),
    "read of what the process has": (Store.read, 20),
    "read of what it has not": (Store.cold_read, 1),
    f"touch of {TOUCHES}": (Store.touch, 1),
    "list of a session": (Store.list, 1),
}
"""What is measured, and how many calls are one sample."""


def compare(small: Store, large: Store, operation: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of a call in both stores, taken in turns."""
    call, calls = OPERATIONS[operation]
    taken: dict[Store, list[float]] = {small: [], large: []}
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for store in (small, large) if number % 2 else (large, small):
                start = time.perf_counter()
                for serial in range(calls):
                    call(store, number * calls + serial)
                taken[store].append((time.perf_counter() - start) / calls)
    finally:
        gc.enable()
    warm = rounds // 10
    return taken[small][warm:], taken[large][warm:]


@contextmanager
def places(kind: str) -> Iterator[list[Mapping[str, Any]]]:
    """The settings of two empty backends, side by side."""
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-"))) for _ in range(2)]
        yield [place(kind, folder, stack) for folder in folders]


def place(kind: str, folder: Path, stack: ExitStack) -> Mapping[str, Any]:
    """The settings of an empty backend, which ends with the stack."""
    if kind == "sqlite":
        return {"backend": "database", "database_url": f"sqlite:///{folder / 'state.db'}"}
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.redis import RedisServer

    server = {"postgresql": PostgreSQL, "redis": RedisServer}[kind](folder)
    server.start()
    stack.callback(server.kill)
    return server.settings()


def _visit(who: int) -> Visit:
    return Visit(Session(f"user-{who}"))


def times(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios of what was measured in turns."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def main() -> None:
    """Measures what the command line asks for, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="+", choices=["sqlite", "postgresql", "redis"])
    parser.add_argument("--entries", nargs=2, type=int, default=(1_000, 1_000_000), help="default 1000 1000000")
    parser.add_argument("--rounds", type=int, default=400, help="calls of each kind; default 400")
    asked = parser.parse_args()
    few, many = asked.entries
    print(f"| | | {few:,} entries | {many:,} entries | ratio |\n|---|---|---|---|---|", flush=True)
    for kind in asked.backends:
        with places(kind) as settings:
            stores = [Store(*each) for each in zip(settings, (few, many), strict=True)]
            for operation in OPERATIONS:
                print(row(kind, operation, *compare(*stores, operation, asked.rounds)), flush=True)
            for store in stores:
                store.manager.close()


def row(kind: str, operation: str, small: Sequence[float], large: Sequence[float]) -> str:
    """One line of the table."""
    medians = " | ".join(f"{1e6 * median(each):,.0f} µs" for each in (small, large))
    return f"| {kind} | {operation} | {medians} | {times(large, small):.2f}x |"


if __name__ == "__main__":
    main()
