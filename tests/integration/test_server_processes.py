"""Under the servers that people deploy with, a value goes round and stays with its session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.test_servers import test_a_value_goes_round_and_stays_with_its_session as goes_round
from tests.servers.base import answers, free_port, wait_until

APP = "tests.integration.served:server"
GUNICORN = "gunicorn --no-control-socket --log-level warning --bind 127.0.0.1:{port} " + APP
COMMANDS = {
    "gunicorn sync": ("flask", f"{GUNICORN} --worker-class sync --workers 3"),
    "gunicorn gthread": ("flask", f"{GUNICORN} --worker-class gthread --workers 2 --threads 4"),
    "gunicorn gevent": ("flask", f"{GUNICORN} --worker-class gevent --workers 2"),
    "gunicorn with preload": ("flask", f"{GUNICORN} --preload --workers 2"),
    "waitress": ("flask", f"waitress --listen 127.0.0.1:{{port}} {APP}"),
    "uvicorn with FastAPI": ("fastapi", f"uvicorn --log-level warning --port {{port}} {APP}"),
    "uvicorn with Quart": ("quart", f"uvicorn --log-level warning --port {{port}} {APP}"),
    "hypercorn with FastAPI": ("fastapi", f"hypercorn --workers 2 --bind 127.0.0.1:{{port}} {APP}"),
    "hypercorn with Quart": ("quart", f"hypercorn --bind 127.0.0.1:{{port}} {APP}"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_value_goes_round_and_stays_with_its_session(name: str, tmp_path: Path) -> None:
    kind, command = COMMANDS[name]
    with running(command, kind, tmp_path / "server.log") as address:
        goes_round(address)


@contextmanager
def running(command: str, kind: str, log: Path) -> Iterator[str]:
    """A server, with its workers, in processes of its own."""
    port = free_port()
    environment = {**os.environ, "TESTED_SERVER_KIND": kind, "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command.format(port=port).split()],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers(("127.0.0.1", port)) or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # some wait for connections that browsers keep open
        process.wait()
