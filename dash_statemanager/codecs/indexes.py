"""pandas indexes, of rows and of columns, as Arrow arrays and what they need beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from .columns import Get, Put, Spec, read_values, write_values
from .judge import Refused


def write_index(index: Any, put: Put, aside: Put) -> Spec:
    """Puts the values of an index, and returns what `read_index` needs beside them.

    Raises:
        Refused: Arrow can't hold it.
    """
    write = _WRITERS.get(type(index).__name__)
    if write is None or not type(index).__module__.startswith("pandas"):
        raise Refused(f"it is a {type(index).__name__}, which Arrow can't hold", "")
    return write(index, put, aside)


def write_labels(index: Any, aside: Put) -> Spec:
    """As `write_index`, for columns: their labels may be of several types."""
    if isinstance(index, pd.Index) and index.dtype == object and type(index) is pd.Index:
        return ["labels", list(index), index.name]
    return write_index(index, aside, aside)


def read_index(spec: Spec, get: Get) -> Any:
    """The index that was written."""
    kind, *details = spec
    return _READERS[kind](get, *details)


def _write_plain(index: Any, put: Put, aside: Put) -> Spec:
    return ["plain", write_values(index, put, aside), index.name]


def _read_plain(get: Get, values: Spec, name: Any) -> Any:
    array = read_values(values, get)
    return pd.Index(array, dtype=array.dtype, name=name)


def _write_timed(index: Any, put: Put, aside: Put) -> Spec:
    freq = index.freq
    if freq is not None and not _is_named(freq):
        raise Refused(f"its freq {freq!r} has no name", "Drop it first: df.index.freq = None")
    return ["timed", _write_plain(index, put, aside), None if freq is None else freq.freqstr]


def _is_named(freq: Any) -> bool:
    try:
        return bool(pd.tseries.frequencies.to_offset(freq.freqstr) == freq)
    except ValueError:
        return False


def _read_timed(get: Get, plain: Spec, freq: str | None) -> Any:
    index = read_index(plain, get)
    index.freq = freq
    return index


def _write_range(index: Any, put: Put, aside: Put) -> Spec:
    return ["range", index.start, index.stop, index.step, index.name]


def _write_multi(index: Any, put: Put, aside: Put) -> Spec:
    levels = [write_index(level, aside, aside) for level in index.levels]
    codes = [write_values(codes, put, aside) for codes in index.codes]
    return ["multi", levels, codes, list(index.names), index.sortorder]


def _read_multi(get: Get, levels: list[Spec], codes: list[Spec], names: list[Any], sortorder: int | None) -> Any:
    return pd.MultiIndex(
        levels=[read_index(level, get) for level in levels],
        codes=[read_values(code, get) for code in codes],
        names=names,
        sortorder=sortorder,
    )


_WRITERS: Mapping[str, Callable[[Any, Put, Put], Spec]] = {
    "Index": _write_plain,
    "CategoricalIndex": _write_plain,
    "IntervalIndex": _write_plain,
    "PeriodIndex": _write_plain,
    "DatetimeIndex": _write_timed,
    "TimedeltaIndex": _write_timed,
    "RangeIndex": _write_range,
    "MultiIndex": _write_multi,
}
_READERS: Mapping[str, Callable[..., Any]] = {
    "plain": _read_plain,
    "timed": _read_timed,
    "range": lambda get, start, stop, step, name: pd.RangeIndex(start, stop, step, name=name),
    "multi": _read_multi,
    "labels": lambda get, labels, name: pd.Index(labels, dtype=object, name=name, tupleize_cols=False),
}
