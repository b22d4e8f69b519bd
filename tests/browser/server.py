"""Apps in processes of their own, so that they can be killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from dash.testing.wait import until

from tests.servers.base import free_port

APPS = Path(__file__).parent / "apps"


class Server:
    """A process that serves an app, always at the same address.

    Args:
        script: The app; it reads its port from the environment, as `app.run()` does.
        log: Where its output goes.
        **environment: More environment.
    """

    def __init__(self, script: Path, log: Path, **environment: str) -> None:
        self._script, self._log, self._port = script, log, free_port()
        self._environment = {**os.environ, **environment, "PORT": str(self._port), "PYTHONWARNINGS": ""}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with self._log.open("ab") as log:
            command = [sys.executable, str(self._script)]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        until(self._answers, timeout=30, poll=0.05, msg=f"{self._script} does not answer, see {self._log}")

    def kill(self) -> None:
        """Ends it without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def output(self) -> str:
        """What it said."""
        return self._log.read_text()

    def _answers(self) -> bool:
        try:
            return requests.get(self.url + "_favicon.ico", timeout=5).ok
        except requests.ConnectionError:
            assert self._process is None or self._process.poll() is None, self.output()
            return False


@contextmanager
def serving(script: Path, log: Path, **environment: str) -> Iterator[Server]:
    """A server that has started, and is ended at the end."""
    server = Server(script, log, **environment)
    try:
        server.start()
        yield server
    finally:
        server.kill()
