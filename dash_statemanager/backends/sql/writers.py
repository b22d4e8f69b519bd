"""Who writes files: every process under a name of its own, which shows whether it still lives."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from ..forks import gate, tell_child

try:
    import fcntl
except ImportError:  # Windows: nobody can be shown to be dead, and age decides alone
    fcntl = None  # type: ignore[assignment]

__all__ = ["Writer", "claimed"]


class Writer:
    """The right to make files in a folder under a new name, held until the process ends or lets go.

    Args:
        folder: Where; created if missing.

    Attributes:
        name: First part of the names of all its files.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        with gate:  # no child may inherit the lock without knowing of it
            self.name, self._fd = _new_lock(folder)
            self._finalizer = weakref.finalize(self, _let_go, lock_path(folder, self.name), self._fd)
            self._finalizer.atexit = False  # a thread may still be writing then; the system lets go
            tell_child(self)

    def after_fork(self) -> None:
        """In a child: closes the copy of the lock, which would outlive the parent."""
        if self._finalizer.detach():
            os.close(self._fd)


def lock_path(folder: Path, name: str) -> Path:
    """The file whose lock a living writer holds."""
    return folder / f"{name}.lock"


@contextlib.contextmanager
def claimed(folder: Path, name: str) -> Iterator[bool]:
    """Gives True where the writer is dead, and keeps others from its files meanwhile."""
    if fcntl is None:
        yield False
        return
    try:
        fd = os.open(lock_path(folder, name), os.O_RDWR)
    except FileNotFoundError:
        yield True
        return
    try:
        dead = _lock(fd)
        yield dead
        if dead:
            lock_path(folder, name).unlink(missing_ok=True)
    finally:
        os.close(fd)


def _new_lock(folder: Path) -> tuple[str, int]:
    """Tries names until the locked file is still the one of that name: another may take a new one for dead."""
    while True:
        name = os.urandom(8).hex()
        fd = os.open(lock_path(folder, name), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if _holds(fd, lock_path(folder, name)):
            return name, fd
        os.close(fd)


def _holds(fd: int, path: Path) -> bool:
    if fcntl is None:
        return True
    try:
        return _lock(fd) and os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _let_go(path: Path, fd: int) -> None:
    path.unlink(missing_ok=True)
    os.close(fd)
