"""How often a frame is kept that many have: by a backend for a hundred sessions, in memory by eight processes.

    python tests/benchmarks/copies.py
    python tests/benchmarks/copies.py --places sqlite,redis --rows 10000 --sessions 10 --processes 4

Sessions store frames that are equal and made anew for each. Processes read one frame and use every byte of it; memory
is the sum of their proportional shares (PSS), so that what they share counts once. Both are told as multiples of the
frame's own size in memory. Redis is started for this, PostgreSQL is that of the tests; where each session's frame is
kept on its own, there must be room for all of them. Settings come from the environment, as in an app. Needs Linux.
"""

from __future__ import annotations

import argparse
import multiprocessing
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)  # so that this runs as a script and its neighbours are found under one name

from dash_statemanager import configure, ensure_session_context, get_store, reset, set_store  # noqa: E402
from tests.benchmarks.values import BYTES_A_ROW, frame_of, touch  # noqa: E402
from tests.servers.redis import RedisServer  # noqa: E402

MEGA = 1e6
STORE, WARM_UP = "frame", "warm-up"


@dataclass(frozen=True)
class Place:
    """A backend of this script's own.

    Attributes:
        settings: Arguments of `configure()`.
        kept: Bytes that it takes now.
    """

    settings: dict[str, Any]
    kept: Callable[[], int]


@contextmanager
def sqlite() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="copies-") as folder:
        yield Place({"database_url": f"sqlite:///{folder}/state.db"}, lambda: on_disk(Path(folder)))


def on_disk(folder: Path) -> int:
    """Bytes that the files of a folder take, each file once however many names it has."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({file.st_ino: 512 * file.st_blocks for file in files}.values())


@contextmanager
def redis() -> Iterator[Place]:
    from redis import Redis

    with tempfile.TemporaryDirectory(prefix="copies-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            with Redis.from_url(server.settings()["redis_url"]) as client:
                yield Place(
                    dict(server.settings()),
                    lambda: sum(client.memory_usage(key, samples=0) for key in client.scan_iter()),
                )
        finally:
            server.kill()


@contextmanager
def postgresql() -> Iterator[Place]:
    import sqlalchemy as sa

    from tests.servers import databases

    engine = sa.create_engine(databases.postgresql())
    size = sa.text("SELECT pg_database_size(current_database())")

    def kept() -> int:
        with engine.connect() as connection:
            return int(connection.execute(size).scalar_one())

    yield Place({"database_url": databases.postgresql()}, kept)
    engine.dispose()


PLACES = {"sqlite": sqlite, "redis": redis, "postgresql": postgresql}
READ_IN = ("sqlite", "redis")


def main() -> None:
    """Prints two tables."""
    asked = parse()
    print(f"{asked.sessions} sessions, each with {asked.rows:,} rows, {asked.rows * BYTES_A_ROW / MEGA:.3g} MB\n")
    print("| | first write | the others, median | over the first | kept | over one frame | over what the first took |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.places:
        with PLACES[name]() as place, configured(place):
            print(f"| {name} | {store_in_sessions(place, asked.rows, asked.sessions)} |", flush=True)
    print(f"\n{asked.processes} processes that read one frame\n")
    print("| | memory of all before | after | more, over one frame |\n|---|---|---|---|")
    for name in [name for name in asked.places if name in READ_IN]:
        with PLACES[name]() as place:
            print(f"| {name} | {read_in_processes(place, asked.rows, asked.processes)} |", flush=True)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=lambda text: text.split(","), default=[*PLACES], help=", ".join(PLACES))
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the frame; default 1000000, which is 95 MB")
    parser.add_argument("--sessions", type=int, default=100, help="default 100")
    parser.add_argument("--processes", type=int, default=8, help="default 8")
    asked = parser.parse_args()
    if unknown := set(asked.places) - set(PLACES):
        parser.error(f"{', '.join(unknown)}: known are {', '.join(PLACES)}")
    return asked


@contextmanager
def configured(place: Place) -> Iterator[None]:
    configure(**{"secret_key": "benchmark" * 4, "backend": "database", **place.settings})
    try:
        yield
    finally:
        reset()


def store_in_sessions(place: Place, rows: int, sessions: int) -> str:
    """Each session stores an equal frame; one row of the table."""
    pickled = pickle.dumps(frame_of(rows)(1), protocol=5)
    with ensure_session_context("warm-up"):
        set_store(WARM_UP, frame_of(1000)(1))
    seconds, kept = [], [place.kept()]
    for number in range(sessions):
        frame = pickle.loads(pickled)  # shares no memory with the one before
        with ensure_session_context(f"session {number}"):
            start = time.perf_counter()
            set_store(STORE, frame)
            seconds.append(time.perf_counter() - start)
        kept.append(place.kept())
    first, others, one, all_of_it = seconds[0], median(seconds[1:]), kept[1] - kept[0], kept[-1] - kept[0]
    times = f"{1e3 * first:.1f} ms | {1e3 * others:.1f} ms | {others / first:.2f}x"
    return f"{times} | {all_of_it / MEGA:,.1f} MB | {all_of_it / (rows * BYTES_A_ROW):.2f}x | {all_of_it / one:.2f}x"


def read_in_processes(place: Place, rows: int, processes: int) -> str:
    """Each process reads the same frame; one row of the table."""
    with configured(place), ensure_session_context("one for all"):
        set_store(WARM_UP, frame_of(1000)(1))
        set_store(STORE, frame_of(rows)(1))
    with ExitStack() as stack:
        readers = [stack.enter_context(reader(place)) for _ in range(processes)]
        before, _, after = (sum([told(each) for each in asked(readers, what)]) for what in ("pss", "read", "pss"))
    return f"{before / MEGA:,.1f} MB | {after / MEGA:,.1f} MB | {(after - before) / (rows * BYTES_A_ROW):.2f}x"


def asked(readers: list[Connection], what: str) -> list[Connection]:
    for each in readers:
        each.send(what)
    return readers


def told(reader: Connection) -> int:
    return int(reader.recv())


@contextmanager
def reader(place: Place) -> Iterator[Connection]:
    """A process that reads when it is asked to, and tells its memory."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, place.settings), daemon=True)
    process.start()
    theirs.close()
    try:
        assert told(ours) == 0
        yield ours
        ours.send("end")
    finally:
        ours.close()
        process.join()


def serve(pipe: Connection, settings: dict[str, Any]) -> None:
    """What such a process does."""
    with configured(Place(settings, int)), ensure_session_context("one for all"):
        touch(get_store(WARM_UP))
        pipe.send(0)
        while (what := pipe.recv()) != "end":
            if what == "read":
                frame = get_store(STORE)
                touch(frame)
            pipe.send(pss())


def pss() -> int:
    """Bytes of memory of this process; of what it shares with others, its part."""
    [kilobytes] = [
        line.split()[1] for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line[:4] == "Pss:"
    ]
    return int(kilobytes) << 10


if __name__ == "__main__":
    main()
