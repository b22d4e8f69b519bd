"""Whose memory a table is over, and how much of it: what is frozen must neither change nor keep far too much alive."""

from __future__ import annotations

from typing import Any

SMALL = 1 << 20
"""Bytes up to which it pays to copy rather than to ask whose they are, and to keep rather than to copy."""
LINE = 64
"""Arrow and polars begin what they allocate at a multiple of it; numpy mostly doesn't."""


def is_loose(kept: int, nbytes: int) -> bool:
    """Whether so many bytes are far too many to be kept alive for the sake of `nbytes`."""
    return kept > SMALL and kept > 2 * nbytes


def kept_by(frame: Any) -> int:
    """Bytes that the columns and the index of a pandas frame keep alive, about; 0 where pandas doesn't tell."""
    try:
        values = [block.values for block in frame._mgr.blocks]
    except AttributeError:
        return 0
    if type(frame.index).__name__ not in ("RangeIndex", "MultiIndex"):
        values.append(frame.index._data)
    return sum(dict(map(_owner, values)).values())


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


def _owner(values: Any) -> tuple[int, int]:
    """An identity for the memory behind the values of a block, and its size."""
    if (table := getattr(values, "_pa_array", None)) is not None:
        return _owner_of_arrow(table.chunks[0]) if table.num_chunks else (0, 0)
    values = getattr(values, "_ndarray", values)
    values = getattr(values, "_data", values)
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
