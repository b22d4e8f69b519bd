"""Callbacks a second of an app with small values: four workers, fifty users, ServerStore beside `dcc.Store`.

    python tests/benchmarks/throughput.py sqlite postgresql redis
    python tests/benchmarks/throughput.py redis --rounds 20 --users 50 --workers 4

The same app runs once with each, all at the same time; the users go from one to the other and back, so that what
disturbs the machine disturbs all alike. "Bare" is one statement for a write and one for a read, and no library: the
most that any store there could reach. Needs gunicorn (no Windows). PostgreSQL and Redis are servers of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)  # so that this runs as a script and its neighbours are found under one name

from tests.benchmarks.bare import bare_store  # noqa: E402
from tests.benchmarks.fleet import environment  # noqa: E402
from tests.benchmarks.peers.base import dash_app  # noqa: E402
from tests.benchmarks.scale import place, times  # noqa: E402
from tests.benchmarks.users import Crowd  # noqa: E402
from tests.servers.base import answers, free_port, wait_until  # noqa: E402

PLAIN = "dcc.Store"
BARE = "bare "
BUTTONS = ("write", "read")
THREADS = 4


def make(settings: str, *, bare: bool = False) -> Any:
    """The WSGI application; what gunicorn calls in its workers.

    Args:
        settings: Those of the library as JSON; empty for `dcc.Store`.
        bare: Keeps values at the same place without the library.
    """
    from dash import Input, Output, State, dcc, html

    kind = dcc.Store
    pack = unpack = as_it_is
    if bare:
        pack, unpack = bare_store(json.loads(settings))
    elif settings:
        from dash_statemanager import ServerStore, configure

        configure(**json.loads(settings))
        kind = ServerStore
    app = dash_app()
    app.layout = html.Div([kind(id="filters"), *(html.Button(id=name) for name in BUTTONS), html.Div(id="seen")])

    @app.callback(Output("filters", "data"), Input("write", "n_clicks"), prevent_initial_call=True)
    def write(n: int) -> Any:
        return pack({"region": "north", "year": 2024, "products": [3, 14, 15], "sorted": True, "serial": n})

    @app.callback(
        Output("seen", "children"), Input("read", "n_clicks"), State("filters", "data"), prevent_initial_call=True
    )
    def read(_: int, filters: Any) -> str:
        return str(unpack(filters)["serial"])

    return app.server


def as_it_is(value: Any) -> Any:
    return value


@contextmanager
def workers(settings: Mapping[str, Any] | None, number: int, folder: Path, *, bare: bool = False) -> Iterator[int]:
    """The app behind gunicorn: its port."""
    port = free_port()
    text = "" if settings is None else json.dumps({"secret_key": "k", **settings})
    options = f"--workers {number} --worker-class gthread --threads {THREADS} --keep-alive 600 --preload"
    application = f"tests.benchmarks.throughput:make({text!r}, bare={bare})"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        *options.split(),
        "--log-level",
        "warning",
        "--bind",
        f"127.0.0.1:{port}",
        application,
    ]
    process = subprocess.Popen(command, cwd=folder, env=environment())
    try:
        wait_until(lambda: answers(("127.0.0.1", port)))
        yield port
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measures what the command line asks for, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="+", choices=["sqlite", "postgresql", "redis"])
    parser.add_argument("--workers", type=int, default=4, help="processes of each app; default 4")
    parser.add_argument("--users", type=int, default=50, help="default 50")
    parser.add_argument("--connections", type=int, default=2, help="of each user; default 2")
    parser.add_argument("--rounds", type=int, default=10, help="default 10")
    parser.add_argument("--seconds", type=float, default=1.0, help="for which the users stay with an app; default 1")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folders = {kind: Path(stack.enter_context(tempfile.TemporaryDirectory())) for kind in (PLAIN, *asked.backends)}
        settings = {kind: None if kind == PLAIN else place(kind, folder, stack) for kind, folder in folders.items()}
        ports = {kind: stack.enter_context(workers(settings[kind], asked.workers, folders[kind])) for kind in folders}
        for kind in asked.backends:
            running = workers(settings[kind], asked.workers, folders[kind], bare=True)
            ports[BARE + kind] = stack.enter_context(running)
        crowd = Crowd(list(ports.values()), asked.users, asked.connections)
        stack.callback(crowd.leave)
        print("| | " + " | ".join(ports) + " |\n" + "|---" * (1 + len(ports)) + "|")
        for button in BUTTONS:
            print(_row(button, _measure(crowd, ports, button, asked)), flush=True)


def _measure(crowd: Crowd, ports: Mapping[str, int], button: str, asked: argparse.Namespace) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {kind: [] for kind in ports}
    for number in range(-1, asked.rounds):
        for kind in list(ports)[:: 1 if number % 2 else -1]:
            rate = crowd.click(ports[kind], button, asked.seconds)
            if number >= 0:
                rates[kind].append(rate)
    return rates


def _row(button: str, rates: Mapping[str, list[float]]) -> str:
    cells = (f"{median(each):,.0f}/s, {100 * times(each, rates[PLAIN]):.0f} %" for each in rates.values())
    return f"| {button} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
