"""Heads: per scope and store, the newest version and the few before it.

A head is one small entry beside its versions, changed by conditional puts. It bounds what a store holds, and it is
how Python finds a store by name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson

from .backends.base import ABSENT, Backend, BytesPayload, Entry, Expect
from .errors import CorruptPayload

KNOWN = 10_000
"""Heads that a process remembers, to save the read before a write."""
T = TypeVar("T")


@dataclass(frozen=True)
class Head:
    """What a store holds.

    Attributes:
        store: The store's id.
        versions: Their sizes in bytes by name, oldest first.
        patches: Names of the patches that were written since the newest version, oldest first.
        ttl: Lifetime in seconds after the last use; None for never ending.
        written_at: Unix time at which the newest version was written.
        summary: What the newest version is, for people.
    """

    store: str
    versions: dict[str, int] = field(default_factory=dict)
    patches: tuple[str, ...] = ()
    ttl: float | None = None
    written_at: float | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def newest(self) -> str | None:
        """Name of the newest version."""
        return next(reversed(self.versions), None)

    def with_version(
        self, name: str, nbytes: int, max_versions: int, max_bytes: int, **details: Any
    ) -> tuple[Head, list[str]]:
        """The head with a new newest version, and the names of those that it pushes out; two always stay.

        Args:
            name: Name of the version.
            nbytes: Its size.
            max_versions: Most versions that stay.
            max_bytes: Most bytes that stay.
            **details: What else changes: `ttl`, `written_at`, `summary`.
        """
        versions = {**self.versions}
        versions.pop(name, None)
        versions[name] = nbytes
        total, gone = sum(versions.values()), []
        while len(versions) > 2 and (len(versions) > max_versions or total > max_bytes):
            gone.append(next(iter(versions)))
            total -= versions.pop(gone[-1])
        return replace(self, versions=versions, patches=(), **details), gone

    def with_patch(self, name: str) -> Head:
        """The head with one more patch on its newest version, once however often a write is repeated."""
        return self if name in self.patches else replace(self, patches=(*self.patches, name))

    def dump(self) -> BytesPayload:
        """As it is kept."""
        return BytesPayload(orjson.dumps(self))

    @classmethod
    def load(cls, entry: Entry) -> Head:
        """Read back."""
        try:
            raw = orjson.loads(b"".join(map(bytes, entry.payload.parts())))
            versions = {str(name): int(nbytes) for name, nbytes in raw.pop("versions").items()}
            return cls(versions=versions, patches=tuple(raw.pop("patches")), **raw)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise CorruptPayload("the head of a store can't be read", "Delete the store and write it again") from exc


class Heads:
    """Heads by key, as this process last saw them.

    What it remembers may be old; a conditional put tells, and `forget` makes the next look a real one.
    """

    def __init__(self, backend: Callable[[], Backend]) -> None:
        self._backend = backend
        self._known: OrderedDict[str, tuple[Head, str]] = OrderedDict()

    def look_up(self, stores: Mapping[str, str]) -> dict[str, tuple[Head, Expect]]:
        """Heads and what to expect when putting them back, by key; `stores` gives the store's id for each key."""
        found: dict[str, tuple[Head, Expect]] = {}
        for key in stores:
            if (known := self._known.get(key)) is not None:
                found[key] = known
        missing = [key for key in stores if key not in found]
        entries = self._backend().get_many(missing) if missing else {}
        for key in missing:
            entry = entries.get(key)
            found[key] = (Head(stores[key]), ABSENT) if entry is None else (Head.load(entry), entry.etag)
        return found

    def read(self, keys: Mapping[T, str]) -> dict[T, Head]:
        """The heads that are in the backend now; `keys` gives the key of whatever each is asked for."""
        entries = self._backend().get_many(keys.values()) if keys else {}
        return {asker: Head.load(entries[key]) for asker, key in keys.items() if key in entries}

    def remember(self, key: str, head: Head, etag: str) -> None:
        """Notes what was put."""
        self._known[key] = (head, etag)
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def forget(self, keys: Iterable[str]) -> None:
        """Notes that what is remembered was wrong."""
        for key in keys:
            self._known.pop(key, None)
