"""The bound on what one session or user holds."""

from __future__ import annotations

from collections import OrderedDict

from .backends.base import Backend
from .errors import ValueTooLarge

KNOWN = 10_000
"""Holders whose room a process remembers."""
CREDIT = 16
"""A process looks into the backend only after it wrote a sixteenth of the limit for a holder."""


class Quota:
    """Refuses writes of holders that have no room left.

    Each process may exceed the limit by a sixteenth of it before it notices what others wrote.

    Args:
        backend: Where the holders' data is.
        limit: Most bytes that one holder may have.
    """

    def __init__(self, backend: Backend, limit: int) -> None:
        self._backend, self._limit = backend, limit
        self._room: OrderedDict[str, int] = OrderedDict()

    def charge(self, prefix: str, nbytes: int) -> None:
        """Takes room for a write.

        Args:
            prefix: Prefix of all keys of the holder.
            nbytes: Size of what will be written.

        Raises:
            ValueTooLarge: There is not so much room; nothing was written.
        """
        room = self._room.pop(prefix, self._limit // CREDIT)
        if room < nbytes:
            room = self._limit - sum(row.nbytes for row in self._backend.scan(prefix))
        if room < nbytes:
            raise ValueTooLarge(
                f"{nbytes:,} bytes more would take the session over its limit of {self._limit:,} bytes",
                "Delete stores that are not needed, or raise STATE_MAX_SESSION_BYTES",
            )
        self._room[prefix] = room - nbytes
        while len(self._room) > KNOWN:
            self._room.popitem(last=False)
