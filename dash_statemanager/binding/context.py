"""Arguments, results and the context of one callback: references become values, and values references."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from dash import Patch, no_update

from ..api import definitions, get_state_manager
from ..chains import SETTLE_AT
from ..definitions import StoreDefinition
from ..errors import BackendError
from ..gate import RAW
from ..handles import Stored
from ..reference import CARRIED, CHAIN, is_reference
from ..session import before_response, current_visit
from . import patch
from .grouping import Spec, leaves, prop_id, walk
from .names import app_name, clean_property, store_id
from .props import UpdatedProps
from .running import adopt_session, arguments, is_job
from .socket import Socket

CONVERTED = "_dash_statemanager"
"""Where the context of a callback keeps its conversion."""

Asked = dict[str, tuple[Mapping[str, Any], StoreDefinition | None]]
"""By name of a property its reference, and the store that it is of."""


class Conversion:
    """Turns the values of one callback to and fro.

    Args:
        context: Dash's context of the callback.
    """

    def __init__(self, context: dict[str, Any]) -> None:
        self._app = app_name(context.get("path") or "")
        self._values: dict[str, Any] = {}
        self._references: dict[str, Mapping[str, Any]] = {}
        self._places: list[tuple[str, dict[str, Any]]] = []
        self._later = False

    @property
    def found(self) -> bool:
        """Whether there was anything to convert among the arguments."""
        return bool(self._values)

    def read(self, specs: Iterable[dict[str, Any]], handles: Collection[str] = ()) -> None:
        """Reads, in one round trip, all references among inputs and states.

        Args:
            specs: Inputs and states.
            handles: Those whose arguments are handles: they are looked up, and read when they are used.
        """
        if (read := self._read_at_hand(specs, handles)) is not None:
            read()

    async def read_async(self, specs: Sequence[dict[str, Any]], handles: Collection[str] = ()) -> None:
        """As `read`; what may wait for the backend, or takes long, is done in a thread."""
        if all(map(self._is_light, specs)):
            read = self._read_at_hand(specs, handles)
        else:
            read = partial(self.read, specs, handles)
        if read is not None:
            await asyncio.to_thread(read)

    def _read_at_hand(self, specs: Iterable[dict[str, Any]], handles: Collection[str]) -> Callable[[], None] | None:
        """Reads what is at hand; returns what reads the rest, if there is any."""
        wanted, opened = self._sort(specs, handles)
        if opened:
            return partial(self._read_all, wanted, opened)
        if not wanted:
            return None
        values, read = get_state_manager().exchange.read_at_hand(list(wanted.values()))
        if values is None:
            return lambda: self._values.update(zip(wanted, read(), strict=True))
        self._values.update(zip(wanted, values, strict=True))
        return None

    def _sort(self, specs: Iterable[dict[str, Any]], handles: Collection[str]) -> tuple[Asked, Asked]:
        """By name, what is wanted as a value, and what as a handle."""
        wanted: Asked = {}
        opened: Asked = {}
        for spec in specs:
            value: Any = spec.get("value")
            held = is_reference(value)
            if value is None or not (held or handles or clean_property(spec["property"]) == "data"):
                continue
            name, store = prop_id(spec), self._store(spec) if definitions or held else None
            handle = name in handles or (store is not None and store.lazy)
            if held or (store is not None and store.sealed):
                (opened if handle else wanted)[name] = value if held else RAW, store
                if held:
                    self._references[name] = value
            elif handle:
                self._values[name] = Stored.of(value)
            else:
                continue
            self._places.append((name, spec))
        return wanted, opened

    def _read_all(self, wanted: Asked, opened: Asked) -> None:
        manager = get_state_manager()
        self._values.update(zip(wanted, manager.read_many(list(wanted.values())), strict=True))
        self._values.update(zip(opened, manager.exchange.open_many(list(opened.values())), strict=True))

    def read_one(self, spec: Spec) -> Any:
        """The value of a property that was asked for while the callback runs."""
        value: Any = spec.get("value")
        if self._refuses(spec) and not is_reference(value):
            return get_state_manager().read(RAW, self._store(spec))
        return get_state_manager().read(value, self._store(spec)) if is_reference(value) else value

    def context(self, context: dict[str, Any]) -> None:
        """Puts values in place of references into the context of the callback: one object wherever it appears."""
        if not self._values:
            return
        for name, spec in self._places:
            spec["value"] = self._values[name]
        for leaf in leaves(context.get("args_grouping")):
            if leaf.get("value") is not None and (name := prop_id(leaf)) in self._values:
                leaf["value"] = self._values[name]
        for values in (context.get("input_values") or {}, context.get("state_values") or {}):
            values.update({name: value for name, value in self._values.items() if name in values})
        for triggered in context.get("triggered_inputs") or []:
            triggered["value"] = self._values.get(triggered["prop_id"], triggered["value"])

    def write(self, value: Any, spec: Any) -> Any:
        """What to send in place of a result: all its stores are written in one round trip."""
        writes: list[tuple[StoreDefinition, Any]] = []
        stores: list[StoreDefinition | None] = []

        def collect(item: Any, leaf: Spec) -> Any:
            stores.append(store := self._target(item, leaf))
            if store is not None:
                writes.append((store, patch.to_write(item)))
                writes.extend(self._settlement(store, item, leaf))
            return item

        walk(value, spec, collect)
        if not writes:
            return value
        written, targets = iter(self._write(writes)), iter(stores)

        def send(item: Any, leaf: Spec) -> Any:
            if next(targets) is None:
                return item
            reference = next(written)
            links = self._long_chain(item, leaf)
            return patch.to_send(reference, next(written) if links else None, links)

        return walk(value, spec, send)

    async def look_up(self, specs: Iterable[Spec]) -> None:
        """Makes it known which outputs are stores, in a thread where the backend is to be asked."""
        for spec in specs:
            if not self._is_known(spec):
                with suppress(BackendError):  # it is met again where they are written
                    await asyncio.to_thread(self._store, spec)

    def write_later(self) -> None:
        """From now on lets an event loop go on: what is written then is written before the response leaves."""
        self._later = True

    def props(self, component_id: str | dict[str, Any], props: Mapping[str, Any]) -> dict[str, Any]:
        """What to send in place of properties that `set_props` sets."""
        specs = {name: {"id": component_id, "property": name} for name in props}
        converted: dict[str, Any] = self.write(dict(props), specs)
        return converted

    def _write(self, writes: Sequence[tuple[StoreDefinition, Any]]) -> list[Any]:
        if not self._later:
            return get_state_manager().write_many(writes)
        sent, write = get_state_manager().exchange.prepare_many(writes)
        before_response(write)
        return sent

    def _target(self, value: Any, spec: Spec) -> StoreDefinition | None:
        """The store that a result goes to, or None for what travels as it is."""
        if clean_property(spec["property"]) != "data" or value is None or isinstance(value, type(no_update)):
            return None
        return None if is_reference(value) or isinstance(value, patch.LinkPatch) else self._store(spec)

    def _long_chain(self, value: Any, spec: Spec) -> Sequence[Any]:
        """The links of the reference that a patch is for, if they are worth settling and known from the arguments."""
        links: Sequence[Any] = ()
        if isinstance(value, Patch):
            links = self._references.get(prop_id(spec), {}).get(CHAIN, ())
        return links if len(links) >= SETTLE_AT else ()

    def _settlement(self, store: StoreDefinition, value: Any, spec: Spec) -> list[tuple[StoreDefinition, Any]]:
        if not self._long_chain(value, spec):
            return []
        return [(store, get_state_manager().exchange.settle(self._references[prop_id(spec)], store))]

    def _store(self, spec: Spec) -> StoreDefinition | None:
        if clean_property(spec["property"]) != "data":
            return None
        return get_state_manager().find(self._app, store_id(spec["id"]))

    def _is_light(self, spec: Spec) -> bool:
        """Whether it is known how an argument is kept, and its value does not travel with it."""
        value: Any = spec.get("value")
        if is_reference(value) and CARRIED in value:
            return False
        return value is None or self._is_known(spec)

    def _is_known(self, spec: Spec) -> bool:
        """Whether it is known without the backend of which store this is a property, if of any."""
        known = get_state_manager().definitions.can_tell
        return clean_property(spec["property"]) != "data" or known(self._app, store_id(spec["id"]))

    def _refuses(self, spec: Spec) -> bool:
        """Whether this is raw JSON at a sealed store."""
        if not definitions or spec.get("value") is None or spec["property"] != "data":
            return False
        store = self._store(spec)
        return store is not None and store.sealed


def argument(value: Any, spec: Spec) -> Any:
    """The value of an argument, once values are in the context."""
    return spec.get("value", value)


def enter(context: dict[str, Any], handles: Collection[str] = ()) -> Conversion:
    """Prepares the context of a callback, once, and returns what converts its arguments and results.

    Args:
        context: Dash's context of the callback.
        handles: Inputs and states whose arguments are handles.
    """
    if (conversion := context.get(CONVERTED)) is None:
        conversion = _begin(context)
        conversion.read(arguments(context), handles)
        _convert(context, conversion)
    return conversion


async def enter_async(context: dict[str, Any], handles: Collection[str] = ()) -> Conversion:
    """As `enter`; what may wait for the backend is done in a thread."""
    if (conversion := context.get(CONVERTED)) is None:
        conversion = _begin(context)
        await conversion.read_async(arguments(context), handles)
        _convert(context, conversion)
    return conversion


def _begin(context: dict[str, Any]) -> Conversion:
    if current_visit() is None or is_job(context):  # a forked worker has the visit of the request that started it
        adopt_session(context)
    conversion = context[CONVERTED] = Conversion(context)
    return conversion


def _convert(context: dict[str, Any], conversion: Conversion) -> None:
    """Puts values in place of references, and what converts others, into the context of a callback."""
    conversion.context(context)
    inner = context.get("updated_props")  # a background job's is empty, and passes on what is put into it
    context["updated_props"] = UpdatedProps({} if inner is None else inner, conversion)
    if (websocket := context.get("dash_websocket")) is not None:
        context["dash_websocket"] = Socket(websocket, conversion)
