"""The controls of the Query page, made from a form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from . import data
from .tables import COLUMN, TABLES, Column, Kind, columns_of
from .ui import aria

SHOWN_CHOICES = 60


def table_chips(chosen: Sequence[str]) -> dmc.ChipGroup:
    """One chip per table that can be joined."""
    chips = [dmc.Chip(table.label, value=table.name, size="xs", radius="sm") for table in TABLES[1:]]
    return dmc.ChipGroup(dmc.Group(chips, gap=6), id="tables", multiple=True, value=list(chosen))


def column_options(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """Options of a select, in one group per table."""
    groups: dict[str, list[dict[str, str]]] = {table.label: [] for table in TABLES}
    labels = {table.name: table.label for table in TABLES}
    for column in columns:
        groups[labels[column.table]].append({"value": column.name, "label": column.title})
    return [{"group": label, "items": items} for label, items in groups.items() if items]


def column_select(form: Mapping[str, Any]) -> dmc.MultiSelect:
    """Which columns the result has."""
    return dmc.MultiSelect(
        id="columns",
        data=column_options(columns_of(form["tables"])),
        value=form["columns"],
        placeholder="Choose columns",
        searchable=True,
        clearable=True,
        hidePickedOptions=True,
        size="xs",
        className="tall-select",
        nothingFoundMessage="No such column",
        **aria(label="Columns"),
    )


def filter_select(form: Mapping[str, Any]) -> dmc.MultiSelect:
    """Which columns have a filter."""
    return dmc.MultiSelect(
        id="filtered",
        data=column_options(filterable(form["tables"])),
        value=list(form["filters"]),
        placeholder="Add a filter",
        searchable=True,
        hidePickedOptions=True,
        size="xs",
        className="tall-select",
        **aria(label="Filtered columns"),
    )


def filterable(tables: Iterable[str]) -> list[Column]:
    """The columns with more than one value."""
    return [column for column in columns_of(tables) if column.kind == "category" or _differ(column)]


def _differ(column: Column) -> bool:
    low, high = data.bounds(column.name)
    return bool(low != high)


def filter_controls(filters: Mapping[str, Any]) -> list[html.Div]:
    """One control per filter, with its value; a value of None is the full extent."""
    return [
        html.Div([_heading(COLUMN[name]), _CONTROLS[COLUMN[name].kind](COLUMN[name], value)], className="filter")
        for name, value in filters.items()
    ]


def by_column(ids: Sequence[Mapping[str, str]], values: Sequence[Any]) -> dict[str, Any]:
    """What the filter controls are set to, by column."""
    return {one["column"]: value for one, value in zip(ids, values, strict=True)}


def _heading(column: Column) -> dmc.Group:
    value = html.Span(id={"type": "filter-text", "kind": column.kind, "column": column.name}, className="filter-value")
    return dmc.Group([dmc.Text(column.title, size="xs", fw=600), value], justify="space-between", gap="xs")


def _id(column: Column) -> dict[str, str]:
    return {"type": "filter", "kind": column.kind, "column": column.name}


def _range(column: Column, value: Sequence[float] | None) -> dmc.RangeSlider:
    low, high = (float(bound) for bound in data.bounds(column.name))
    steps = (high - low) / 200
    return dmc.RangeSlider(
        id=_id(column),
        min=low,
        max=high,
        step=1 if low.is_integer() and high.is_integer() and steps < 50 else round(steps, 2),
        minRange=0,
        value=list(value or (low, high)),
        updatemode="drag",
        size="sm",
        label=None,
        mt=6,
        mb=4,
        thumbFromLabel=f"{column.title}, from",
        thumbToLabel=f"{column.title}, to",
    )


def _dates(column: Column, value: Sequence[str | None] | None) -> dmc.DatePickerInput:
    first, last = (f"{bound:%Y-%m-%d}" for bound in data.bounds(column.name))
    return dmc.DatePickerInput(
        id=_id(column),
        type="range",
        value=list(value or (first, last)),
        minDate=first,
        maxDate=last,
        valueFormat="D MMM YYYY",
        allowSingleDateInRange=True,
        size="xs",
        mt=4,
        **aria(label=column.title),
    )


def _choice(column: Column, value: Sequence[str] | None) -> dmc.MultiSelect:
    return dmc.MultiSelect(
        id=_id(column),
        data=list(data.choices(column.name)),
        value=list(value or ()),
        placeholder="" if value else "any",
        searchable=True,
        clearable=True,
        limit=SHOWN_CHOICES,
        size="xs",
        mt=4,
        **aria(label=column.title),
    )


_CONTROLS: dict[Kind, Callable[[Column, Any], Any]] = {"number": _range, "date": _dates, "category": _choice}
