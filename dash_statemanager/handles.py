"""Handles: values that are read when they are used, and only as much of them as is used."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from .codecs import Codecs
from .codecs.part import Part, schema
from .errors import PartError
from .scan import lazy_frame, relation

if TYPE_CHECKING:
    import duckdb
    import polars

T = TypeVar("T")


class Stored(Generic[T]):
    """A value on the server that has not been read yet.

    A callback gets one where it annotates an argument with it, or where the store is a `ServerStore(lazy=True)`. An
    empty store gives None, as ever.

    Example:
        ```python
        @callback(Output("page", "rowData"), Input("table", "paginationInfo"), State("data", "data"))
        def page(info, data: Stored[pd.DataFrame] | None):
            return data.rows(100 * info["page"], 100).to_dict("records") if data else []
        ```
    """

    def __init__(self, read: Callable[[], T], part: Callable[[Part], T], size: Callable[[], int]) -> None:
        self._read, self._part, self._size = read, part, size

    @classmethod
    def of(cls, value: T) -> Stored[T]:
        """A handle of a value at hand: for tests that call a callback's function."""
        return cls(lambda: value, lambda part: part.of(value), lambda: Codecs().freeze(value, "python").nbytes)

    @cached_property
    def value(self) -> T:
        """The whole value, as a callback gets it without a handle; read once, and then the same object."""
        return self._read()

    @cached_property
    def nbytes(self) -> int:
        """How many bytes it takes where it is kept, patches included; of a value in memory, those there."""
        return self._size()

    @cached_property
    def schema(self) -> Mapping[Hashable, Any]:
        """Column labels and types of a table, in the words of its library; no row is read.

        Raises:
            PartError: The value is no table.
        """
        return schema(self._take(Part(limit=0)))

    def columns(self, labels: Sequence[Hashable]) -> T:
        """Some columns of a table, in this order; the others are not read.

        Raises:
            PartError: One is not there, or the value is no table.
        """
        return self._take(Part(labels))

    def rows(self, offset: int = 0, limit: int | None = None, *, columns: Sequence[Hashable] | None = None) -> T:
        """Some rows of a table; the others are not read. Fewer where it ends earlier.

        Args:
            offset: The first row, counted from 0.
            limit: How many; None for all that follow.
            columns: Which columns of them; None for all.

        Raises:
            PartError: A number is negative, a column is not there, or the value is no table.
        """
        return self._take(Part(columns, offset, limit))

    @overload
    def scan(self, engine: Literal["polars"] = "polars") -> polars.LazyFrame: ...

    @overload
    def scan(self, engine: Literal["duckdb"]) -> duckdb.DuckDBPyRelation: ...

    def scan(self, engine: Literal["polars", "duckdb"] = "polars") -> Any:
        """The table for queries: a LazyFrame, which reads the columns that the query needs, or a DuckDB relation.

        An index of pandas is left out: call `reset_index()` before the table is stored where a query needs it.

        Args:
            engine: `polars` or `duckdb`.

        Raises:
            MissingExtra: The engine is not installed.
            PartError: The value is no table.
            CodecError: Arrow can't hold one of the columns.
        """
        return {"polars": lazy_frame, "duckdb": relation}[engine](self._take)

    def __repr__(self) -> str:
        """Does not read the value."""
        return f"<Stored, {'read' if 'value' in self.__dict__ else 'not read'}>"

    def _take(self, part: Part) -> T:
        found = self._part(part)
        if found is None:
            raise PartError("the value has gone: it expired or was deleted", "Use .value, which is None then")
        return found
