"""Figures about every column of a DataFrame: what the Profile page shows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

BARS = 28
TOP = 5


@dataclass(frozen=True)
class Bar:
    """One bar of a small histogram: what it stands for, how many rows, and how many that is of the highest bar."""

    label: str
    count: int
    height: float


@dataclass(frozen=True)
class Summary:
    """What there is to say about one column.

    Attributes:
        name: The column.
        kind: `number`, `date` or `category`.
        dtype: Its type in pandas.
        rows: How many rows there are.
        missing: In how many of them the value is missing.
        distinct: How many different values there are.
        facts: Title and value, for people: minimum, mean and maximum, or the most frequent values.
        bars: A small histogram of all rows, or the most frequent values.
    """

    name: str
    kind: str
    dtype: str
    rows: int
    missing: int
    distinct: int
    facts: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]

    @property
    def missing_share(self) -> float:
        """Missing values as a share of all rows, 0 to 1."""
        return self.missing / self.rows if self.rows else 0.0


def summarize(frame: pd.DataFrame) -> list[Summary]:
    """One summary per column, in the order of the columns."""
    return [summarize_column(frame[name]) for name in frame.columns]


def summarize_column(values: pd.Series) -> Summary:
    """The summary of one column."""
    kind = kind_of(values)
    present = values.dropna()
    facts, bars = _DESCRIBE[kind](present) if len(present) else ((), ())
    return Summary(
        name=str(values.name),
        kind=kind,
        dtype=str(values.dtype),
        rows=len(values),
        missing=len(values) - len(present),
        distinct=int(present.nunique()),
        facts=tuple(facts),
        bars=tuple(bars),
    )


def kind_of(values: pd.Series) -> str:
    """`number`, `date` or `category`, by the type of the column."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return "date"
    return "number" if pd.api.types.is_numeric_dtype(values) else "category"


def _describe_numbers(present: pd.Series) -> tuple[list[tuple[str, str]], list[Bar]]:
    facts = [
        ("Min", number(present.min())),
        ("Median", number(present.median())),
        ("Mean", number(present.mean())),
        ("Max", number(present.max())),
    ]
    return facts, _bars_of_numbers(present)


def _bars_of_numbers(present: pd.Series) -> list[Bar]:
    """One bar per value where they are few, else bins of equal width."""
    values = present.value_counts().sort_index()
    if len(values) <= BARS:
        return _bars([number(value) for value in values.index], values.tolist())
    counts, edges = np.histogram(present, bins=BARS)
    return _bars([f"{number(low)} to {number(high)}" for low, high in pairwise(edges)], counts.tolist())


def _describe_dates(present: pd.Series) -> tuple[list[tuple[str, str]], list[Bar]]:
    facts = [("First", f"{present.min():%d %b %Y}"), ("Last", f"{present.max():%d %b %Y}")]
    counts, edges = np.histogram(present.astype("int64"), bins=BARS)
    starts = pd.to_datetime(edges[:-1].astype("int64"), unit=present.dt.unit)
    return facts, _bars([f"from {start:%d %b %Y}" for start in starts], counts.tolist())


def _describe_categories(present: pd.Series) -> tuple[list[tuple[str, str]], list[Bar]]:
    counts = present.value_counts()
    counts = counts[counts > 0]
    facts = [(str(value), f"{count:,}") for value, count in counts.head(TOP).items()]
    bars = counts.head(BARS)
    return facts, _bars([str(value) for value in bars.index], bars.tolist())


_DESCRIBE = {"number": _describe_numbers, "date": _describe_dates, "category": _describe_categories}


def _bars(labels: list[str], counts: list[int]) -> list[Bar]:
    highest = max(counts)
    return [Bar(label, count, count / highest) for label, count in zip(labels, counts, strict=True)]


def number(value: float) -> str:
    """A number for people: `1,234`, `12.34`, `-0.5`."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
