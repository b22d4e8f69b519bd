"""What every chart is made of: roles that columns play, and a drawing with the table of its marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..summary import kind_of
from ..tables import title

Choices = Mapping[str, Any]


@dataclass(frozen=True)
class Role:
    """Something to choose for a chart: a column of some kinds, or one of fixed options.

    Attributes:
        name: Its key in the choices.
        label: What it is called on the page.
        kinds: The kinds of columns that can play it; empty where `options` are fixed.
        preferred: The columns to take first, if they are there.
        extra: Options beside the columns, as value and label.
        options: Fixed options, as value and label; the first is the default.
        optional: Whether it may stay empty.
    """

    name: str
    label: str
    kinds: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    optional: bool = False

    def offers(self, frame: pd.DataFrame) -> list[tuple[str, str]]:
        """Value and label of everything that can be chosen, given the columns of the frame."""
        columns = [(name, title(name)) for name in frame.columns if kind_of(frame[name]) in self.kinds]
        return [*self.options, *self.extra, *columns]

    def default(self, frame: pd.DataFrame) -> str | None:
        """What is chosen at first."""
        offered = [value for value, _ in self.offers(frame)]
        wanted = [name for name in self.preferred if name in offered]
        fallback = [] if self.optional else offered
        return next(iter([*wanted, *fallback]), None)

    def settle(self, frame: pd.DataFrame, chosen: str | None) -> str | None:
        """The choice as far as this frame has it, else the default."""
        known = {value for value, _ in self.offers(frame)}
        return chosen if chosen in known or (chosen is None and self.optional) else self.default(frame)


@dataclass(frozen=True)
class Drawing:
    """A chart, drawn.

    Attributes:
        figure: The figure; its `customdata` counts the rows of `marks`.
        marks: One row per mark that can be selected: sampled rows, bins, groups or routes.
        note: How much of the data it shows, in one sentence for people.
    """

    figure: go.Figure
    marks: pd.DataFrame
    note: str


class CannotDraw(ValueError):
    """The choices don't make a chart; the message says what to do."""


@dataclass(frozen=True)
class Chart:
    """One kind of chart.

    Attributes:
        name: Its key, and the name of its icon.
        label: What it is called on the page.
        roles: What can be chosen.
        draw: Makes the drawing from the frame and the choices, one per role.
    """

    name: str
    label: str
    roles: tuple[Role, ...]
    draw: Callable[[pd.DataFrame, Choices], Drawing]

    def settle(self, frame: pd.DataFrame, chosen: Choices) -> dict[str, str | None]:
        """A choice for every role: what was chosen where the frame has it, else the default."""
        return {
            role.name: role.settle(frame, chosen[role.name]) if role.name in chosen else role.default(frame)
            for role in self.roles
        }


def need(choices: Choices, *roles: str) -> list[str]:
    """The columns for these roles.

    Raises:
        CannotDraw: The result has no column for one of them.
    """
    if missing := [role for role in roles if not choices.get(role)]:
        raise CannotDraw(f"No column fits {' and '.join(missing)}. Add columns on the Query page.")
    return [choices[role] for role in roles]


def largest_groups(values: pd.Series, limit: int) -> pd.Series:
    """Texts of the `limit` most frequent values; the rest is `Other`, what is missing `Unknown`."""
    texts = values.astype("object").where(values.notna(), "Unknown").astype(str)
    kept = texts.value_counts().index[:limit]
    return texts.where(texts.isin(kept), "Other")


def in_bins(values: pd.Series, bins: int) -> pd.Series:
    """Numbers with many different values as the middles of equal bins; others as they are."""
    if kind_of(values) != "number" or values.nunique() <= bins:
        return values
    cut = pd.cut(values, bins)
    return cut.cat.rename_categories(cut.cat.categories.mid.to_numpy()).astype(float)


def count_of(part: int, whole: int, what: str = "rows") -> str:
    """`10,000 of 336,776 rows`, or `all 336,776 rows`."""
    return f"all {whole:,} {what}" if part == whole else f"{part:,} of {whole:,} {what}"


def rows_of(marks: pd.DataFrame) -> list[int]:
    """The marks' rows for `customdata`; as a plain list, since dcc.Graph leaves binary arrays out of its events."""
    return [int(row) for row in marks.index]
