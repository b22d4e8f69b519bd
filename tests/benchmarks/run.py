"""Compares ServerStore with other ways to keep data between callbacks, through real HTTP servers.

    python tests/benchmarks/run.py
    python tests/benchmarks/run.py --sizes keys,1M --peers floor,memory,sqlite --repeat 3 --markdown table.md

Needs gunicorn (no Windows); peers that need something else say so and are left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)  # so that this runs as a script and its neighbours are found under one name

from tests.benchmarks.figure import svg  # noqa: E402
from tests.benchmarks.fleet import fleet  # noqa: E402
from tests.benchmarks.measure import measure  # noqa: E402
from tests.benchmarks.peers import PEERS, Place  # noqa: E402
from tests.benchmarks.report import markdown, targets  # noqa: E402
from tests.benchmarks.values import SIZES  # noqa: E402

REDIS = "redis://localhost:6379"


def main() -> None:
    """Measures what the command line asks for, and prints it."""
    options = parse()
    names = [name for name in PEERS if name in options.peers and runs(name, options.redis)]
    sizes = [SIZES[name] for name in options.sizes]
    with fleet([PEERS[name] for name in names], sizes, options.redis) as pages:
        results = measure(pages, sizes, options.repeat)
    text = f"{machine()}\n\n{markdown(results)}"
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.figure:
        options.figure.write_text(svg(results, sizes[-1]), encoding="utf-8")
    found = targets(results)
    print(text)
    print(f"{sum(target.met for target in found)} of {len(found)} targets are met")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=names_of(SIZES), default="keys,sixteen,10k,1M", help=", ".join(SIZES))
    parser.add_argument("--peers", type=names_of(PEERS), default=",".join(PEERS), help=", ".join(PEERS))
    parser.add_argument("--repeat", type=int, default=5, help="repetitions; default 5")
    parser.add_argument("--redis", default=REDIS, help=f"default {REDIS}")
    parser.add_argument("--markdown", type=Path, help="a file for the tables")
    parser.add_argument("--figure", type=Path, help="an SVG file for a picture of the last size")
    return parser.parse_args()


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


def machine() -> str:
    """What it ran on."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}{load}"


if __name__ == "__main__":
    main()
