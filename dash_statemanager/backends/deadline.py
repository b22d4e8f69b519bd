"""How long to wait for something that has no timeout of its own, or that comes slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate

from ..errors import BackendUnavailable

__all__ = ["PACE", "within"]

PACE = 64 << 10
"""Bytes a second that a server must move, at least, not to count as silent."""


def within(seconds: float, work: Callable[[], object], place: str) -> None:
    """Does something in a thread of its own, and gives up after some seconds whatever it is waiting for.

    Args:
        seconds: How long it may take.
        work: What to do.
        place: What does not answer, for the message.

    Raises:
        BackendUnavailable: It took longer.
    """
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as exc:
            done.set_exception(exc)

    threading.Thread(target=run, name="dash-statemanager-ping", daemon=True).start()
    try:
        done.result(seconds)
    except TooLate as exc:
        what = f"{place} did not answer within {seconds:g} s"
        raise BackendUnavailable(what, "Check the network and the credentials") from exc
