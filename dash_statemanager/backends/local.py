"""A local tier: bodies that one worker fetched from far are memory maps for all workers of the machine."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from mmap import mmap
from pathlib import Path
from weakref import finalize

from .base import Backend, Buffer, BytesPayload, Entry, MemoryRoom, Range, Ranges, Room, size_of
from .disk import make_private, map_file, private, read_boot_id
from .stubs import is_body
from .wrapper import Wrapper

__all__ = ["LocalTier"]

logger = logging.getLogger("dash_statemanager")

OLD = 600.0
"""Seconds after which a file that was never finished belongs to nobody."""
UNFINISHED = ".tmp"
SHARE = 64
"""A process looks at the files only after it wrote a sixty-fourth of their bound: there may be thousands."""
LEAST = 32 << 10
"""Nothing smaller is a body."""
_RUN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What the folder of a run of the machine is called: its boot id."""
_OURS = re.compile(r"[0-9a-f]{32}|[0-9a-f]{16}\.tmp")
"""What the files in it are called."""


class LocalTier(Wrapper):
    """Keeps the bodies that were read last as files, which every worker of the machine maps into its memory.

    What can't be kept is read from the backend, as without a tier.

    Args:
        inner: The backend, where a body never changes.
        files: Where they are kept.
    """

    def __init__(self, inner: Backend, files: LocalFiles) -> None:
        super().__init__(inner)
        self._files = files
        inner.room = files.room

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        wanted = list(keys)
        bodies = {key: self._files.get(key) for key in wanted if is_body(key)}
        here = {key: Entry(BytesPayload(body), "", None) for key, body in bodies.items() if body is not None}
        others = [key for key in wanted if key not in here]
        fetched = self.inner.get_many(others) if others else {}
        for key, entry in fetched.items():
            if is_body(key) and (body := self._files.add(key, entry.payload.parts())):
                fetched[key] = Entry(BytesPayload(body), entry.etag, entry.expires_at)
        return here | fetched

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        body = self._files.get(key) if is_body(key) else None
        if body is not None:
            return Ranges.of(Entry(BytesPayload(body), "", None), ranges)
        return self.inner.get_ranges(key, ranges)


