"""Arrow tables, and polars frames by way of them; and the IPC streams that pandas frames use too.

Streams are written and read without a copy of the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..errors import CodecError, CorruptPayload
from .base import Buffer, Codec, Frozen, overhead_of_table
from .memory import is_own
from .part import WHOLE, Part
from .places import fetch_metadata, fetch_values
from .sparse import Fetch, ReadWhole


class _Pieces:
    """A file that keeps the buffers that are written to it."""

    closed = False

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []

    def write(self, buffer: Buffer) -> int:
        self.buffers.append(buffer)
        return memoryview(buffer).nbytes

    def flush(self) -> None: ...

    def close(self) -> None: ...


def write_stream(table: Any) -> list[Buffer]:
    """A table or record batch as an IPC stream, in pieces that share its memory."""
    import pyarrow as pa

    pieces = _Pieces()
    with pa.ipc.new_stream(pa.PythonFile(pieces, mode="w"), table.schema) as writer:
        writer.write(table)
    return pieces.buffers


def read_stream(body: Buffer, fetch: Fetch | None = None) -> Any:
    """The table of an IPC stream, over the body's memory; its values are to be fetched and checked.

    Raises:
        CorruptPayload: It is none.
        ReadWhole: It seems to be none, but not all of it is there.
    """
    import pyarrow as pa

    if fetch is not None:
        fetch_metadata(body, fetch)
    try:
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            table = reader.read_all()
        table.validate()
        table.column_names  # noqa: B018  # each is a text
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError, OverflowError) as exc:
        if fetch is not None:
            raise ReadWhole from exc
        raise CorruptPayload(f"the body is not an Arrow stream: {exc}") from exc
    return table


def read_checked(body: Buffer, part: Part = WHOLE, fetch: Fetch | None = None) -> Any:
    """As `read_stream`, with every value of a part checked, for tables of any type; the rest is not touched."""
    whole = read_stream(body, fetch)
    if fetch is not None:
        fetch_values((chunk for column in part.of_arrow(whole).columns for chunk in column.chunks), fetch)
    table = part.of_arrow(whole)  # not before: pyarrow counts what is missing in rows as soon as it cuts them out
    if not _is_sound(table):
        raise CorruptPayload("the body holds impossible values")
    return table


def check(array: Any, *, deep: bool = True) -> None:
    """Makes sure that no value of an array is outside its memory; deep says also of arrays in it.

    Raises:
        CorruptPayload: One is.
    """
    import pyarrow as pa

    kind = array.type
    texts = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    full = deep and not texts and not pa.types.is_primitive(kind)
    if not _is_sound(array, full=full) or (texts and not _is_in_order(array)):
        raise CorruptPayload("the body holds impossible values")


def _is_in_order(array: Any) -> bool:
    """Whether each string ends where the next one starts."""
    import numpy as np

    if not len(array):
        return True
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    return not (offsets[1:] < offsets[:-1]).any()


def _is_sound(array: Any, *, full: bool = True) -> bool:
    import pyarrow as pa

    try:
        array.validate(full=full)
    except (pa.ArrowException, ValueError):
        return False
    return True


class TableCodec(Codec):
    """pyarrow Tables, which nobody can change."""

    name: ClassVar[str] = "table"
    tag: ClassVar[int] = 7
    compressible: ClassVar[bool] = False

    def can_encode(self, value: Any) -> bool:
        """Whether it is a pyarrow Table."""
        return type(value).__module__.startswith("pyarrow") and type(value).__name__ == "Table"

    def freeze(self, value: Any) -> Frozen:
        """The table itself; a copy of it where its memory may be that of numpy or pandas, or mostly others'."""
        own = is_own(value, value.nbytes)
        return self.refreeze(value if own else read_stream(b"".join(self.encode(value))))

    def refreeze(self, value: Any) -> Frozen:
        """The table itself."""
        summary = _summary("Table", value.num_rows, value.num_columns)
        overhead = overhead_of_table(value.num_columns)
        return Frozen(self, value, value.nbytes, summary, shared=True, overhead=overhead)

    def encode(self, data: Any) -> Sequence[Buffer]:
        """An IPC stream."""
        import pyarrow as pa

        try:
            return write_stream(data)
        except pa.ArrowException as exc:
            raise CodecError(f"a Table can't be written as an Arrow stream: {exc}", "Call combine_chunks()") from exc

    def decode(self, body: Buffer) -> Frozen:
        """A table over the body's memory."""
        return self.decode_part(body, WHOLE)

    def decode_part(self, body: Buffer, part: Part, fetch: Fetch | None = None) -> Frozen:
        """Some columns and rows over the body's memory."""
        return self.refreeze(read_checked(body, part, fetch))

    def thaw(self, data: Any) -> Any:
        """The table itself."""
        return data


