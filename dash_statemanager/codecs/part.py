"""Parts of tables: some columns, some rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import PartError

_LIBRARIES = ("pandas", "geopandas", "polars", "pyarrow")


def is_table(value: object) -> bool:
    """Whether a value is a frame or table of any library; imports none of them."""
    return type(value).__module__.split(".")[0] in _LIBRARIES and hasattr(value, "columns")


@dataclass(frozen=True)
class Part:
    """Some columns and rows of a table; without arguments all of them.

    Args:
        columns: Labels, in the order that is wanted; None for all.
        offset: The first row, counted from 0.
        limit: How many rows at most; None for all that follow.

    Raises:
        PartError: `columns` is one label instead of a list, or a number is not one that counts rows.
    """

    columns: Sequence[Hashable] | None = None
    offset: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.columns, str | bytes):
            raise PartError(f"columns={self.columns!r} is one label", f"Pass a list: [{self.columns!r}]")
        for name, number in (("offset", self.offset), ("limit", 0 if self.limit is None else self.limit)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise PartError(f"{name}={number!r} counts no rows", "Pass a whole number, 0 or more")

    @property
    def rows(self) -> slice:
        """The rows, as Python counts them."""
        return slice(self.offset, None if self.limit is None else self.offset + self.limit)

    def of(self, value: Any) -> Any:
        """This part of a table, in the type of that table. Raises `PartError` for what is none."""
        if not is_table(value):
            raise PartError(f"a {type(value).__name__} has no columns and rows", "Read all of it: .value")
        if hasattr(value, "iloc"):
            return self._of_pandas(value)
        return self.of_arrow(value)

    def of_arrow(self, table: Any) -> Any:
        """This part of a pyarrow Table or a polars DataFrame, over the same memory."""
        names = list(table.column_names if hasattr(table, "column_names") else table.columns)
        if (positions := self.positions(names)) is not None:
            table = table.select(positions if hasattr(table, "column_names") else [names[at] for at in positions])
        return table.slice(min(self.offset, len(table)), self.limit)

    def positions(self, labels: Iterable[Hashable]) -> list[int] | None:
        """Where the columns are among all labels, several for one that is there twice; None for all.

        Raises:
            PartError: One is not there.
        """
        if self.columns is None:
            return None
        labels = list(labels)
        found = {label: [at for at, known in enumerate(labels) if _same(known, label)] for label in self.columns}
        missing = [label for label, places in found.items() if not places]
        if missing:
            known = ", ".join(map(repr, labels[:20])) + (", ..." if len(labels) > 20 else "")
            raise PartError(f"there is no column {', '.join(map(repr, missing))}", f"There are: {known or 'none'}")
        return [at for label in self.columns for at in found[label]]

    def _of_pandas(self, frame: Any) -> Any:
        rows, positions = frame.iloc[self.rows], self.positions(frame.columns)
        return rows if positions is None else rows.iloc[:, positions]


WHOLE = Part()


def schema(table: Any) -> Mapping[Hashable, Any]:
    """Column labels and types of a table, in the words of its library."""
    if hasattr(table, "iloc"):
        return dict(zip(table.columns, table.dtypes, strict=True))
    return (
        dict(table.schema)
        if isinstance(table.schema, dict)
        else dict(zip(table.column_names, table.schema.types, strict=True))
    )


def _same(left: Any, right: Any) -> bool:
    """Equality of labels, where NaN is one as well, and so is pd.NA, which doesn't compare."""
    try:
        return bool(left == right) or bool(left != left and right != right)
    except TypeError:
        return left is right
