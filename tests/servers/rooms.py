"""A small disk for a server of the tests' own: it can be filled, and nobody outside the server sees it."""

from __future__ import annotations

import os
import subprocess
import weakref
from collections.abc import Sequence
from pathlib import Path


class SmallDisk:
    """A file system of a few megabytes, mounted for the processes that are started with `inside`.

    It lives as long as this object, also while no server runs on it. To mount it takes root.

    Args:
        path: Where; an empty folder.
        megabytes: How large.
        options: More options of the mount, such as `uid=101`.
    """

    def __init__(self, path: Path, megabytes: int, options: str = "mode=700") -> None:
        mount = f'mount -t tmpfs -o "size={megabytes}m,$2" tmpfs "$1" && echo ready && exec sleep infinity'
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", mount, "sh", str(path), options]
        self._keeper = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        self._finalizer = weakref.finalize(self, _end, self._keeper)
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"ready\n":
            raise PermissionError(f"no file system can be mounted on {path}")
        self._ballast = Path(f"/proc/{self._keeper.pid}/root") / path.relative_to("/") / "ballast"

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command as one that sees the disk."""
        return ["nsenter", "--mount", f"--target={self._keeper.pid}", *command]

    def fill(self) -> None:
        """Leaves no room at all."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                os.fsync(file.fileno())

    def clear(self) -> None:
        """Gives all of that back."""
        self._ballast.unlink(missing_ok=True)


def _end(keeper: subprocess.Popen[bytes]) -> None:
    keeper.kill()
    keeper.communicate()
