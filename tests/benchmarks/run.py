"""Compares ServerStore with other ways to keep data between callbacks, through real HTTP servers.

    python tests/benchmarks/run.py
    python tests/benchmarks/run.py --sizes keys,1M --peers floor,memory,sqlite --repeat 3 --markdown table.md
    python tests/benchmarks/run.py --repeat 5 --docs

Needs gunicorn (no Windows); peers that need something else say so and are left out. The picture needs kaleido and
Chromium, or has a name that ends with .html. 10,000,000 rows take 2 GB of memory for each peer.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)  # so that this runs as a script and its neighbours are found under one name

from tests.benchmarks import figure, pages  # noqa: E402
from tests.benchmarks.fleet import fleet  # noqa: E402
from tests.benchmarks.measure import Results, measure  # noqa: E402
from tests.benchmarks.peers import PEERS, Place  # noqa: E402
from tests.benchmarks.report import backends, markdown, shown  # noqa: E402
from tests.benchmarks.targets import targets  # noqa: E402
from tests.benchmarks.values import SIZES  # noqa: E402

REDIS = "redis://localhost:6379"


def main() -> None:
    """Measures what the command line asks for, and prints it."""
    options = parse()
    names = [name for name in PEERS if name in options.peers and runs(name, options.redis)]
    sizes = [SIZES[name] for name in options.sizes]
    made_on, start = machine(), time.monotonic()
    with fleet([PEERS[name] for name in names], sizes, options.redis) as opened:
        results = measure(opened, sizes, options.repeat)
    made_by = f"`{command()}`, {(time.monotonic() - start) / 60:.0f} minutes on {made_on}."
    report(results, made_by, options)
    found = targets(results)
    print(f"{sum(target.met for target in found)} of {len(found)} targets are met")


def report(results: Results, made_by: str, options: argparse.Namespace) -> None:
    """Prints the tables, and writes what the command line asks for."""
    tables, short = markdown(results), backends(results)
    text = f"{made_by}\n\n{tables}\n### Backends\n\n{short}"
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.docs:
        pages.fill(pages.TABLES, f"{made_by}\n\n{pages.PICTURED}\n{tables}")
        pages.fill(pages.BACKENDS, f"{short}\n{made_by}\n")
    for path in filter(None, [options.figure, options.docs and pages.PICTURE]):
        figure.write(figure.figure(results, shown(results)), path)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=names_of(SIZES), default="keys,sixteen,10k,100k,1M", help=", ".join(SIZES))
    parser.add_argument("--peers", type=names_of(PEERS), default=",".join(PEERS), help=", ".join(PEERS))
    parser.add_argument("--repeat", type=int, default=5, help="repetitions; default 5")
    parser.add_argument("--redis", default=REDIS, help=f"default {REDIS}")
    parser.add_argument("--markdown", type=Path, help="a file for the tables")
    parser.add_argument("--figure", type=Path, help="a file for a picture of the large frame: .svg, .png or .html")
    parser.add_argument("--docs", action="store_true", help="write tables and picture into the documentation")
    options = parser.parse_args()
    for path in filter(None, [options.figure, options.docs and pages.PICTURE]):
        if reason := figure.draws(path):
            parser.error(reason)
    return options


def names_of(known: dict[str, object]) -> object:
    """Reads names with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: known are {', '.join(known)}")
        return names

    return read


def runs(name: str, redis: str) -> bool:
    """Whether a peer can run; says why if it can't."""
    reason = PEERS[name].missing(Place("", redis))
    if reason:
        print(f"without {PEERS[name].label}: {reason}", file=sys.stderr)
    return not reason


def command() -> str:
    """What was typed."""
    return shlex.join(["python", "tests/benchmarks/run.py", *sys.argv[1:]])


def machine() -> str:
    """What it runs on, and how busy that is before it starts."""
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    packages = ", ".join(f"{name} {version(name)}" for name in ("dash", "pandas", "pyarrow"))
    return f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}{load}"


if __name__ == "__main__":
    main()