class LocalFiles:
    """A folder of files, the least recently used of which go first.

    A file is written under another name and then linked to its own: it is whole or not there, and those who fetch the
    same at the same time end with one. Whoever has mapped a file keeps it, also when it is removed.

    Args:
        folder: Made with the first use, for this user alone.
        max_bytes: Bound on the bytes of all files; each process may exceed it by a sixty-fourth before it looks what
            others wrote.
        boot_id: What tells this run of the machine from all others: what an earlier one left may be half there.
            None where the system doesn't say; every file then waits for the disk.
    """

    def __init__(self, folder: Path, max_bytes: int, boot_id: str | None = read_boot_id()) -> None:
        self._base, self._max, self._boot_id = folder, max_bytes, boot_id
        self._folder = folder / (boot_id or "files")
        self._spare = 0

    def get(self, key: str) -> Buffer | None:
        """The bytes of a key as a read-only map, or None."""
        if not self._usable:
            return None
        with contextlib.suppress(OSError), open(self._path(key), "rb", buffering=0) as file:
            os.utime(self._path(key))
            return map_file(file)
        return None

    def add(self, key: str, parts: Sequence[Buffer]) -> Buffer | None:
        """Keeps bytes under a key and gives them back as a map; None where that is not possible."""
        nbytes = size_of(parts)
        if not self._usable or nbytes > self._max:
            return None
        try:
            received = memoryview(parts[0]).obj
            if isinstance(received, _Received) and len(received) == nbytes:
                received.room.name(self._path(key))
            else:
                self._make_room(nbytes)
                self._write(self._path(key), parts)
        except OSError as exc:
            logger.debug("a value is not kept in %s: %s", self._folder, exc)
            return None
        return self.get(key)

    def room(self, nbytes: int) -> Room:
        """Where to receive something: a file without a name, which `add` gives it, or else memory."""
        if LEAST <= nbytes <= self._max and hasattr(os, "O_TMPFILE") and self._boot_id and self._usable:
            with contextlib.suppress(OSError):
                self._make_room(nbytes)
                return _FileRoom(self._folder, nbytes)
        return MemoryRoom(nbytes)

    @cached_property
    def _usable(self) -> bool:
        """Whether the folder is there and is this user's alone."""
        try:
            make_private(self._base)
            make_private(self._folder)
            for old in self._base.iterdir():
                if old != self._folder and _RUN.fullmatch(old.name) and not old.is_symlink():
                    _remove(old)
        except OSError as exc:
            logger.warning("there is no local tier, values are read from the backend each time: %s", exc)
            return False
        return True

    def _make_room(self, nbytes: int) -> None:
        """Sees that there is room, as far as this process knows."""
        if nbytes <= self._spare:
            self._spare -= nbytes
        else:
            self._clean_up(nbytes)
        if shutil.disk_usage(self._folder).free < 2 * nbytes:
            raise OSError(errno.ENOSPC, "there is hardly any room left")

    def _clean_up(self, nbytes: int) -> None:
        """Removes what was not used for longest, somewhat more than needed, and what dead processes left."""
        files = sorted(self._list())
        total, share = sum(size for _, size, _ in files) + nbytes, self._max // SHARE
        most = self._max if total <= self._max else self._max - share
        for used, size, path in files:
            if used < time.time() - OLD if path.endswith(UNFINISHED) else total > most:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    total -= size
        self._spare = min(max(0, self._max - total), share)

    def _list(self) -> Iterator[tuple[float, int, str]]:
        with os.scandir(self._folder) as files:
            for file in filter(lambda found: _OURS.fullmatch(found.name), files):
                with contextlib.suppress(FileNotFoundError):  # another worker made room, too
                    found = file.stat()
                    yield found.st_mtime, found.st_size, file.path

    def _write(self, path: Path, parts: Sequence[Buffer]) -> None:
        unfinished = self._folder / f"{secrets.token_hex(8)}{UNFINISHED}"
        try:
            with open(unfinished, "xb", opener=private) as file:
                for part in parts:
                    file.write(part)
                if self._boot_id is None:
                    file.flush()
                    os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / blake2b(key.encode(), digest_size=16).hexdigest()


def _remove(run: Path) -> None:
    """Removes what an earlier run of the machine left, and nothing that somebody else put there."""
    with contextlib.suppress(OSError):
        for file in run.iterdir():
            if _OURS.fullmatch(file.name):
                file.unlink(missing_ok=True)
        run.rmdir()


class _FileRoom:
    """A file without a name; nothing is left of it where it never gets one.

    It is written, not mapped, while it is received: that costs a page fault for each page.
    """

    def __init__(self, folder: Path, nbytes: int) -> None:
        self._descriptor, self._nbytes = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600), nbytes
        finalize(self, os.close, self._descriptor)
        os.posix_fallocate(self._descriptor, 0, nbytes)

    def put(self, at: int, data: Buffer) -> None:
        view = memoryview(data)
        if at + len(view) > self._nbytes:
            raise ValueError(f"{len(view)} bytes do not fit there")
        while view:
            size = os.pwrite(self._descriptor, view, at)
            at, view = at + size, view[size:]

    def whole(self) -> Buffer:
        with open(self._descriptor, "rb", buffering=0, closefd=False) as file:
            received = map_file(file, _Received)
        if isinstance(received, _Received):
            received.room = self
        return memoryview(received)

    def name(self, path: Path) -> None:
        with contextlib.suppress(FileExistsError):  # Python follows the link only where it is given some descriptor
            link = f"/proc/self/fd/{self._descriptor}"
            os.link(link, path, src_dir_fd=self._descriptor, follow_symlinks=True)


class _Received(mmap):
    """What was received, as a map."""

    room: _FileRoom
