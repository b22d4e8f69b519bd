"""gunicorn, with an app of the tests' own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def gunicorn(folder: Path, app: str, *options: str) -> Iterator[str]:
    """The address at which an app in a folder is served."""
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--chdir", str(folder), *options, app]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        listening = next(filter(None, (re.search(r"Listening at: (\S+)", line) for line in server.stderr)))
        try:
            yield listening[1]
        finally:
            server.terminate()
            server.communicate()
