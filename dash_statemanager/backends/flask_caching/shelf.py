"""Entries in a cache: a row each, which holds small payloads, and pieces beside it for large ones."""

from __future__ import annotations

import math
import secrets
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ...errors import BackendError, BackendFull, BackendUnavailable
from ..base import Buffer
from .finding import kinds

__all__ = ["Row", "Shelf"]

MAGIC = b"DSMR"
HEADER = struct.Struct("<4sd16sQI")  # magic, expiry, etag, size of the payload, number of pieces
INLINE = 32 << 10
"""Larger payloads stand beside their row, so that a list of rows stays cheap."""
LARGEST = {"MemcachedCache": 1_000_000, "UWSGICache": 60_000}
"""Largest piece by kind of cache, where it has a limit: 1 MiB and 64 KiB with everything, unless told more."""
LONGEST = 10 * 365 * 86400
"""Seconds; some caches count in 32 bits."""


@dataclass(frozen=True)
class Row:
    """What is known of an entry.

    Attributes:
        key: Its key.
        etag: Random, and different for every write.
        expires_at: Unix time, or None for never.
        nbytes: Size of the payload.
        pieces: How many stand beside the row.
        inline: The payload, where there are none.
    """

    key: str
    etag: str
    expires_at: float | None
    nbytes: int
    pieces: int
    inline: bytes = b""

    def alive(self, now: float) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    def names(self) -> list[str]:
        """The keys of its pieces."""
        return [f"{self.key}~{self.etag}~{number}" for number in range(self.pieces)]

    def dump(self) -> bytes:
        """As it is kept."""
        expiry = math.inf if self.expires_at is None else self.expires_at
        return HEADER.pack(MAGIC, expiry, self.etag.encode(), self.nbytes, self.pieces) + self.inline

    @classmethod
    def load(cls, key: str, value: object) -> Row | None:
        """Read back; None where there is nothing of ours."""
        if not isinstance(value, bytes) or len(value) < HEADER.size or not value.startswith(MAGIC):
            return None
        _, expiry, etag, nbytes, pieces = HEADER.unpack_from(value)
        expires_at = None if math.isinf(expiry) else expiry
        return cls(key, etag.decode(), expires_at, nbytes, pieces, value[HEADER.size :])


class Shelf:
    """Rows and pieces in a cache.

    Args:
        find: Gives the cachelib object.
        clock: Unix time in seconds.
    """

    def __init__(self, find: Callable[[], Any], clock: Callable[[], float]) -> None:
        self._find, self._clock = find, clock

    def rows(self, keys: Iterable[str]) -> dict[str, Row]:
        """The rows that are there, expired ones too, by key."""
        wanted = list(dict.fromkeys(keys))
        loaded = {key: Row.load(key, value) for key, value in self._get_many(wanted).items()}
        return {key: row for key, row in loaded.items() if row is not None}

    def row(self, key: str) -> Row | None:
        """The row, if it is there and has not expired."""
        row = self.rows([key]).get(key)
        return row if row and row.alive(self._clock()) else None

    def load(self, keys: Iterable[str]) -> dict[str, tuple[Row, Buffer]]:
        """The unexpired entries with their payloads. One of which a piece was dropped is not there any more."""
        now, found = self._clock(), {}
        rows = {key: row for key, row in self.rows(keys).items() if row.alive(now)}
        pieces = self._get_many([name for row in rows.values() for name in row.names()])
        again = []
        for key, row in rows.items():
            payload = b"".join([row.inline, *(pieces.get(name) or b"" for name in row.names())])
            if len(payload) == row.nbytes:
                found[key] = row, payload
            else:
                again.append(row)
        changed = [row.key for row in again if (there := self.row(row.key)) and there.etag != row.etag]
        return {**found, **(self.load(changed) if changed else {})}

    def store(self, key: str, parts: Sequence[Buffer], expires_at: float | None, *, new: bool = False) -> str | None:
        """Writes an entry, pieces first, and returns its etag.

        Args:
            key: Its key.
            parts: The payload.
            expires_at: Unix time, or None for never.
            new: Only where no row is, if the cache can tell; then None where there is one.
        """
        data, etag = b"".join(parts), secrets.token_hex(8)
        row = Row(key, etag, expires_at, len(data), 0, data)
        if len(data) > INLINE:
            size = min([LARGEST[kind] for kind in kinds(self._find()) & LARGEST.keys()], default=len(data))
            row = replace(row, pieces=-(-len(data) // size), inline=b"")
            for number, name in enumerate(row.names()):
                self._set(name, data[number * size : (number + 1) * size], expires_at)
        if not new:
            self._set(key, row.dump(), expires_at)
        elif not self._add(key, row.dump(), expires_at):
            self.drop(row.names())
            return None
        return etag

    def prolong(self, row: Row, expires_at: float | None) -> bool:
        """Writes an entry again with another expiry and the same etag; False where a piece of it is gone."""
        pieces = self._get_many(row.names())
        if len(pieces) < row.pieces:
            return False
        for name, piece in pieces.items():
            self._set(name, piece, expires_at)
        self._set(row.key, replace(row, expires_at=expires_at).dump(), expires_at)
        return True

    def drop(self, names: Iterable[str]) -> None:
        """Deletes rows or pieces by their keys."""
        with told():
            for name in names:
                self._find().delete(name)

    def _get_many(self, names: Sequence[str]) -> Mapping[str, Any]:
        with told():
            values = self._find().get_many(*names) if names else []
        return {name: value for name, value in zip(names, values, strict=True) if value is not None}

    def _set(self, name: str, value: bytes, expires_at: float | None) -> None:
        with told():
            kept = self._find().set(name, value, self._timeout(expires_at)) or self._find().get(name) == value
        if not kept:
            raise BackendFull(
                f"the {type(self._find()).__name__} refused {len(value):,} bytes",
                "Raise its limits (memcached -I, uWSGI blocksize, the disk), or set STATE_BACKEND=database",
            )

    def _add(self, name: str, value: bytes, expires_at: float | None) -> bool:
        with told():
            return bool(self._find().add(name, value, self._timeout(expires_at)))

    def _timeout(self, expires_at: float | None) -> int:
        """Whole seconds, and one more for caches that round down; 0 means for ever."""
        return 0 if expires_at is None else 1 + math.ceil(max(0, min(expires_at - self._clock(), LONGEST)))


@contextmanager
def told() -> Iterator[None]:
    """Errors of whatever driver the cache uses become ours."""
    try:
        yield
    except BackendError:
        raise
    except Exception as exc:
        kinds = " ".join(kind.__name__ for kind in type(exc).__mro__)
        what = f"the cache failed: {type(exc).__name__}: {exc}"
        if any(word in kinds for word in ("Connection", "Timeout", "HostLookup", "ServerDown", "OSError")):
            raise BackendUnavailable(what, "Check the cache server") from exc
        raise BackendError(what, "Look into the configuration of the cache") from exc
