"""Whose memory a table is over, and how much of it: what is frozen must neither change nor keep far too much alive."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

SMALL = 1 << 20
"""Bytes up to which it pays to copy rather than to ask whose they are, and to keep rather than to copy."""
GEOMETRY = 200
"""Bytes that a geometry takes beside its coordinates."""
LINE = 64
"""Arrow and polars begin what they allocate at a multiple of it; numpy mostly doesn't."""


def is_loose(kept: int, nbytes: int) -> bool:
    """Whether so many bytes are far too many to be kept alive for the sake of `nbytes`."""
    return kept > SMALL and kept > 2 * nbytes


def kept_by(frame: Any) -> int:
    """Bytes that the columns and the index of a pandas frame keep alive, about."""
    return sum(dict(map(_owner, _arrays(frame))).values())


def of_objects(frame: Any) -> int:
    """Bytes that the Python objects in a pandas frame take, about, with the pointers to them."""
    return sum(values.size * (8 + _mean_size(values.ravel())) for values in _arrays(frame) if _has_objects(values))


def is_own(table: Any, nbytes: int, *, exported: bool = False) -> bool:
    """Whether a pyarrow Table surely needs no copy: its memory was allocated for it, and is about as much as it says.

    What numpy, or pandas, shares with Arrow bears no mark. It is taken for such where it is not at a multiple
    of `LINE`, or where it has no owner in Arrow and can't be written to, as all that is exported to Arrow.

    Args:
        table: The table.
        nbytes: The size of its values.
        exported: Whether another library just made it.
    """
    buffers = [buffer for column in table.columns for chunk in column.chunks for buffer in chunk.buffers() if buffer]
    if nbytes <= SMALL or is_loose(sum(buffer.size for buffer in buffers), nbytes):
        return False
    return all(_is_arrows(buffer, exported) for buffer in buffers)


def _is_arrows(buffer: Any, exported: bool) -> bool:
    lent = buffer.parent is None and not buffer.is_mutable
    return (exported or not lent) and _root(buffer).address % LINE == 0


def _arrays(frame: Any) -> Iterator[Any]:
    """What holds the values of columns and index: arrays of numpy as far as there are such, else of pandas."""
    for block in getattr(frame._mgr, "blocks", ()):
        yield _innermost(block.values)
    if type(frame.index).__name__ not in ("RangeIndex", "MultiIndex"):
        yield _innermost(frame.index._data)


def _innermost(values: Any) -> Any:
    if hasattr(values, "strides") or hasattr(values, "_pa_array"):
        return values
    return values._ndarray if hasattr(values, "_ndarray") else getattr(values, "_data", values)


def _has_objects(values: Any) -> bool:
    return hasattr(values, "strides") and values.dtype.kind == "O"


def _mean_size(values: Any) -> int:
    sample = values[:: -(-values.size // 16) or 1]
    return sum(map(_size, sample)) // len(sample) if len(sample) else 0


def _size(value: Any) -> int:
    if value is None:
        return 0
    if hasattr(value, "geom_type"):
        return GEOMETRY
    return sys.getsizeof(value) + (sys.getsizeof(value.int) if type(value) is UUID else 0)


def _owner(values: Any) -> tuple[int, int]:
    """An identity for the memory behind the values of a block, and its size."""
    if not hasattr(values, "strides"):
        table = getattr(values, "_pa_array", None)
        return _owner_of_arrow(table.chunk(0)) if table is not None and table.num_chunks else (0, 0)
    while (base := getattr(values, "base", None)) is not None:
        values = base
    return _owner_of_arrow(values) if hasattr(values, "buffers") else (id(values), getattr(values, "nbytes", 0))


def _owner_of_arrow(array: Any) -> tuple[int, int]:
    buffer = _root(array.buffers()[-1])
    return (0, 0) if buffer is None else (buffer.address, buffer.size)


def _root(buffer: Any) -> Any:
    while buffer is not None and buffer.parent is not None:
        buffer = buffer.parent
    return buffer
