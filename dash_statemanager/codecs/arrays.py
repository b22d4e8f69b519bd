"""The Arrow arrays of a frame: all of them, or the rows that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .arrow import check
from .columns import Spec
from .places import fetch_values
from .sparse import Fetch


class Arrays:
    """Arrays by their number, checked when they are asked for.

    Args:
        rows: Those of one value a row.
        aside: The others.
        window: The rows that are wanted.
        fetch: Fetches their values; None where all are there.
    """

    def __init__(self, rows: Any, aside: Any, window: slice, fetch: Fetch | None = None) -> None:
        self._rows, self._aside, self._window, self._fetch = rows, aside, window, fetch

    def prepare(self, specs: Iterable[Spec]) -> None:
        """Fetches at once what `cut` is going to need, instead of one array after the other."""
        if self._fetch is not None:
            wanted = [(number, is_irregular(spec)) for spec in specs for number in numbers(spec)]
            fetch_values([self._found(number, whole=whole) for number, whole in wanted], self._fetch)

    def whole(self, number: int) -> Any:
        """All of an array."""
        found = self._here(self._found(number, whole=True))
        if number < 0:
            check(found, deep=False)
            found = found.flatten()
        check(found)
        return found

    def windowed(self, number: int) -> Any:
        """The wanted rows of an array that has rows; nothing else of it is touched."""
        if number < 0:
            return self.whole(number)
        found = self._here(self._found(number, whole=False))
        check(found)
        return found

    def cut(self, read: Callable[[Spec, Callable[[int], Any]], Any], spec: Spec) -> Any:
        """The wanted rows of a column or of the index."""
        return read(spec, self.whole)[self._window] if is_irregular(spec) else read(spec, self.windowed)

    def _found(self, number: int, *, whole: bool) -> Any:
        (chunk,) = (self._rows.column(number) if number >= 0 else self._aside.column(~number)).chunks
        return chunk if whole or number < 0 else chunk[self._window]

    def _here(self, array: Any) -> Any:
        if self._fetch is not None:
            fetch_values([array], self._fetch)
        return array


def is_irregular(spec: Spec) -> bool:
    """Whether a part of the values is not where a row's number would lead to it."""
    match spec:
        case ["range", *_] | ["objects", _, _, int()]:
            return True
        case ["view", int(number), _] if number < 0:
            return True
    return any(is_irregular(part) for part in spec if isinstance(part, list))


def numbers(spec: Spec) -> Iterator[int]:
    """The arrays of which a column or an index is made."""
    match spec:
        case ["range" | "labels", *_]:
            return
        case ["plain" | "timed", inner, _]:
            yield from numbers(inner)
        case ["multi", levels, codes, *_]:
            for each in (*levels, *codes):
                yield from numbers(each)
        case ["category" | "interval", first, second, _]:
            yield from numbers(first)
            yield from numbers(second)
        case ["objects", _, number, int(missing)]:
            yield from (number, missing)
        case ["objects", _, number, None]:
            yield number
        case [_, number, *_]:
            yield number
