"""Statements that travel together: a cursor that sends nothing before it must."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Batch"]


class Batch(ABC):
    """A cursor for a transaction: its statements reach the server together, in one round trip.

    They are sent when rows are asked for, when there are enough of them, and at the end.

    Args:
        most: Bytes that may travel together; a larger statement travels alone.

    Attributes:
        nbytes: How much has been sent so far.
    """

    def __init__(self, most: int) -> None:
        self.nbytes = 0
        self._most = most
        self._pending: list[tuple[str, Any]] = []
        self._weight = 0
        self._rows: Sequence[Any] = ()

    def execute(self, sql: str, params: Any = ()) -> None:
        """Takes the statement; an error of it may come with a later call."""
        weight = len(sql) + sum(map(_weight, params.values() if isinstance(params, Mapping) else params))
        if self._weight + weight > self._most:
            self.flush()
        self._pending.append((sql, params))
        self._weight += weight
        if weight > self._most:
            self.flush()

    def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        """Takes the statement once for each row."""
        for params in rows:
            self.execute(sql, params)

    def fetchall(self) -> Sequence[Any]:
        """The rows of the last statement."""
        self.flush()
        return self._rows

    def flush(self) -> None:
        """Sends what is pending and waits for the results."""
        pending, self._pending = self._pending, []
        self.nbytes += self._weight
        self._weight = 0
        if pending:
            self._rows = self._send(pending)

    @abstractmethod
    def _send(self, statements: Sequence[tuple[str, Any]]) -> Sequence[Any]:
        """Executes them in one round trip and returns the rows of the last; the first error stops the rest."""


def _weight(value: Any) -> int:
    return 8 if value is None or isinstance(value, int | float) else len(value)
