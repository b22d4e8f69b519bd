"""What one column of a table of ten costs, against all of it, in a process that has read neither.

    python tests/benchmarks/columns.py
    python tests/benchmarks/columns.py --rows 1000000 --redis redis://localhost:6379 \\
        --database postgresql+psycopg://postgres@localhost/postgres --database mysql+pymysql://root@localhost/test

Looks at every byte that is asked for. Needs Linux, which tells the peak of the memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
NAMESPACE = "benchmark-columns"
READER = """
import json, sys, time
from hashlib import blake2b
from pathlib import Path
import pyarrow as pa
import dash_statemanager as dsm
from dash_statemanager.definitions import StoreDefinition

reference, settings, wanted, rounds = map(json.loads, sys.argv[1:])
store = StoreDefinition("frame", scope="app")
manager = dsm.configure(**settings, cache_bytes=0)

def use(frame):
    for name in frame:
        array = pa.array(frame[name].array, from_pandas=False)
        for chunk in getattr(array, "chunks", [array]):
            for buffer in filter(None, chunk.buffers()):
                blake2b(buffer)  # looks at every byte

def measured(columns):
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the memory
    before, start = peak(), time.perf_counter()
    [handle] = manager.exchange.open_many([(reference, store)])
    use(handle.columns(columns) if columns else handle.value)
    return time.perf_counter() - start, peak() - before

def peak():
    words = Path("/proc/self/status").read_text().split()
    return 1024 * int(words[words.index("VmHWM:") + 1])

measured(["id", "kind", "name"])  # what is imported on first use
print(json.dumps([measured(columns) for _ in range(rounds) for columns in ([wanted], [])]))
"""


@dataclass(frozen=True)
class Costs:
    """Medians: of the whole table in seconds and bytes of memory, and the shares of both that one column takes."""

    seconds: float
    memory: float
    share_of_seconds: float
    share_of_memory: float


def costs(settings: Mapping[str, Any], rows: int, column: str = "price", rounds: int = 9) -> Costs:
    """Writes a table to a backend, and reads it and one column of it in turns in another process."""
    from dash_statemanager import configure, reset
    from dash_statemanager.definitions import StoreDefinition
    from tests.benchmarks.values import frame_of

    settings = {"secret_key": "benchmark" * 4, "namespace": NAMESPACE, "local_tier_bytes": 0, **settings}
    store = StoreDefinition("frame", scope="app", ttl=600)
    reset()
    manager = configure(**settings)
    [reference] = manager.write_many([(store, frame_of(rows)(1))])
    words = [json.dumps(each) for each in (reference, settings, column, rounds)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", READER, *words], stdout=subprocess.PIPE, env=os.environ, check=True
        )
    finally:
        manager.versions.delete(f"{NAMESPACE}/")
    measured = json.loads(done.stdout)
    pairs = list(zip(measured[::2], measured[1::2], strict=True))
    whole = [median(sample[what] for _, sample in pairs) for what in (0, 1)]
    shares = [median(one[what] / (all_of_it[what] or 1) for one, all_of_it in pairs) for what in (0, 1)]
    return Costs(*whole, *shares)


def main() -> None:
    """Measures what the command line names, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="default 1000000, which is 95 MB")
    parser.add_argument("--redis", action="append", default=[], help="URL of a Redis")
    parser.add_argument("--database", action="append", default=[], help="URL of a database")
    options = parser.parse_args()
    print(
        "| | all of it | one column of ten | memory for all of it | for the column |\n| --- | --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in places(Path(folder), options.redis, options.database):
            found = costs(settings, options.rows)
            whole = f"{1000 * found.seconds:.0f} ms | {found.share_of_seconds:.1%} | {found.memory / 1e6:.0f} MB"
            print(f"| {name} | {whole} | {found.share_of_memory:.1%} |", flush=True)


def places(folder: Path, redis: Sequence[str], databases: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Names and settings of backends."""
    urls = [f"sqlite:///{folder / 'state.db'}", *databases]
    found = [(url.partition(":")[0].partition("+")[0], {"backend": "database", "database_url": url}) for url in urls]
    return [*found, *(("redis", {"backend": "redis", "redis_url": url}) for url in redis)]


if __name__ == "__main__":
    sys.path[0] = str(ROOT)  # so that this runs as a script and its neighbours are found under one name
    main()
