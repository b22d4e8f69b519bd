"""Appends for backends that can only replace: on condition that what was read is still there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from ..errors import Conflict
from .base import Backend, Entry, Put

__all__ = ["Appends"]

KNOWN = 2_000
"""Entries that a process remembers, to save the read before it appends once more."""


class Appends:
    """Turns appends into conditional puts.

    Args:
        backend: Reads what is there.
        put_many: Does puts without appends, and deletes.
        clock: Gives the Unix time.
    """

    def __init__(
        self,
        backend: Backend,
        put_many: Callable[[Sequence[Put], Sequence[str]], list[str]],
        clock: Callable[[], float],
    ) -> None:
        self._backend, self._put_many, self._clock = backend, put_many, clock
        self._known: OrderedDict[str, Entry] = OrderedDict()

    def put_many(self, puts: Sequence[Put], delete: Sequence[str] = ()) -> list[str]:
        """As `put_many` of the contract."""
        keys = [put.key for put in puts if put.append]
        if not keys:
            return self._put_many(puts, delete)
        there = self._remembered(keys)
        while True:
            now = self._clock()
            try:
                replacing = [put.onto(there.get(put.key), now) for put in puts]
                etags = self._put_many(replacing, delete)
            except Conflict:
                before, there = there, self._backend.get_many(keys)
                for key in keys:  # else whoever tries again would begin with what was wrong
                    self._known.pop(key, None)
                if _etags(before) == _etags(there):
                    raise
            else:
                self._remember(keys, replacing, etags, now)
                return etags

    def _remembered(self, keys: Sequence[str]) -> dict[str, Entry]:
        known = {key: entry for key in keys if (entry := self._known.get(key))}
        missing = [key for key in keys if key not in known]
        return {**known, **self._backend.get_many(missing)} if missing else known

    def _remember(self, keys: Sequence[str], puts: Sequence[Put], etags: Sequence[str], now: float) -> None:
        for put, etag in zip(puts, etags, strict=True):
            if put.key in keys:
                self._known.pop(put.key, None)
                self._known[put.key] = Entry(put.payload, etag, None if put.ttl is None else now + put.ttl)
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)


def _etags(entries: dict[str, Entry]) -> dict[str, str]:
    return {key: entry.etag for key, entry in entries.items()}
