"""The bounds on what one session, user or store holds."""

from __future__ import annotations

from collections import OrderedDict

from .backends.base import Backend
from .errors import ValueTooLarge

KNOWN = 10_000
"""Holders whose credit a process remembers."""
SHARE = 16
"""A process looks into the backend only after it wrote a sixteenth of the limit for a holder."""


class Credit:
    """How much a process may write for each holder before it looks at what that holds.

    So each process may exceed the limit by a sixteenth of it before it notices what others wrote.

    Args:
        limit: Most bytes that one holder may have.
    """

    def __init__(self, limit: int) -> None:
        self._most = limit // SHARE
        self._left: OrderedDict[str, int] = OrderedDict()

    def take(self, holder: str, nbytes: int) -> bool:
        """Takes credit for a write; False where there is not so much."""
        left = self._left.pop(holder, self._most)
        self._set(holder, left if left < nbytes else left - nbytes)
        return left >= nbytes

    def grant(self, holder: str, room: int) -> None:
        """Gives new credit after a look, as far as there is room."""
        self._left.pop(holder, None)
        self._set(holder, max(0, min(room, self._most)))

    def _set(self, holder: str, left: int) -> None:
        self._left[holder] = left
        while len(self._left) > KNOWN:
            self._left.popitem(last=False)


class Quota:
    """Refuses writes of holders that have no room left.

    Args:
        backend: Where the holders' data is.
        limit: Most bytes that one holder may have.
    """

    def __init__(self, backend: Backend, limit: int) -> None:
        self._backend, self._limit = backend, limit
        self._credit = Credit(limit)

    def charge(self, prefix: str, nbytes: int) -> None:
        """Takes room for a write.

        Args:
            prefix: Prefix of all keys of the holder.
            nbytes: Size of what will be written.

        Raises:
            ValueTooLarge: There is not so much room; nothing was written.
        """
        if self._credit.take(prefix, nbytes):
            return
        room = self._limit - sum(row.nbytes for row in self._backend.scan(prefix))
        if room < nbytes:
            raise ValueTooLarge(
                f"{nbytes:,} bytes more would take the session over its limit of {self._limit:,} bytes",
                "Delete stores that are not needed, or raise STATE_MAX_SESSION_BYTES",
            )
        self._credit.grant(prefix, room - nbytes)
