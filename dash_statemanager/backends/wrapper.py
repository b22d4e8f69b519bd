"""A backend around another: the base of those that add something to whatever place was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .base import Backend, Entry, Listing, Purges, Put, Range, Ranges

__all__ = ["Wrapper", "purger"]


class Wrapper(Backend):
    """Passes everything on.

    Args:
        inner: The backend that keeps the payloads, or another wrapper.
    """

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.name = inner.name
        self.reach = inner.reach
        self.range_bytes = inner.range_bytes
        self.exact = inner.exact

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        return self.inner.get_many(keys)

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        return self.inner.get_ranges(key, ranges)

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        return self.inner.sizes(keys)

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        return self.inner.put_many(puts, delete=delete)

    def delete(self, *keys: str) -> int:
        return self.inner.delete(*keys)

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        return self.inner.touch_many(ttls)

    def scan(self, prefix: str) -> Iterator[Listing]:
        return self.inner.scan(prefix)

    def ping(self) -> None:
        self.inner.ping()

    def close(self) -> None:
        self.inner.close()

    def stats(self) -> Mapping[str, object]:
        return self.inner.stats()


def purger(backend: Backend) -> Purges | None:
    """What removes expired entries of a backend, around whatever wrappers; None where the store does so by itself."""
    while isinstance(backend, Wrapper):
        backend = backend.inner
    return backend if isinstance(backend, Purges) else None
