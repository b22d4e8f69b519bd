"""JavaScript's view of JSON values: what is missing, what is equal, and what arithmetic makes of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any


class _Missing:
    """JavaScript's `undefined`: no value at all, where None is `null`."""


MISSING = _Missing()
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def same(left: Any, right: Any) -> bool:
    """Equality as in JSON, at any depth: 1 is 1.0, but not True."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    numbers = is_number(left) and is_number(right)
    return (numbers or type(left) is type(right)) and bool(left == right)


def is_number(value: object) -> bool:
    """Whether a value is a number, which booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def calculate(function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """The result as JSON writes it: no number is None, and whole numbers are integers."""
    result = function(number(left), number(right))
    if not isinstance(result, float):
        return result
    if not math.isfinite(result):
        return None
    return int(result) if result.is_integer() and abs(result) < 1e21 else result


def divide(left: Any, right: Any) -> Any:
    """The quotient; by zero it is no number, which JSON writes as null."""
    return left / right if right else math.nan


def number(value: Any) -> Any:
    """What arithmetic takes a value for."""
    if value is None or isinstance(value, bool):
        return int(value or 0)
    if value is MISSING:
        return math.nan
    if isinstance(value, str):
        text = value.strip()
        return float(text) if NUMBER.fullmatch(text) else math.nan if text else 0
    if isinstance(value, dict | list | tuple):
        raise TypeError(f"{kind(value)} is no number")
    return value


def text(value: Any) -> str:
    """What a text takes a value for."""
    if isinstance(value, dict | list | tuple):
        raise TypeError(f"{kind(value)} is no text")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        value = int(value)
    words: dict[Any, str] = {None: "null", MISSING: "undefined", True: "true", False: "false"}
    return str(value) if is_number(value) else words.get(value, str(value))


def kind(value: Any) -> str:
    """What a value is, for people."""
    return "nothing" if value is MISSING or value is None else f"a {type(value).__name__}"
