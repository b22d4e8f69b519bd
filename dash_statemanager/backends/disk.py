"""What all who keep payloads in files need of the operating system."""

from __future__ import annotations

import errno
import mmap
import os
import stat
import sys
from pathlib import Path
from typing import Any
from weakref import WeakSet

from .base import Buffer

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

__all__ = ["make_private", "map_file", "private", "read_boot_id"]

_holding: WeakSet[mmap.mmap] = WeakSet()
"""The maps that hold a descriptor of their own, as all do before Python 3.13."""


def read_boot_id() -> str | None:
    """What tells this run of the machine from all others; None where the system doesn't say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def private(path: str, flags: int) -> int:
    """An opener of files that only this user may read."""
    return os.open(path, flags, 0o600)


def make_private(folder: Path) -> None:
    """Makes a folder for this user alone, and what is missing above it; changes nothing of what is there.

    Raises:
        OSError: It can't be made, is not a folder of this user's, or others could put another in its place.
    """
    for above in reversed(folder.parents):
        if not above.exists():
            above.mkdir(0o700, exist_ok=True)
    if not _is_guarded(folder.parent):
        raise PermissionError(errno.EPERM, "others could replace what is in the folder", str(folder.parent))
    folder.mkdir(0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != _user(found):
        raise PermissionError(errno.EPERM, "it is a link, or belongs to somebody else", str(folder))


def _is_guarded(folder: Path) -> bool:
    """Whether nobody but this user and root may move what is theirs out of a folder, which may be a link of theirs."""
    link, found = folder.lstat(), folder.stat()
    shared = sys.platform != "win32" and found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    return not shared and {link.st_uid, found.st_uid} <= {0, _user(found)}


def _user(found: os.stat_result) -> int:
    return found.st_uid if sys.platform == "win32" else os.getuid()


def map_file(file: Any, kind: type[mmap.mmap] = mmap.mmap) -> Buffer:
    """An open file as a read-only buffer that all processes share.

    It is read where maps would leave fewer than half of the descriptors for the rest of the process.
    """
    if sys.version_info >= (3, 13):
        return kind(file.fileno(), 0, access=mmap.ACCESS_READ, trackfd=False)
    if _are_many():
        return _read(file)
    try:
        held = kind(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as exc:
        if exc.errno != errno.EMFILE:
            raise
        return _read(file)
    _holding.add(held)
    return held


def _read(file: Any) -> Buffer:
    file.seek(0)  # what was received may be asked for twice
    return file.read()


def _are_many() -> bool:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if resource else -1
    return 0 <= limit <= 2 * len(_holding)
