"""What a callback costs more where an app uses ServerStore: in process, beside the same app without the library.

    python tests/benchmarks/callback_cost.py
    python tests/benchmarks/callback_cost.py --repeat 50

Needs gunicorn (no Windows). Each call is made in turns with the same call of the other apps; the table shows medians
in microseconds, and medians of the differences.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)  # so that this runs as a script and its neighbours are found under one name

from tests.benchmarks.fleet import fleet  # noqa: E402
from tests.benchmarks.measure import NOTHING, READ, WRITE, Results, difference, measure_in_process  # noqa: E402
from tests.benchmarks.peers import PEERS, NoLibrary, PlainStore, ServerMemory, ServerSqlite  # noqa: E402
from tests.benchmarks.values import SIZES  # noqa: E402

WITHOUT = NoLibrary.name
SHOWN = (WITHOUT, PlainStore.name, ServerMemory.name, ServerSqlite.name)
CALLS = [(NOTHING, NOTHING)] + [(size, operation) for size in ("keys", "sixteen") for operation in (WRITE, READ)]


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20, help="repetitions of 100 calls; default 20")
    repeat = parser.parse_args().repeat
    sizes = [SIZES["keys"], SIZES["sixteen"]]
    with fleet([PEERS[name] for name in SHOWN], sizes, redis="") as pages:
        results = measure_in_process(pages, sizes, repeat)
    print("\n".join(table(results)))


def table(results: Results) -> Iterator[str]:
    """One line for each app, one column for each call."""
    heads = ["no store", "ten keys, write", "read", "sixteen stores, write", "read"]
    yield f"{'':32}" + "".join(f"{head:>24}" for head in heads)
    for peer in SHOWN:
        yield f"{PEERS[peer].label:32}" + "".join(f"{cell(results, peer, *call):>24}" for call in CALLS)


def cell(results: Results, peer: str, size: str, operation: str) -> str:
    """Microseconds, and how many more than without the library."""
    own, theirs = (results.in_process[size, name, operation] for name in (peer, WITHOUT))
    more = difference(own, theirs) or 0.0
    return f"{1e6 * median(own.values()):.0f}" + (f" (+{1e6 * more:.0f})" if peer != WITHOUT else "")


if __name__ == "__main__":
    main()