class PolarsCodec(Codec):
    """polars DataFrames, as the Arrow tables that share their memory."""

    name: ClassVar[str] = "polars"
    tag: ClassVar[int] = 8
    compressible: ClassVar[bool] = False

    def can_encode(self, value: Any) -> bool:
        """Whether it is a polars DataFrame."""
        return type(value).__module__.startswith("polars") and type(value).__name__ == "DataFrame"

    def freeze(self, value: Any) -> Frozen:
        """A clone, which costs nothing; a copy where the memory may be that of numpy or pandas, or mostly others'.

        Raises:
            CodecError: A column would come back with another type.
        """
        held = _through_arrow(value)
        for name, dtype in value.schema.items():
            if held.get(name) != dtype:
                raise CodecError(
                    f"column {name!r} has the type {dtype}, which Arrow can't hold",
                    f"Convert it first: frame.with_columns(pl.col({name!r}).cast(pl.String))",
                )
        return self._wrap(_own(value))

    def refreeze(self, value: Any) -> Frozen:
        """A clone."""
        return self._wrap(value.clone())

    def encode(self, data: Any) -> Sequence[Buffer]:
        """An IPC stream."""
        return write_stream(_to_arrow(data))

    def decode(self, body: Buffer) -> Frozen:
        """A frame over the body's memory, as far as polars can."""
        return self.decode_part(body, WHOLE)

    def decode_part(self, body: Buffer, part: Part, fetch: Fetch | None = None) -> Frozen:
        """Some columns and rows over the body's memory, as far as polars can."""
        import polars as pl

        table = read_checked(body, part, fetch)
        if part.rows != WHOLE.rows and "fixed_size_list" in str(table.schema.types):
            # polars can't take such lists that are cut out of others
            return self._wrap(self.decode_part(body, Part(part.columns), fetch).data[part.rows])
        try:
            return self._wrap(pl.from_arrow(table))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError) as exc:
            raise CorruptPayload(f"the body is not a polars frame: {exc}") from exc

    def thaw(self, data: Any) -> Any:
        """A clone: polars copies what one of them changes."""
        return data.clone()

    def _wrap(self, frame: Any) -> Frozen:
        summary = _summary("DataFrame", frame.height, frame.width)
        overhead = overhead_of_table(frame.width)
        return Frozen(self, frame, int(frame.estimated_size()), summary, shared=True, overhead=overhead)


def _to_arrow(frame: Any) -> Any:
    import polars as pl

    return frame.to_arrow(compat_level=pl.CompatLevel.newest())


def _own(frame: Any) -> Any:
    import polars as pl

    table = _to_arrow(frame)
    own = is_own(table, frame.estimated_size(), exported=True)
    return frame.clone() if own else pl.from_arrow(read_stream(b"".join(write_stream(table))))


def _through_arrow(frame: Any) -> dict[str, Any]:
    """The types that the columns of a polars frame would come back with; those that fail are missing."""
    import polars as pl

    held: dict[str, Any] = {}
    for name in frame.columns:
        try:
            back: Any = pl.from_arrow(_to_arrow(frame.select(name).clear()))
            held.update(back.schema)
        except (pl.exceptions.PolarsError, ValueError, TypeError, NotImplementedError, pl.exceptions.PanicException):
            continue
    return held


def _summary(kind: str, rows: int, columns: int) -> dict[str, Any]:
    return {"type": kind, "rows": rows, "columns": columns}
