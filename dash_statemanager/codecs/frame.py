"""pandas DataFrames and GeoDataFrames.

body = lengths of the three, then each at a multiple of 64:
    what describes the frame (dtypes, labels, names, attrs), a tree of types="python"
    an Arrow stream with all arrays that have one value a row
    an Arrow stream of one row, whose lists are the arrays of other lengths
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from ..errors import CodecError, CorruptPayload, PartError
from .arrays import Arrays
from .arrow import read_stream, write_stream
from .base import Buffer, Codec, Frozen, overhead_of_table
from .columns import Spec, read_values, write_values
from .compression import length
from .guard import COPY_ON_WRITE, guard, lend
from .indexes import read_index, write_index, write_labels
from .judge import Refused
from .memory import SMALL, is_loose, kept_by, of_objects
from .part import WHOLE, Part
from .sparse import Fetch, ReadWhole
from .tree import ALIGNMENT, aligned

_LENGTHS = struct.Struct("<QQQ")
AHEAD = 64 << 10
"""Bytes of the arrays of other lengths that are fetched along with the description: mostly all of them."""


@dataclass(frozen=True)
class FrameData:
    """A frame that is never written to; `guarded` tells that shallow copies of it protect it."""

    frame: Any
    guarded: bool


@dataclass(frozen=True)
class Apart:
    """A frame taken apart: what describes it, its Arrow arrays of one value a row, and the others."""

    description: Frozen
    rows: list[Any]
    aside: list[Any]

    def nbytes(self) -> int:
        """The size of all of it, in bytes."""
        return self.description.nbytes + sum(map(_nbytes, (*self.rows, *self.aside)))


class FrameCodec(Codec):
    """pandas DataFrames.

    Args:
        describe: Keeps what describes a frame; a codec of `types="python"`.
    """

    name: ClassVar[str] = "frame"
    tag: ClassVar[int] = 5
    compressible: ClassVar[bool] = False

    def __init__(self, describe: Codec, codecs: Callable[[int], Codec]) -> None:
        self._describe = describe
        self._codecs = codecs

    def can_encode(self, value: Any) -> bool:
        """Whether it is a DataFrame or a GeoDataFrame, and not of a class derived from them."""
        return type(value) is pd.DataFrame or _is_geo(value)

    def freeze(self, value: Any) -> Frozen:
        """A snapshot that shares the memory of the frame, which copies before it is written to (pandas >= 3).

        A small part of a large frame is copied instead, so as not to keep all of that. What numpy writes to an array
        that the frame only borrowed (`pd.DataFrame(array, copy=False)`) does reach the snapshot: pandas can't tell.

        Raises:
            CodecError: A column can't be held; the message names it.
        """
        frozen = self.refreeze(value)
        loose = is_loose(kept_by(frozen.data.frame), frozen.nbytes)
        return self.decode(b"".join(self.encode(frozen.data))) if loose else frozen

    def refreeze(self, value: Any) -> Frozen:
        """As `freeze`, without a copy."""
        if not self.can_encode(value):
            raise CodecError(f"no codec takes the class {type(value).__qualname__}", "Return pd.DataFrame(frame)")
        nbytes = self._take_apart(value).nbytes()
        return self._wrap(_snapshot(value), nbytes)

    def encode(self, data: FrameData) -> Sequence[Buffer]:
        """The body; its pieces share the frame's memory."""
        apart = self._take_apart(data.frame)
        description = apart.description
        pieces = [
            [bytes([description.codec.tag]), *description.codec.encode(description.data)],
            _rows_stream(apart.rows),
            _aside_stream(apart.aside),
        ]
        lengths = _LENGTHS.pack(*map(length, pieces))
        return list(aligned([[lengths], *pieces]))

    def decode(self, body: Buffer) -> Frozen:
        """A frame over the body's memory."""
        return self.decode_part(body, WHOLE)

    def decode_part(self, body: Buffer, part: Part, fetch: Fetch | None = None) -> Frozen:
        """Some columns and rows over the body's memory."""
        try:
            frame, nbytes = self._put_together(memoryview(body), part, fetch)
        except (CodecError, PartError, ReadWhole):
            raise
        except Exception as exc:
            raise CorruptPayload(f"the body is not a frame ({type(exc).__name__}: {exc})") from exc
        return self._wrap(FrameData(frame, guard(frame)), nbytes)

    def thaw(self, data: FrameData) -> Any:
        """A frame of the receiver's own: only masks are copied before somebody writes (pandas >= 3)."""
        return lend(data.frame) if data.guarded else data.frame.copy()

    def _wrap(self, data: FrameData, nbytes: int) -> Frozen:
        rows, columns = data.frame.shape
        summary = {"type": type(data.frame).__name__, "rows": rows, "columns": columns}
        overhead = overhead_of_table(_blocks(data.frame)) + of_objects(data.frame)
        return Frozen(self, data, nbytes, summary, shared=data.guarded, overhead=overhead)

    def _take_apart(self, frame: Any) -> Apart:
        rows: list[Any] = []
        aside: list[Any] = []
        put, beside = _numbered(rows), _numbered(aside, ~0)
        columns = [_column(frame, *numbered, put, beside) for numbered in enumerate(_arrays(frame))]
        description = {
            "columns": columns,
            "index": _axis("index", write_index, frame.index, put, beside),
            "labels": _axis("columns", write_labels, frame.columns, beside),
            "attrs": frame.attrs,
            "unique": not frame.flags.allows_duplicate_labels,
            "geometry": [frame._geometry_column_name] if _is_geo(frame) else None,
        }
        return Apart(self._describe.freeze(description), rows, aside)

    def _put_together(self, body: memoryview, part: Part, fetch: Fetch | None) -> tuple[Any, int]:
        description, rows, aside = _split(body)
        if fetch is not None:
            fetch([description, aside[:AHEAD]])
        told = self._codecs(description[0]).decode(description[1:]).thaw()
        arrays = Arrays(read_stream(rows, fetch), read_stream(aside, fetch), part.rows, fetch)
        labels = read_index(told["labels"], arrays.whole)
        positions = part.positions(labels)
        specs = told["columns"] if positions is None else [told["columns"][at] for at in positions]
        arrays.prepare([told["index"], *specs])
        index = arrays.cut(read_index, told["index"])
        held = {number: _as_it_is(arrays.cut(read_values, spec), index) for number, spec in enumerate(specs)}
        frame = pd.DataFrame(held, index=index, copy=False)
        frame.columns = labels if positions is None else labels.take(positions)
        if told["geometry"] and (told["geometry"][0] is None or told["geometry"][0] in frame.columns):
            frame = _geo(frame, *told["geometry"])
        frame.attrs = told["attrs"]
        frame.flags.allows_duplicate_labels = not told["unique"]
        return frame, rows.nbytes + aside.nbytes


