"""First come, first served: threads that wait for a connection get it in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["Turns"]


class Turns:
    """A semaphore in which nobody starves: what is given back goes to whoever has waited longest.

    Args:
        seats: How many may hold it at once.
    """

    def __init__(self, seats: int) -> None:
        self._free = seats
        self._waiting: deque[threading.Lock] = deque()
        self._mutex = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._waiting)

    def acquire(self, timeout: float) -> bool:
        """False where the time in seconds was over before it was this thread's turn."""
        with self._mutex:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            is_mine = mine.acquire(timeout=timeout)
        except BaseException:  # of a signal's handler
            if not self._leave(mine):
                self.release()
            raise
        return is_mine or not self._leave(mine)

    def release(self) -> None:
        """Gives it to the next."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _leave(self, mine: threading.Lock) -> bool:
        """False where it was given to this thread in the last moment."""
        with self._mutex:
            try:
                self._waiting.remove(mine)
            except ValueError:
                return False
            return True
