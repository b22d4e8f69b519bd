"""Whether stores arrive under the names that a callback declared: Dash compares those of outputs only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from dash.exceptions import PreventUpdate

from ..api import definitions, get_state_manager
from ..definitions import fits
from ..reference import is_reference
from .grouping import Spec, leaves
from .names import app_name, store_id

__all__ = ["Declared", "check", "check_async", "declared_of"]


class Declared(NamedTuple):
    """A `data` among the inputs and states of a callback.

    Attributes:
        place: Which of them it is.
        id: The id as Dash writes it in requests; with wildcards a pattern.
    """

    place: int
    id: str


def declared_of(callback: Mapping[str, Any]) -> Sequence[Declared]:
    """What may be a store among the inputs and states that Dash keeps of a callback."""
    specs = [*callback.get("inputs", ()), *callback.get("state", ())]
    return [Declared(place, spec["id"]) for place, spec in enumerate(specs) if spec["property"] == "data"]


def check(context: Mapping[str, Any], declared: Iterable[Declared]) -> None:
    """Makes sure that these arrived as they were declared; else a sealed store could be passed by under another name.

    Raises:
        PreventUpdate: One did not.
    """
    if doubtful := _compared(context, declared):
        _look_up(context, doubtful)


async def check_async(context: Mapping[str, Any], declared: Iterable[Declared]) -> None:
    """As `check`; what may wait for the backend is done in a thread."""
    if doubtful := _compared(context, declared):
        await asyncio.to_thread(_look_up, context, doubtful)


def _compared(context: Mapping[str, Any], declared: Iterable[Declared]) -> list[str]:
    """Compares names; returns ids under which raw JSON arrived among those of sealed stores."""
    parts = [*(context.get("inputs_list") or ()), *(context.get("states_list") or ())]
    doubtful: list[str] = []
    for place, name in declared:
        part = parts[place] if place < len(parts) else None
        if isinstance(part, dict) and part.get("id") == name and part.get("property") == "data":
            continue
        pattern = _pattern(name)
        for leaf in leaves(part):
            arrived = store_id(leaf["id"])
            if leaf["property"] != "data" or (arrived != name if pattern is None else not fits(arrived, pattern)):
                raise _refused()
            if pattern is not None and _is_raw(leaf) and any(store.sealed for store in definitions.like(name)):
                doubtful.append(arrived)
    return doubtful


def _look_up(context: Mapping[str, Any], ids: Iterable[str]) -> None:
    """Makes sure that somebody made the stores with these ids."""
    manager, app = get_state_manager(), app_name(context.get("path") or "")
    if None in [manager.find(app, name) for name in ids]:
        raise _refused()


def _refused() -> PreventUpdate:
    get_state_manager().gate.refuse("a request for other stores than its callback has")
    return PreventUpdate()


def _is_raw(leaf: Spec) -> bool:
    return leaf.get("value") is not None and not is_reference(leaf["value"])


@lru_cache(1000)
def _pattern(name: str) -> dict[str, Any] | None:
    parts = orjson.loads(name) if name.startswith("{") else {}
    return parts if any(isinstance(part, list) for part in parts.values()) else None
