"""A disk for a server of the tests' own: it can be filled, and nobody outside the server sees it."""

from __future__ import annotations

import os
import subprocess
import weakref
from collections.abc import Sequence
from pathlib import Path

SIZE = "4g"


class Disk:
    """A file system mounted for the processes that are started with `inside`, which can be made to be full.

    It lives as long as this object, also while no server runs on it. To mount it takes root.

    Args:
        path: Where; an empty folder.
        options: Options of the mount, such as `uid=101`.
    """

    def __init__(self, path: Path, options: str) -> None:
        mount = f'mount -t tmpfs -o "size={SIZE},$2" tmpfs "$1" && echo ready && exec sleep infinity'
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", mount, "sh", str(path), options]
        self._keeper = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        self._finalizer = weakref.finalize(self, _end, self._keeper)
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"ready\n":
            raise PermissionError(f"no file system can be mounted on {path}")
        self._path = path

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command as one that sees the disk."""
        return ["nsenter", "--mount", f"--target={self._keeper.pid}", *command]

    def fill(self) -> None:
        """Leaves no room at all."""
        room = os.statvfs(Path(f"/proc/{self._keeper.pid}/root") / self._path.relative_to("/"))
        self._resize(str(room.f_frsize * (room.f_blocks - room.f_bfree)))

    def clear(self) -> None:
        """Gives the room back."""
        self._resize(SIZE)

    def _resize(self, size: str) -> None:
        subprocess.run(self.inside(["mount", "-o", f"remount,size={size}", str(self._path)]), check=True)


def _end(keeper: subprocess.Popen[bytes]) -> None:
    keeper.kill()
    keeper.communicate()
