"""The Arrow arrays of a frame: all of them, or the rows that are wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arrow import check
from .columns import Spec


class Arrays:
    """Arrays by their number, checked when they are asked for.

    Args:
        rows: Those of one value a row.
        aside: The others.
        window: The rows that are wanted.
    """

    def __init__(self, rows: Any, aside: Any, window: slice) -> None:
        self._rows, self._aside, self._window = rows, aside, window

    def whole(self, number: int) -> Any:
        """All of an array."""
        column = self._rows.column(number) if number >= 0 else self._aside.column(~number)
        (chunk,) = column.chunks
        return _checked(chunk if number >= 0 else chunk.flatten())

    def windowed(self, number: int) -> Any:
        """The wanted rows of an array that has rows; nothing else of it is touched."""
        if number < 0:
            return self.whole(number)
        (chunk,) = self._rows.column(number).chunks
        return _checked(chunk[self._window])

    def cut(self, read: Callable[[Spec, Callable[[int], Any]], Any], spec: Spec) -> Any:
        """The wanted rows of a column or of the index."""
        return read(spec, self.whole)[self._window] if is_irregular(spec) else read(spec, self.windowed)


def _checked(array: Any) -> Any:
    check(array)
    return array


def is_irregular(spec: Spec) -> bool:
    """Whether a part of the values is not where a row's number would lead to it."""
    match spec:
        case ["range", *_] | ["objects", _, _, int()]:
            return True
        case ["view", int(number), _] if number < 0:
            return True
    return any(is_irregular(part) for part in spec if isinstance(part, list))
