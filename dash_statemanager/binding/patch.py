"""`dash.Patch`: what is stored of it, and what goes to the browser in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Patch

from ..handles import Stored
from ..patches import Operations
from ..reference import CHAIN


def to_write(value: Any) -> Any:
    """What to write for a value that a callback returned: of a patch its operations, of a handle its value."""
    if isinstance(value, Patch):
        return Operations(value.to_plotly_json()["operations"])
    return value.value if isinstance(value, Stored) else value


def to_send(reference: Any, settlement: Any = None, links: Sequence[Any] = ()) -> Any:
    """What to send for what was written: for a patch, one that appends its name to the tab's chain.

    Args:
        reference: A reference, or the name of a patch.
        settlement: The name of a settlement, or None.
        links: What the settlement stands for.
    """
    if not isinstance(reference, str):
        return reference
    patch = LinkPatch()
    if settlement is not None:
        for link in links:
            patch[CHAIN].remove(link)
        patch[CHAIN].prepend(settlement)
    patch[CHAIN].append(reference)
    return patch


class LinkPatch(Patch):
    """A patch that was stored already: it travels as it is."""
