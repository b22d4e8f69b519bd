"""Large payloads as files: written in pieces, read through a memory map, never half there."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import BackendError, BackendFull, BackendUnavailable, CorruptPayload
from ..base import Buffer, size_of
from ..disk import map_file, private
from ..forks import tell_child
from .writers import Writer, claimed

__all__ = ["FileStore", "StoredFile"]

OLD = 3600.0
BATCH = 500
_OURS = re.compile(r"([0-9a-f]{16})-\d+\.(?:payload|tmp)|([0-9a-f]{16})\.lock")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNKNOWN = {errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP}


@dataclass(frozen=True)
class StoredFile:
    """A file that is complete but not yet in any index; whoever indexes it holds this until then.

    Attributes:
        name: What to index.
        nbytes: Its size.
        writer: Who wrote it: the file is no orphan as long as this lives.
    """

    name: str
    nbytes: int
    writer: Writer


class FileStore:
    """A folder of files, each written once under a new name.

    Args:
        folder: Created with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tell_child(self)
        self.after_fork()

    def after_fork(self) -> None:
        """Gives a child a writer of its own, with its first file."""
        self._lock = threading.Lock()
        self._current: Writer | None = None
        self._numbers = itertools.count(1)

    def write(self, parts: Sequence[Buffer], *, sync: bool = False) -> StoredFile:
        """Writes the parts to a new file.

        Args:
            parts: Its bytes, in order.
            sync: Whether it must be on the disk before this returns.

        Raises:
            BackendFull: There is no room; nothing of it remains.
            BackendUnavailable: The folder can't be written.
        """
        with self._errors():
            try:
                return self._write(parts, self._writer(), sync)
            except FileNotFoundError:  # somebody removed the folder
                self.close()
                return self._write(parts, self._writer(), sync)

    def map(self, name: str, nbytes: int) -> Buffer:
        """The file as a read-only buffer that all processes share.

        Raises:
            FileNotFoundError: It is gone.
            CorruptPayload: It has another size than `nbytes`.
            BackendUnavailable: It can't be read.
        """
        with self._errors(FileNotFoundError), open(self.folder / name, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size != nbytes:
                raise CorruptPayload(f"the file {self.folder / name} has {size} of {nbytes} bytes")
            return map_file(file)

    def sync(self, names: Iterable[str]) -> None:
        """Brings the files to the disk; those that are gone are passed over."""
        with self._errors():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    _sync(self.folder / name, os.O_RDWR)
            if os.name == "posix":
                with contextlib.suppress(FileNotFoundError):
                    _sync(self.folder, os.O_RDONLY)

    def remove(self, names: Iterable[str]) -> None:
        """Removes the files; one that can't be removed now is an orphan for `sweep`."""
        for name in names:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()

    def sweep(self, indexed: Callable[[Sequence[str]], set[str]]) -> int:
        """Removes files that no index knows: all of dead writers, those older than an hour of living ones.

        Args:
            indexed: Which of up to 500 names are in the index.

        Returns:
            How many were removed.
        """
        with self._errors():
            return sum(self._sweep(writer, names, indexed) for writer, names in self._by_writer().items())

    def close(self) -> None:
        """Lets go of the writer as soon as no file of it is in the making."""
        with self._lock:
            self._current = None

    def _writer(self) -> Writer:
        with self._lock:
            if self._current is None:
                self._current = Writer(self.folder)
            return self._current

    def _write(self, parts: Sequence[Buffer], writer: Writer, sync: bool) -> StoredFile:
        stem = f"{writer.name}-{next(self._numbers)}"
        temporary = self.folder / f"{stem}.tmp"
        try:
            with open(temporary, "xb", opener=private) as file:
                _reserve(file.fileno(), nbytes := size_of(parts))
                file.writelines(parts)
            if sync:
                _sync(temporary, os.O_RDWR)
            temporary.rename(self.folder / f"{stem}.payload")
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return StoredFile(f"{stem}.payload", nbytes, writer)

    @contextlib.contextmanager
    def _errors(self, *expected: type[OSError]) -> Iterator[None]:
        try:
            yield
        except expected:
            raise
        except OSError as exc:
            raise self._error(exc) from exc

    def _error(self, exc: OSError) -> BackendError:
        if exc.errno in _FULL:
            return BackendFull(f"there is no room left in {self.folder}", "Free some disk space")
        remedy = "See that the folder exists and that this user may read and write it"
        return BackendUnavailable(f"{self.folder} can't be used: {exc.strerror}", remedy)

    def _by_writer(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        with contextlib.suppress(FileNotFoundError):
            for match in filter(None, map(_OURS.fullmatch, os.listdir(self.folder))):
                names = found.setdefault(match[1] or match[2], [])
                if match[1]:
                    names.append(match[0])
        return found

    def _sweep(self, writer: str, names: list[str], indexed: Callable[[Sequence[str]], set[str]]) -> int:
        with claimed(self.folder, writer) as dead:
            suspects = [name for name in names if dead or self._is_old(name)]
            orphans = [name for batch in _batches(suspects) for name in _without(batch, indexed)]
            self.remove(orphans)
        return len(orphans)

    def _is_old(self, name: str) -> bool:
        try:
            return (self.folder / name).stat().st_mtime < time.time() - OLD
        except FileNotFoundError:
            return False


def _without(batch: Sequence[str], indexed: Callable[[Sequence[str]], set[str]]) -> list[str]:
    known = indexed(batch)
    return [name for name in batch if name not in known]


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + BATCH] for start in range(0, len(names), BATCH))


def _reserve(descriptor: int, nbytes: int) -> None:
    """Takes the room for a file at once, where that is known: writing it then costs a fourth less."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, nbytes)
        except OSError as exc:
            if exc.errno not in _UNKNOWN:
                raise


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
