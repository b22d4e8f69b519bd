"""`dash.Patch`: what is stored of it, and what goes to the browser in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Patch

from ..handles import Stored
from ..patches import Operations
from ..reference import CHAIN, PatchLink


def to_write(value: Any) -> Any:
    """What to write for a value that a callback returned: of a patch its operations, of a handle its value."""
    if isinstance(value, Patch):
        return Operations(value.to_plotly_json()["operations"])
    return value.value if isinstance(value, Stored) else value


def to_send(reference: Any, settlement: PatchLink | None = None, links: Sequence[Any] = ()) -> Any:
    """What to send for what was written: for a patch, one that appends its name to the tab's chain.

    Args:
        reference: What a browser is to hold, or the link of a patch.
        settlement: The link of a settlement, or None.
        links: What the settlement stands for.
    """
    if not isinstance(reference, PatchLink):
        return reference
    patch = LinkPatch()
    if settlement is not None:
        for link in links:
            patch[CHAIN].remove(link)
        patch[CHAIN].prepend(settlement.link)
    patch[CHAIN].append(reference.link)
    return patch


class LinkPatch(Patch):
    """A patch that was stored already: it travels as it is."""
