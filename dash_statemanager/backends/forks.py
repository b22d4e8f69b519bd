"""Forks: what belongs to the parent is left alone by the child, and no fork falls into a driver call."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

__all__ = ["Gate", "gate", "tell_child"]

LONGEST_WAIT = 1.0


class _Forgets(Protocol):
    def after_fork(self) -> None: ...


class Gate:
    """A context that a fork waits for, at most a second. Not to be entered twice by one thread.

    A driver's C library may hold a lock of its own while a thread is inside it. A child that is
    forked at that moment inherits the lock but not the thread, and would wait for ever.
    """

    def __init__(self) -> None:
        self.renew()

    def __enter__(self) -> None:
        with self._lock:
            while self._closed:
                self._free.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._closed:
                self._free.notify_all()

    def hold(self) -> None:
        """Waits until nobody is inside and keeps everybody out."""
        self._free.acquire()
        self._closed = True
        self._free.wait_for(lambda: not self._inside, LONGEST_WAIT)

    def release(self) -> None:
        """Lets everybody in again."""
        self._closed = False
        self._free.notify_all()
        self._free.release()

    def renew(self) -> None:
        """In a child, where the threads that were inside don't exist."""
        self._lock = threading.Lock()
        self._free = threading.Condition(self._lock)
        self._inside = 0
        self._closed = False


gate = Gate()
_told: weakref.WeakSet[_Forgets] = weakref.WeakSet()


def tell_child(thing: _Forgets) -> None:
    """Has `thing.after_fork()` called first of all in every child that is forked while it lives."""
    _told.add(thing)


def _in_child() -> None:
    gate.renew()
    for thing in list(_told):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=gate.hold, after_in_parent=gate.release, after_in_child=_in_child)