def _nbytes(array: Any) -> int:
    """The size of an Arrow array; of a small slice, for speed, that of what it keeps alive."""
    kept = int(array.get_total_buffer_size())
    return kept if kept <= SMALL else int(array.nbytes)


def _blocks(frame: Any) -> int:
    """How many arrays hold its columns; those of one dtype may share one."""
    try:
        return len(frame._mgr.blocks)
    except AttributeError:
        return int(frame.shape[1])


def _snapshot(frame: Any) -> FrameData:
    copy = frame.copy(deep=not COPY_ON_WRITE)
    return FrameData(copy, guard(copy))


def _numbered(arrays: list[Any], flip: int = 0) -> Callable[[Any], int]:
    """Numbers arrays as they come: 0, 1, 2; or, where `flip` is -1: -1, -2, -3."""

    def put(array: Any) -> int:
        arrays.append(array)
        return (len(arrays) - 1) ^ flip

    return put


def _arrays(frame: Any) -> Iterable[Any]:
    """The array of each column, without the Series around it, which takes longer to make than all the rest."""
    try:
        arrays: Iterable[Any] = frame._iter_column_arrays()
    except AttributeError:
        arrays = (values.array for _, values in frame.items())
    return arrays


def _column(frame: Any, number: int, values: Any, put: Callable[[Any], int], aside: Callable[[Any], int]) -> Spec:
    try:
        return write_values(values, put, aside)
    except Refused as exc:
        label = frame.columns[number]
        advice = f'Convert it (df[{label!r}] = df[{label!r}].astype(str)), or use types="pickle"'
        raise CodecError(f"column {label!r} can't be held: {exc.reason}", exc.remedy or advice) from exc


def _axis(name: str, write: Callable[..., Spec], index: Any, *puts: Callable[[Any], int]) -> Spec:
    try:
        return write(index, *puts)
    except Refused as exc:
        advice = f'Convert it (df.{name} = df.{name}.astype(str)), or use types="pickle"'
        raise CodecError(f"the {name} can't be held: {exc.reason}", exc.remedy or advice) from exc


def _rows_stream(arrays: list[Any]) -> list[Buffer]:
    return write_stream(pa.RecordBatch.from_arrays(arrays, names=list(map(str, range(len(arrays))))))


def _aside_stream(arrays: list[Any]) -> list[Buffer]:
    return _rows_stream(
        [pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array) for array in arrays]
    )


def _as_it_is(values: Any, index: Any) -> Any:
    """What pandas takes into a frame without looking for a better dtype."""
    return pd.Series(values, index=index, dtype=object, copy=False) if values.dtype == object else values


def _split(body: memoryview) -> list[memoryview]:
    position = _LENGTHS.size
    pieces = []
    for nbytes in _LENGTHS.unpack_from(body):
        position += -position % ALIGNMENT
        if position + nbytes > len(body):
            raise CorruptPayload("a part of the frame is missing")
        pieces.append(body[position : position + nbytes])
        position += nbytes
    return pieces


def _is_geo(value: Any) -> bool:
    kind = type(value)
    return kind.__name__ == "GeoDataFrame" and kind.__module__.startswith("geopandas.")


def _geo(frame: Any, geometry: Any) -> Any:
    import geopandas

    made = geopandas.GeoDataFrame(frame)
    made._geometry_column_name = geometry
    return made
