"""No backend: values travel to the browser, as with `dcc.Store`."""

from __future__ import annotations

from .base import Reach
from .memory import MemoryBackend

__all__ = ["ClientBackend"]


class ClientBackend(MemoryBackend):
    """Keeps in this process only what is about values: locks, and results of `@memoized`."""

    name = "client"
    reach: Reach = "browser"

    def _check_process(self) -> None:
        """Every process may have one of its own: nothing in it is missed elsewhere."""
