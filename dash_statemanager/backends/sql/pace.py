"""Work in the background that leaves others most of the time."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["gently"]

REST = 16
"""So many times as long as it worked it rests."""


def gently(step: Callable[[], int]) -> int:
    """Repeats a step until it did nothing, and returns how much all of them did."""
    total, start = 0, time.perf_counter()
    while done := step():
        total += done
        time.sleep(REST * (time.perf_counter() - start))
        start = time.perf_counter()
    return total
