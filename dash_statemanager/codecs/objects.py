"""pandas columns of Python objects: one type each that Arrow can hold, and what is missing among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa

from .judge import Refused


def _same(value: Any) -> Any:
    return value


def _naive(value: Any) -> str:
    if value.tzinfo is not None or value.fold:
        raise Refused("it holds datetimes with a time zone as objects", "Convert the column with pd.to_datetime")
    return str(value.isoformat())


@dataclass(frozen=True)
class _Kind:
    """How objects of one type are held: `write` and `read` turn each into what Arrow takes, and back."""

    arrow: Callable[[], Any]
    write: Callable[[Any], Any] = _same
    read: Callable[[Any], Any] = _same


_KINDS: dict[type, _Kind] = {
    str: _Kind(pa.large_string),
    bytes: _Kind(pa.large_binary),
    bool: _Kind(pa.bool_),
    int: _Kind(pa.int64),
    float: _Kind(pa.float64),
    date: _Kind(pa.date32),
    timedelta: _Kind(lambda: pa.duration("us")),
    datetime: _Kind(pa.large_string, _naive, datetime.fromisoformat),
    time: _Kind(pa.large_string, _naive, time.fromisoformat),
    Decimal: _Kind(pa.large_string, str, Decimal),
    UUID: _Kind(pa.large_string, str, UUID),
}
_BY_NAME = {kind.__name__: kind for kind in _KINDS}
_MISSING: tuple[Any, ...] = (None, float("nan"), pd.NaT, pd.NA)
_ALWAYS_MISSING = {type(None): 0, type(pd.NaT): 2, type(pd.NA): 3}
_PRESENT = -1


def write_objects(values: Any) -> tuple[str, Any, Any]:
    """The name of the one type in an object array, its Arrow array, and what is missing where.

    The latter is None where nothing is missing, or an int8 array with the place in `_MISSING`.

    Raises:
        Refused: There are several types, or one that Arrow can't hold.
    """
    types = set(map(type, values))
    missing = _missing(values) if types & {*_ALWAYS_MISSING, float} else None
    present = values if missing is None else values[missing == _PRESENT]
    if missing is not None:
        types = set(map(type, present))
    types = types or {str}
    if len(types) > 1 or not types <= set(_KINDS):
        names = " and ".join(sorted(kind.__name__ for kind in types))
        raise Refused(f"it holds objects of type {names}, which Arrow can't hold in one column", "")
    (kind,) = types
    return kind.__name__, _array(present, _KINDS[kind]), missing


def _missing(values: Any) -> Any:
    def place(value: Any) -> int:
        if type(value) is float:
            return _PRESENT if value == value else 1
        return _ALWAYS_MISSING.get(type(value), _PRESENT)

    places = np.fromiter(map(place, values), dtype=np.int8, count=len(values))
    return None if (places == _PRESENT).all() else places


def _array(present: Any, kind: _Kind) -> Any:
    items = present if kind.write is _same else [kind.write(value) for value in present]
    try:
        return pa.array(items, type=kind.arrow(), from_pandas=False)
    except (pa.ArrowException, ValueError, OverflowError) as exc:
        raise Refused(f"it holds an object that Arrow can't hold ({exc})", "") from exc


def read_objects(name: str, array: Any, missing: Any) -> Any:
    """The object array that was written."""
    kind = _BY_NAME[name]
    if array.type != _KINDS[kind].arrow():
        raise ValueError(f"{name} objects in an array of {array.type}")
    present = _to_objects(array, _KINDS[kind])
    if missing is None:
        return present
    values = np.empty(len(missing), dtype=object)
    values[missing == _PRESENT] = present
    for place, value in enumerate(_MISSING):
        values[missing == place] = value
    return values


def _to_objects(array: Any, kind: _Kind) -> Any:
    if kind.arrow in (pa.large_string, pa.large_binary) and kind.read is _same:
        return array.to_numpy(zero_copy_only=False)
    items = np.empty(len(array), dtype=object)
    items[:] = list(map(kind.read, array.to_pylist()))
    return items
