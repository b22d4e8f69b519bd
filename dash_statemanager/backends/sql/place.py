"""The file of an embedded database: which one it is, and a new one where it was removed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..disk import private

try:
    import fcntl
except ImportError:  # Windows, where nobody removes a file that is open
    fcntl = None  # type: ignore[assignment]

__all__ = ["Identity", "create", "identify"]

BESIDE = ("-wal", "-shm", "-journal")
Identity = tuple[int, int]


def identify(path: Path) -> Identity | None:
    """What tells the file from another that takes its place; None where there is none, or nobody may know."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def create(path: Path) -> None:
    """Makes the file readable by its owner only, unless it is there; SQLite gives its other files the same mode.

    What one that was removed left beside it goes first: the new one would share it with those who still use the old.
    """
    if _is_left_over(path):
        with _alone(path.parent):
            if _is_left_over(path):
                for name in BESIDE:
                    path.with_name(path.name + name).unlink(missing_ok=True)
                _make(path)
    _make(path)


def _is_left_over(path: Path) -> bool:
    return not path.exists() and any(path.with_name(path.name + name).exists() for name in BESIDE)


def _make(path: Path) -> None:
    os.close(private(str(path), os.O_RDWR | os.O_CREAT))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lets one process at a time in; the lock ends with the descriptor."""
    if fcntl is None:
        yield
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
