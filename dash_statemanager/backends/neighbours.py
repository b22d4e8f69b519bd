"""Notes that worker processes of one server leave for each other in the temporary directory."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import sys
import tempfile
from pathlib import Path

__all__ = ["Note"]

log = logging.getLogger("dash_statemanager")


class Note:
    """A file in which the processes of one server that keep data in memory write their ids.

    Workers of one server have the same parent, directory and command line. Two of them that keep
    data in memory lose each other's data, which no error would ever tell.

    Args:
        namespace: Tells apart apps of one server.
        keeper: What keeps the data in memory, for the message.
    """

    def __init__(self, namespace: str, keeper: str = "STATE_BACKEND=memory") -> None:
        self._namespace, self._keeper = namespace, keeper
        self._path: Path | None = None

    def leave(self) -> None:
        """Writes down this process, and logs one error where another one is there already."""
        if os.name != "posix":  # os.kill(pid, 0) ends the process on Windows
            return
        try:
            others = self._write()
        except OSError as exc:
            log.debug("no note for the workers beside this one: %s", exc)
            return
        atexit.register(self.withdraw)
        if others:
            _warn(self._keeper, others)

    def withdraw(self) -> None:
        """Takes this process off the note, and removes the note where no other is left."""
        path, self._path = self._path, None
        atexit.unregister(self.withdraw)
        if path is None or path.name != str(os.getpid()):
            return
        with contextlib.suppress(OSError):
            path.unlink()
            path.parent.rmdir()

    def _write(self) -> list[int]:
        folder = Path(tempfile.gettempdir()) / f"dash-statemanager-{self._server()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / str(os.getpid())
        self._path.touch(mode=0o600)
        pids = [int(name) for name in os.listdir(folder) if name.isdigit()]
        return [pid for pid in pids if pid != os.getpid() and _lives(pid)]

    def _server(self) -> str:
        parts = (os.getppid(), os.getcwd(), sys.argv, self._namespace, os.getuid())
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _warn(keeper: str, others: list[int]) -> None:
    log.error(
        "%s keeps data in one process, but this server runs several workers "
        "(this is process %d, there is also %s): each sees only its own data. "
        "Set STATE_BACKEND=database, or run one worker with threads.",
        keeper,
        os.getpid(),
        ", ".join(map(str, sorted(others))),
    )
