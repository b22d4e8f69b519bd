"""Payloads in the memory of this process: the fastest backend, for one process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import BackendUnavailable, Conflict
from .base import ABSENT, ANY, Backend, Entry, Listing, Purges, Put, Reach, later
from .neighbours import Note

if TYPE_CHECKING:
    from ..config import Settings

__all__ = ["MemoryBackend"]


class MemoryBackend(Backend, Purges):
    """Keeps the payload objects themselves, so that nothing is ever encoded.

    The data belongs to the process that first used the instance: a forked child that comes later is
    refused, and server workers beside this one are reported in the log.

    Args:
        clock: Unix time in seconds.
        namespace: Tells apart apps of one server when they look for workers beside them.
    """

    name = "memory"
    reach: Reach = "process"

    def __init__(self, clock: Callable[[], float] = time.time, namespace: str = "dash") -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._etag = 0
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._note = Note(namespace)

    @classmethod
    def from_settings(cls, settings: Settings, clock: Callable[[], float] = time.time) -> MemoryBackend:
        """The backend of these settings, of which only the namespace matters."""
        return cls(clock, settings.namespace)

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries that are there, with the payload objects that were put, all as they were at one moment."""
        self._check_process()
        with self._lock:
            now = self._clock()
            found = ((key, self._live(key, now)) for key in keys)
            return {key: entry for key, entry in found if entry is not None}

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """All puts and deletes, or with a `Conflict` none of them."""
        self._check_process()
        with self._lock:
            now = self._clock()
            staged: dict[str, Entry] = {}
            etags = [self._stage(put, staged, now) for put in puts]
            self._entries.update(staged)
            for key in delete:
                self._entries.pop(key, None)
        return etags

    def delete(self, *keys: str) -> int:
        """Deletes the keys and returns how many were there."""
        self._check_process()
        with self._lock:
            now = self._clock()
            there = sum(self._live(key, now) is not None for key in set(keys))
            for key in keys:
                self._entries.pop(key, None)
        return there

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        """All at one moment."""
        self._check_process()
        with self._lock:
            now = self._clock()
            there = {key: entry for key in ttls if (entry := self._live(key, now))}
            for key, entry in there.items():
                expires_at = later(entry.expires_at, _expiry(ttls[key], now))
                self._entries[key] = Entry(entry.payload, entry.etag, expires_at)
        return ttls.keys() - there

    def scan(self, prefix: str) -> Iterator[Listing]:
        """The entries as they were when the first one was asked for, in the order of their keys."""
        self._check_process()
        with self._lock:
            found = [(key, entry) for key, entry in self._entries.items() if key.startswith(prefix)]
        now = self._clock()
        for key, entry in sorted(found, key=lambda item: item[0]):
            if not _expired(entry, now):
                yield Listing(key, entry.payload.nbytes, entry.expires_at)

    def purge(self) -> int:
        """Forgets what has expired; returns how many."""
        self._check_process()
        with self._lock:
            now = self._clock()
            gone = [key for key, entry in self._entries.items() if _expired(entry, now)]
            for key in gone:
                del self._entries[key]
        return len(gone)

    def ping(self) -> None:
        """Raises `BackendUnavailable` where the data belongs to another process."""
        self._check_process()

    def close(self) -> None:
        """Withdraws the note that this process is a worker. The data stays."""
        self._note.withdraw()

    def stats(self) -> Mapping[str, object]:
        """Location, entries and bytes; bytes are an estimate, since nothing is encoded."""
        sizes = [listing.nbytes for listing in self.scan("")]
        return {"location": f"memory of process {os.getpid()}", "entries": len(sizes), "bytes": sum(sizes)}

    def _live(self, key: str, now: float) -> Entry | None:
        entry = self._entries.get(key)
        return None if entry is None or _expired(entry, now) else entry

    def _stage(self, put: Put, staged: dict[str, Entry], now: float) -> str:
        there = staged.get(put.key) or self._live(put.key, now)
        if put.expect is not ANY and put.expect != (there.etag if there else ABSENT):
            raise Conflict(f"another was faster to write {put.key!r}", "Read it again and repeat")
        put = put.onto(there, now)
        self._etag += 1
        staged[put.key] = Entry(put.payload, str(self._etag), _expiry(put.ttl, now))
        return str(self._etag)

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            self._adopt()

    def _adopt(self) -> None:
        if self._pid is not None:
            raise BackendUnavailable(
                f"STATE_BACKEND=memory keeps its data in process {self._pid}, and this is process {os.getpid()} "
                "(background jobs and server workers are processes of their own)",
                "Set STATE_BACKEND=database",
            )
        self._pid = os.getpid()
        self._note.leave()


def _expiry(ttl: float | None, now: float) -> float | None:
    return None if ttl is None else now + ttl


def _expired(entry: Entry, now: float) -> bool:
    return entry.expires_at is not None and entry.expires_at <= now
