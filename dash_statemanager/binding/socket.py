"""Websocket callbacks: `ctx.websocket` with values for references."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .names import store_id

if TYPE_CHECKING:
    from .context import Conversion


class Socket:
    """Dash's `DashWebsocketCallback`, whose properties of stores are values.

    Args:
        inner: Dash's own.
        conversion: Reads and writes.
    """

    def __init__(self, inner: Any, conversion: Conversion) -> None:
        self._inner, self._conversion = inner, conversion

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def set_prop_sync(self, component_id: str | dict[str, Any], name: str, value: Any) -> None:
        """Sends a property at once; of a store, its reference."""
        self._inner.set_prop_sync(component_id, name, self._conversion.props(component_id, {name: value})[name])

    async def set_prop(self, component_id: str | dict[str, Any], name: str, value: Any) -> None:
        """As `set_prop_sync`, without holding up the event loop."""
        props = await asyncio.to_thread(self._conversion.props, component_id, {name: value})
        await self._inner.set_prop(component_id, name, props[name])

    async def get_prop(self, component_id: str | dict[str, Any], name: str, *args: Any, **kwargs: Any) -> Any:
        """A property as the page has it now; of a store, its value."""
        value = await self._inner.get_prop(store_id(component_id), name, *args, **kwargs)
        spec = {"id": component_id, "property": name, "value": value}
        return await asyncio.to_thread(self._conversion.read_one, spec)
