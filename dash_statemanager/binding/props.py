"""What `set_props` collects, with references for values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context import Conversion


class UpdatedProps(dict[str, Any]):
    """What `set_props` collects: stores are written at the time of the call.

    Args:
        inner: Dash's own collection, which in a background job sends at once.
        conversion: Writes.
    """

    def __init__(self, inner: dict[str, Any], conversion: Conversion) -> None:
        super().__init__(inner)
        self._inner, self._conversion, self._held = inner, conversion, False

    def __setitem__(self, component_id: str, props: dict[str, Any]) -> None:
        if not self._held:
            props = self._conversion.props(component_id, props)
            self._inner[component_id] = props
        super().__setitem__(component_id, props)

    def hold(self) -> None:
        """Puts the writing off, for callbacks on an event loop, where nothing is sent before they end."""
        self._held = type(self._inner) is dict

    async def release(self) -> None:
        """Writes, in a thread, what was put off."""
        if self._held:
            self._held = False
            if self:
                await asyncio.to_thread(self._set_each, dict(self))

    def _set_each(self, changes: Mapping[str, dict[str, Any]]) -> None:
        for component_id, props in changes.items():
            self[component_id] = props
