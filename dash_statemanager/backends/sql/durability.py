"""Bringing files to the disk behind the writer's back, before a power cut can find them half there."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import weakref
from collections.abc import Callable

from ...errors import BackendError
from ..forks import tell_child

__all__ = ["Settler"]

log = logging.getLogger("dash_statemanager")

DELAY = 1.0


class Settler:
    """Calls `settle` once for a burst of writes, from a thread that ends with the burst.

    Args:
        settle: Brings to the disk what is not there yet.
        delay: Seconds from a write to the call.
    """

    def __init__(self, settle: Callable[[], None], delay: float = DELAY) -> None:
        self._settle = settle
        self._delay = delay
        tell_child(self)
        self.after_fork()

    def after_fork(self) -> None:
        """Leaves the parent's writes to the parent."""
        self._lock = threading.Lock()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._dirty = False

    def note(self) -> None:
        """Something was written."""
        with self._lock:
            self._dirty = True
            if self._thread is None:
                self._start()

    def finish(self) -> None:
        """Returns when all that was noted is settled."""
        thread = self._thread
        if thread is not None:
            self._hurry.set()
            thread.join()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="dash-statemanager-sync", daemon=True)
        self._hurry.clear()
        with contextlib.suppress(RuntimeError):  # too late to start a thread: the next purge does it
            thread.start()
            self._thread = thread
            _live.add(self)

    def _run(self) -> None:
        while self._take():
            self._hurry.wait(self._delay)
            self._dirty = False
            try:
                self._settle()
            except BackendError as exc:
                log.warning("large values are not yet safe from a power cut: %s", exc)

    def _take(self) -> bool:
        with self._lock:
            if not self._dirty:
                self._thread = None
            return self._dirty


_live: weakref.WeakSet[Settler] = weakref.WeakSet()


@atexit.register
def _finish_all() -> None:
    for settler in list(_live):
        settler.finish()
