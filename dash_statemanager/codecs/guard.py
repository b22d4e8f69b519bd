"""Frames that several share: pandas copies before one of them writes, and their arrays are read-only."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pandas as pd

COPY_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3


class _Keeper:
    """Stands, in the eyes of pandas, for somebody else who looks at the same memory."""


_KEEPER = _Keeper()


def guard(frame: Any) -> bool:
    """Makes pandas copy before it writes into a frame's memory, which may be read-only, or others' too.

    pandas does so while it knows of another frame with the same memory; here it never forgets one.
    Returns whether it worked.
    """
    if not COPY_ON_WRITE:
        return False
    try:
        for block in frame._mgr.blocks:
            block.refs.referenced_blocks.append(weakref.ref(_KEEPER))
            block.values = _read_only(block.values)
    except AttributeError:
        return False
    return True


def lend(frame: Any) -> Any:
    """A shallow copy of a guarded frame, for its receiver to change."""
    copy = frame.copy(deep=False)
    for block in copy._mgr.blocks:
        if hasattr(block.values, "_mask"):
            block.values = _own_mask(block.values)
    return copy


def _read_only(values: Any) -> Any:
    """The values, so that `frame[...].array` and `frame[...].values` are no way around."""
    if isinstance(values, np.ndarray):
        view = values.view()
        view.flags.writeable = False
        return view
    if isinstance(backing := getattr(values, "_ndarray", None), np.ndarray):
        return values._from_backing_data(_read_only(backing))
    view = _own_mask(values) if hasattr(values, "_mask") else values.view()
    view._readonly = True
    if hasattr(view, "crs"):
        view._data = _read_only(view._data)  # arrays of geometries don't heed the mark
    return view


def _own_mask(values: Any) -> Any:
    """A nullable array over the same values: cummax and its like give their result the mask itself, to write to."""
    view = values.view()
    view._mask = values._mask.copy()
    return view
