"""Work in the background that a close overtakes: a closed backend stays closed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Closing"]

T = TypeVar("T")


class Closing:
    """Tells work that is under way in other threads of a close, and closes again what they opened after it.

    Args:
        close: Closes what they use; a later use opens that again.
    """

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close
        self._closed = threading.Event()

    def tell(self) -> None:
        """What began before now is told; what begins later belongs to the next opening."""
        self._closed.set()
        self._closed = threading.Event()

    def background(self, work: Callable[[threading.Event], T]) -> Callable[[], T]:
        """What a thread is to call for `work`, which is given the event that tells of a close."""
        closed = self._closed

        def run() -> T:
            try:
                return work(closed)
            finally:
                if closed.is_set():
                    self._close()

        return run
