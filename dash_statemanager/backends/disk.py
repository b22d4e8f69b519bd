"""What all who keep payloads in files need of the operating system."""

from __future__ import annotations

import errno
import mmap
import os
import sys
from pathlib import Path
from typing import Any

from .base import Buffer

__all__ = ["map_file", "private", "read_boot_id"]


def read_boot_id() -> str | None:
    """What tells this run of the machine from all others; None where the system doesn't say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def private(path: str, flags: int) -> int:
    """An opener of files that only this user may read."""
    return os.open(path, flags, 0o600)


def map_file(file: Any, kind: type[mmap.mmap] = mmap.mmap) -> Buffer:
    """An open file as a read-only buffer that all processes share."""
    untracked = {"trackfd": False} if sys.version_info >= (3, 13) else {}
    try:
        return kind(file.fileno(), 0, access=mmap.ACCESS_READ, **untracked)
    except OSError as exc:  # a map holds a descriptor of its own before Python 3.13
        if exc.errno != errno.EMFILE:
            raise
        return file.read()
