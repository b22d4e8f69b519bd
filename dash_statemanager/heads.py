"""Heads: per scope and store, the newest version and the few before it.

A head is one small entry beside its versions, changed by conditional puts. It bounds what a store holds, and it is
how Python finds a store by name.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import orjson

from .backends.base import ABSENT, Backend, BytesPayload, Entry, Expect
from .codecs.json import fitted
from .errors import CorruptPayload

KNOWN = 2_000
"""Heads that a process remembers, to save the read before a write; one of 64 versions takes 8 kB."""
DOUBTS = 3
"""Looks that must find what this process wrote last, after one that didn't, until it is taken for the newest again."""
SPARE = 8
"""When there are too many versions an eighth of them goes at once: most writes delete nothing."""
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
        most = max_versions if len(versions) <= max_versions else max_versions - max_versions // SPARE
        while len(versions) > 2 and (len(versions) > most or total > max_bytes):
            gone.append(next(iter(versions)))
            total -= versions.pop(gone[-1])
        return replace(self, versions=versions, patches=(), **details), gone

    def with_patch(self, name: str) -> Head:
        """The head with one more patch on its newest version, once however often a write is repeated."""
        return self if name in self.patches else replace(self, patches=(*self.patches, name))

    def dump(self) -> BytesPayload:
        """As it is kept."""
        return BytesPayload(fitted(orjson.dumps(self)))

    @classmethod
    def load(cls, entry: Entry) -> Head:
        """Read back."""
        try:
            raw = orjson.loads(b"".join(map(bytes, entry.payload.parts())))
            versions = {str(name): int(nbytes) for name, nbytes in raw.pop("versions").items()}
            return cls(versions=versions, patches=tuple(raw.pop("patches")), **raw)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise CorruptPayload("the head of a store can't be read", "Delete the store and write it again") from exc


class _Known(NamedTuple):
    head: Head
    etag: str
    until: float
    doubts: int = 0


class Heads:
    """Heads by key, as this process last saw them.

    What it remembers may be old; a conditional put tells, and `forget` makes the next looks real ones: where a
    browser's requests go to several workers, a look costs less than a conflict.

    Args:
        backend: Gives the backend.
        clock: Gives the Unix time.
    """

    def __init__(self, backend: Callable[[], Backend], clock: Callable[[], float]) -> None:
        self._backend, self._clock = backend, clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def look_up(self, stores: Mapping[str, str]) -> dict[str, tuple[Head, Expect]]:
        """Heads and what to expect when putting them back, by key; `stores` gives the store's id for each key."""
        found: dict[str, tuple[Head, Expect]] = {}
        for key in stores:
            known = self._known.get(key)
            if known is not None and not known.doubts:
                found[key] = known.head, known.etag
        missing = [key for key in stores if key not in found]
        entries = self._backend().get_many(missing) if missing else {}
        for key in missing:
            entry, known = entries.get(key), self._known.get(key)
            found[key] = (Head(stores[key]), ABSENT) if entry is None else (Head.load(entry), entry.etag)
            if known is not None and entry is not None:
                doubts = known.doubts - 1 if known.etag == entry.etag else DOUBTS
                self._known[key] = known._replace(doubts=doubts)
        return found

    def read(self, keys: Mapping[T, str]) -> dict[T, Head]:
        """The heads that are in the backend now; `keys` gives the key of whatever each is asked for."""
        entries = self._backend().get_many(keys.values()) if keys else {}
        return {asker: Head.load(entries[key]) for asker, key in keys.items() if key in entries}

    def remember(self, key: str, head: Head, etag: str) -> None:
        """Notes what was put."""
        known = self._known.pop(key, None)
        until = math.inf if head.ttl is None else self._clock() + head.ttl
        self._known[key] = _Known(head, etag, until, known.doubts if known else 0)
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def sweep(self) -> None:
        """Lets go of those that this process did not put within their lifetime."""
        now = self._clock()
        for key, known in self._known.copy().items():
            if known.until <= now:
                self._known.pop(key, None)

    def forget(self, keys: Iterable[str]) -> None:
        """Notes that what is remembered was wrong."""
        for key in keys:
            if (known := self._known.get(key)) is not None:
                self._known[key] = known._replace(doubts=DOUBTS)
