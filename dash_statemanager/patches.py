"""Replays the operations of a `dash.Patch`, as Dash's renderer does in the browser (dash_renderer, actions/patch.ts).

The renderer works with ramda, whose rules are kept here to the letter, oddities included: `None` on the way of a path
becomes a dict, what is missing becomes a list if an index comes next; a list that gets a text as key becomes a dict; a
missing number is NaN, which JSON writes as null. Where the renderer would throw and lose the whole update, only the
operation that can't be applied is left out; so is arithmetic on lists and dicts, which in the browser gives texts
such as "[object Object]1".

Nothing is changed in place: what an operation changes is copied along its path.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .javascript import MISSING, calculate, divide, kind, same, text

logger = logging.getLogger("dash_statemanager")

PATCH_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
MAX_GAP = 10_000
"""Items that one reading can fill with None, between the ends of lists and what is set behind them."""
MAX_DEPTH = 200
"""Longest path."""

Operation = Mapping[str, Any]
Key = str | int


class Operations(list[Operation]):
    """The operations of one patch, to be written instead of a value."""


class Gaps:
    """What one reading fills with None, of all its patches together.

    Attributes:
        opened: How many items so far.
    """

    def __init__(self) -> None:
        self.opened = 0

    def open(self, number: int) -> None:
        """Counts items; raises IndexError where they are too many."""
        if self.opened + number > MAX_GAP:
            raise IndexError(f"{number} items behind the end of a list are too many")
        self.opened += number


def replay(value: Any, operations: Iterable[Operation], gaps: Gaps | None = None) -> Any:
    """Applies the operations in order and returns the new value.

    An operation that can't be applied (an insert into something that is no list, say) is left out with a
    warning: it must not poison the reads that follow.

    Args:
        value: The value.
        operations: The operations.
        gaps: Those of the same reading; None where these operations are all.
    """
    problems: list[BaseException] = []
    gaps = gaps or Gaps()
    for operation in operations:
        try:
            value = _apply(value, operation, gaps)
        except PATCH_ERRORS as exc:
            problems.append(exc)
    if problems:
        reason = f"{type(problems[0]).__name__}: {problems[0]}"
        logger.warning("%d patch operations could not be applied and were left out: %.200s", len(problems), reason)
    return None if value is MISSING else value


def _apply(value: Any, operation: Operation, gaps: Gaps) -> Any:
    path = _resolve(value, operation["location"])
    if operation["operation"] == "Delete":
        return _remove_at(value, path)
    handler = _HANDLERS[operation["operation"]]
    return _set_at(value, path, handler(_look_up(value, path), operation["params"]), gaps)


def _resolve(value: Any, location: Iterable[Any]) -> list[Key]:
    """The location with negative indices counted from the end of the lists that they point into."""
    path: list[Key] = []
    for key in location:
        if _is_index(key) and key < 0:
            parent = _look_up(value, path)
            if parent is None or parent is MISSING:
                raise TypeError("nothing has no length")
            path.append(len(parent) + key if isinstance(parent, list | tuple | str) else "NaN")
        else:
            path.append(key if _is_index(key) else text(key))
    if len(path) > MAX_DEPTH:
        raise ValueError(f"a path of {len(path)} keys is too long")
    return path


def _is_index(key: object) -> bool:
    return isinstance(key, int) and not isinstance(key, bool)


def _look_up(value: Any, path: Iterable[Key]) -> Any:
    """What is at the path, or MISSING."""
    for key in path:
        value = _item(value, key)
    return value


def _item(value: Any, key: Key) -> Any:
    if isinstance(value, dict):
        return value.get(_name(value, key), MISSING)
    if isinstance(value, list | tuple | str):
        index = _index(key)
        if index is not None and -len(value) <= index < len(value):
            return value[index]
        return "" if isinstance(value, str) and isinstance(key, int) else MISSING
    return MISSING


def _index(key: Key) -> int | None:
    """A key as an index: "1" is one, too, "01" is not."""
    if isinstance(key, str):
        return int(key) if key.isdecimal() and key.isascii() and str(int(key)) == key else None
    return key


def _name(parent: Mapping[Any, Any], key: Key) -> Key:
    """A key as the dict has it: JSON knows only texts, `types="python"` also numbers."""
    return key if key in parent else str(key)


def _set_at(value: Any, path: list[Key], new: Any, gaps: Gaps) -> Any:
    """A copy with the new item at the path; makes missing parents, and replaces those that are no dict or list."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if rest:
        new = _set_at(_container(_item(value, key), rest), rest, new, gaps)
    if isinstance(value, list | tuple) and isinstance(key, int):
        return _with_item(list(value), key, new, gaps)
    parent = _as_dict(value)
    if new is MISSING:
        parent.pop(_name(parent, key), None)
    else:
        parent[_name(parent, key)] = new
    return parent


