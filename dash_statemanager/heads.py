"""Heads: per scope and store, the newest version and the few before it.

A head is one small entry beside its versions. It bounds what a store holds, and it is how Python finds a store by name.

    start     what the newest version is, as JSON, filled up to a length that depends on the store's id alone
    records   24 bytes each: the name and size of a version, or the name of a patch, in the order of their writing

So a writer need not know what others wrote: it appends its record, and puts the start in the place of the one that is
there. Only where the head is full it is read, and written anew with less.
"""

from __future__ import annotations

import math
import struct
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import orjson

from .backends.base import ABSENT, Append, Backend, BytesPayload, Entry, Expect, Put
from .errors import CorruptPayload
from .quota import Credit
from .reference import text

SPARE = 4
"""When there are too many versions a fourth of them goes at once: most writes need not look, and delete nothing."""
SETTLE_AT = 256
"""Patches on a newest version after which a new version takes their place."""
START, STEP = 256, 64
"""Bytes of the start of a head, and of what is added where the store's id is long."""
T = TypeVar("T")
_RECORD = struct.Struct(">16sQ")
_PATCH = 1 << 63
"""Added to the size of what is a patch."""


@dataclass(frozen=True)
class Head:
    """What a store holds.

    Attributes:
        store: The store's id.
        versions: Their sizes in bytes by name, oldest first.
        patches: Names of the patches that were written since the newest version, oldest first.
        written_at: Unix time at which the newest version was written.
        summary: What the newest version is, for people.
    """

    store: str
    versions: dict[str, int] = field(default_factory=dict)
    patches: tuple[str, ...] = ()
    written_at: float | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def newest(self) -> str | None:
        """Name of the newest version."""
        return next(reversed(self.versions), None)

    def with_version(
        self, name: str, nbytes: int, written_at: float | None = None, summary: Mapping[str, Any] | None = None
    ) -> Head:
        """The head with a new newest version.

        Args:
            name: Name of the version.
            nbytes: Its size.
            written_at: As the attribute.
            summary: As the attribute.
        """
        versions = {**self.versions}
        versions.pop(name, None)
        versions[name] = nbytes
        return Head(self.store, versions, (), written_at, summary or {})

    def with_patch(self, name: str) -> Head:
        """The head with one more patch on its newest version, once however often a write is repeated."""
        return self if name in self.patches else replace(self, patches=(*self.patches, name))

    def within(self, max_versions: int, max_bytes: int) -> tuple[Head, list[str]]:
        """The head without the oldest versions, where there are too many, and the names of these; two always stay.

        Args:
            max_versions: Most versions that stay.
            max_bytes: Most bytes that stay.
        """
        versions = {**self.versions}
        total, gone = sum(versions.values()), []
        most = max_versions if len(versions) <= max_versions else max_versions - max_versions // SPARE
        while len(versions) > 2 and (len(versions) > most or total > max_bytes):
            gone.append(next(iter(versions)))
            total -= versions.pop(gone[-1])
        return replace(self, versions=versions), gone

    def dump(self) -> BytesPayload:
        """As it is kept."""
        return BytesPayload(self._start() + self._records())

    def append(self, max_versions: int) -> tuple[BytesPayload, Append]:
        """What adds a head that holds only what is new to the one that is there.

        Args:
            max_versions: Most records that a version may find there; a patch finds room after them.
        """
        start, most = self._start(), max_versions if self.versions else max_versions + SETTLE_AT
        append = Append(len(start), bool(self.versions), len(start) + most * _RECORD.size)
        return BytesPayload(start + self._records()), append

    @classmethod
    def load(cls, entry: Entry) -> Head:
        """Read back."""
        try:
            start, end, records = b"".join(map(bytes, entry.payload.parts())).partition(b"\n")
            if not end:
                raise ValueError
            head = cls(**orjson.loads(start))
            versions, patches = dict[str, int](), dict[str, None]()
            for raw, nbytes in _RECORD.iter_unpack(records):
                if nbytes & _PATCH:
                    patches[raw.decode("ascii")] = None
                else:
                    versions.pop(name := text(raw), None)
                    versions[name] = nbytes
                    patches.clear()
            return replace(head, versions=versions, patches=tuple(patches))
        except (ValueError, TypeError, struct.error) as exc:
            raise CorruptPayload("the head of a store can't be read", "Delete the store and write it again") from exc

    def _start(self) -> bytes:
        told = {"store": self.store, "written_at": self.written_at, "summary": self.summary}
        room = _room(self.store)
        start = orjson.dumps(told)
        if len(start) >= room:
            start = orjson.dumps({**told, "summary": {"type": "other"}})
        return start.ljust(room - 1) + b"\n"

    def _records(self) -> bytes:
        records = [_RECORD.pack(urlsafe_b64decode(name + "=="), nbytes) for name, nbytes in self.versions.items()]
        records += [_RECORD.pack(name.encode(), _PATCH) for name in self.patches]
        return b"".join(records)


