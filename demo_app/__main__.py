"""Starts the app: `python -m demo_app --backend memory --port 8050`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and serves the app until it is stopped."""
    options = _parser().parse_args(arguments)
    if options.backend:
        os.environ["STATE_BACKEND"] = options.backend  # in the environment, so that job processes inherit it
    from .factory import create_app

    create_app().run(host=options.host, port=options.port, debug=options.debug)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo_app", description="Query and plot New York's flights of 2013."
    )
    parser.add_argument(
        "--backend",
        choices=("memory", "database"),
        help="where values are kept; default: STATE_BACKEND in config.toml or the environment, else database",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=8050, help="default: %(default)s")
    parser.add_argument("--debug", action="store_true", help="reload on changes, and show errors in the browser")
    return parser


if __name__ == "__main__":
    main()