def _container(value: Any, rest: list[Key]) -> Any:
    if value is None or isinstance(value, dict | list | tuple):
        return value
    return [] if isinstance(rest[0], int) else {}


def _with_item(items: list[Any], index: int, new: Any, gaps: Gaps) -> list[Any]:
    if index < 0:
        return items  # becomes a property "-1" of the array, which JSON does not write
    gaps.open(max(0, index - len(items)))
    items.extend([None] * (index + 1 - len(items)))
    items[index] = None if new is MISSING else new
    return items


def _as_dict(value: Any) -> dict[Key, Any]:
    if isinstance(value, dict):
        return dict(value)
    return {str(i): item for i, item in enumerate(value)} if isinstance(value, list | tuple | str) else {}


def _remove_at(value: Any, path: list[Key]) -> Any:
    if value is None or value is MISSING or not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(value, list | tuple) and isinstance(key, int):
        return _without_index(list(value), key, rest)
    parent = _as_dict(value)
    name = _name(parent, key)
    if not rest:
        parent.pop(name, None)
    elif parent.get(name) is not None:
        parent[name] = _remove_at(parent[name], rest)
    return parent


def _without_index(items: list[Any], index: int, rest: list[Key]) -> list[Any]:
    if not rest:
        start = max(index + len(items), 0) if index < 0 else index
        del items[start : start + 1]
        return items
    if 0 <= index < len(items):
        items[index] = _remove_at(items[index], rest)
    return items


def _items(current: Any) -> list[Any]:
    """What ramda takes for a list: a text is its characters, anything else is empty."""
    return list(current) if isinstance(current, list | tuple | str) else []


def _extend(current: Any, params: Operation) -> Any:
    more = params["value"]
    if isinstance(current, str) and isinstance(more, str):
        return current + more
    if not isinstance(current, list | tuple) or not isinstance(more, list | tuple):
        raise TypeError(f"{kind(current)} can't be extended by {kind(more)}")
    return [*current, *more]


def _insert(current: Any, params: Operation) -> list[Any]:
    if current is None or current is MISSING:
        raise TypeError("nothing can be inserted into nothing")
    items, index = _items(current), params["index"]
    index = index + len(items) if index < 0 else index
    items.insert(index if 0 <= index < len(items) else len(items), params["value"])
    return items


def _remove(current: Any, params: Operation) -> list[Any]:
    if not isinstance(current, list | tuple):
        raise TypeError(f"nothing can be removed from {kind(current)}")
    return [item for item in current if not same(item, params["value"])]


def _reverse(current: Any, _: Operation) -> Any:
    if current is None or current is MISSING:
        raise TypeError("nothing can't be reversed")
    return current[::-1] if isinstance(current, str) else _items(current)[::-1]


def _clear(current: Any, _: Operation) -> Any:
    return type(current)() if isinstance(current, dict | list | str) else MISSING


def _add(current: Any, params: Operation) -> Any:
    more = params["value"]
    if isinstance(current, str) or isinstance(more, str):
        return text(current) + text(more)
    return calculate(operator.add, current, more)


_HANDLERS: dict[str, Callable[[Any, Operation], Any]] = {
    "Assign": lambda _, p: p["value"],
    "Merge": lambda current, p: {**_as_dict(current), **_as_dict(p["value"])},
    "Append": lambda current, p: [*_items(current), p["value"]],
    "Prepend": lambda current, p: [p["value"], *_items(current)],
    "Extend": _extend,
    "Insert": _insert,
    "Remove": _remove,
    "Clear": _clear,
    "Reverse": _reverse,
    "Add": _add,
    "Sub": lambda current, p: calculate(operator.sub, current, p["value"]),
    "Mul": lambda current, p: calculate(operator.mul, current, p["value"]),
    "Div": lambda current, p: calculate(divide, current, p["value"]),
}