@lru_cache(1000)
def _room(store: str) -> int:
    """Bytes of the start of a store's head."""
    return START + len(orjson.dumps(store)) // STEP * STEP


class Found(NamedTuple):
    """A head as it was found, or an empty one; what to expect when putting it back, and how many seconds it lives."""

    head: Head
    expect: Expect
    left: float


class Heads:
    """Heads by key.

    Args:
        backend: Gives the backend.
        clock: Gives the Unix time.
        max_versions: Most versions that a store keeps.
        max_bytes: Most bytes that a store keeps; each process may exceed that by a sixteenth before it notices what
            others wrote.
    """

    def __init__(
        self, backend: Callable[[], Backend], clock: Callable[[], float], max_versions: int, max_bytes: int
    ) -> None:
        self._backend, self._clock = backend, clock
        self._max_versions, self._max_bytes = max_versions, max_bytes
        self._credit = Credit(max_bytes)

    def look_up(self, stores: Mapping[str, str]) -> dict[str, Found]:
        """Heads by key; `stores` gives the store's id for each key."""
        entries, now = self._backend().get_many(stores) if stores else {}, self._clock()
        found: dict[str, Found] = {}
        for key, store in stores.items():
            if (entry := entries.get(key)) is None:
                found[key] = Found(Head(store), ABSENT, 0.0)
            else:
                left = math.inf if entry.expires_at is None else entry.expires_at - now
                found[key] = Found(Head.load(entry), entry.etag, left)
        return found

    def read(self, keys: Mapping[T, str]) -> dict[T, Head]:
        """The heads that are there; `keys` gives the key of whatever each is asked for."""
        entries = self._backend().get_many(keys.values()) if keys else {}
        return {asker: Head.load(entries[key]) for asker, key in keys.items() if key in entries}

    def may_append(self, key: str, new: Head) -> bool:
        """Whether what is new may be added to a head without a look at it, as far as that can be known."""
        return self._max_versions >= SPARE and self._credit.take(key, sum(new.versions.values()))

    def append(self, key: str, new: Head, ttl: float | None) -> Put:
        """What adds a head that holds only what is new to the one that is there; a `Conflict` where that is full."""
        payload, append = new.append(self._max_versions)
        return Put(key, payload, ttl, append=append)

    def bounded(self, key: str, head: Head) -> tuple[Head, list[str]]:
        """A head within its limits, and the names of the versions that are pushed out."""
        head, gone = head.within(self._max_versions, self._max_bytes)
        self._credit.grant(key, self._max_bytes - sum(head.versions.values()))
        return head, gone

    def replace(self, key: str, head: Head, found: Found, ttl: float | None) -> Put:
        """What puts a head in the place of the one that was found, which lives no shorter than that would have."""
        longest = max(math.inf if ttl is None else ttl, found.left)
        return Put(key, head.dump(), None if math.isinf(longest) else longest, found.expect)
