"""Tables for query engines, which ask for the columns that a query needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .codecs.part import Part, schema
from .errors import CodecError, MissingExtra

if TYPE_CHECKING:
    import duckdb
    import polars

Read = Callable[[Part], Any]


def lazy_frame(read: Read) -> polars.LazyFrame:
    """A LazyFrame over a table.

    Args:
        read: Gives a part of the table, of any library.
    """
    pl = _engine("polars")
    register = import_module("polars.io.plugins").register_io_source
    labels = {str(label): label for label in schema(read(Part(limit=0)))}
    types = _types(pl, read)

    def source(columns: list[str] | None, predicate: Any, rows: int | None, _: int | None) -> Iterator[Any]:
        names = list(labels) if columns is None else columns
        part = Part([labels[name] for name in names], 0, rows)
        frame = pl.from_arrow(as_arrow(read(part))).cast({name: types[name] for name in names})
        yield frame if predicate is None else frame.filter(predicate)

    frame: polars.LazyFrame = register(source, schema=types)
    return frame


def relation(read: Read) -> duckdb.DuckDBPyRelation:
    """A relation over a table, with a connection of its own.

    Args:
        read: Gives a part of the table, of any library.
    """
    found: duckdb.DuckDBPyRelation = _engine("duckdb").connect().from_arrow(as_arrow(read(Part())))
    return found


def as_arrow(table: Any) -> Any:
    """A table of any library as one of pyarrow, without an index. Raises `CodecError` for what Arrow can't hold."""
    import pyarrow as pa

    try:
        if hasattr(table, "iloc"):
            named = table.set_axis(map(str, table.columns), axis=1)
            return pa.Table.from_pandas(named, preserve_index=False, nthreads=1)  # we are a thread of polars
        return table.to_arrow() if hasattr(table, "to_arrow") else table
    except (pa.ArrowException, ValueError, TypeError) as exc:
        raise CodecError(
            f"the table can't be had as Arrow: {exc}", "Convert that column, or read all of it: .value"
        ) from exc


def _types(pl: Any, read: Read) -> dict[str, Any]:
    """The columns' types in polars: seen without a row, but for those that only values tell."""
    types = dict(pl.from_arrow(as_arrow(read(Part(limit=0)))).schema)
    for label in schema(read(Part(limit=0))):
        if types[str(label)] == pl.Null:
            types.update(pl.from_arrow(as_arrow(read(Part([label])))).schema)
    return types


def _engine(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        raise MissingExtra(f"scan({name!r}) needs {exc.name}, which is not installed", f"pip install {name}") from exc
