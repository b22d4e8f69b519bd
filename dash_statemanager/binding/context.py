"""Arguments, results and the context of one callback: references become values, and values references."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dash import Patch, no_update
from dash._callback_context import context_value

from ..api import definitions, get_state_manager
from ..chains import SETTLE_AT
from ..definitions import StoreDefinition
from ..gate import RAW
from ..handles import Stored
from ..reference import CHAIN, is_reference
from ..session import Visit, current_visit, enter_visit
from . import patch
from .names import app_name, clean_property, store_id
from .socket import Socket

CONVERTED = "_dash_statemanager"
"""Where the context of a callback keeps its conversion."""

COOKIE = re.compile(r"[\w.-]+_[0-9a-f]{8}")
"""Names of session cookies."""

Spec = Mapping[str, Any]
Leaf = Callable[[Any, Spec], Any]


def current_context() -> dict[str, Any] | None:
    """The context of the running callback, or None outside of one."""
    try:
        return context_value.get() or None
    except LookupError:
        return None


def is_leaf(spec: object) -> bool:
    """Whether a part of a grouping is one property of one component."""
    return isinstance(spec, dict) and isinstance(spec.get("property"), str) and "id" in spec


def walk(value: Any, spec: Any, leaf: Leaf) -> Any:
    """Applies `leaf(value, spec)` to each property of a grouping; what does not fit the grouping stays."""
    if is_leaf(spec):
        return leaf(value, spec)
    if isinstance(spec, dict) and isinstance(value, dict):
        return {key: walk(item, spec[key], leaf) if key in spec else item for key, item in value.items()}
    if isinstance(spec, list | tuple) and isinstance(value, list | tuple):
        items = [walk(item, part, leaf) for item, part in zip(value, spec, strict=False)]
        return (tuple if isinstance(value, tuple) else list)([*items, *value[len(spec) :]])
    return value


def leaves(spec: Any) -> Iterator[dict[str, Any]]:
    """All properties of a grouping."""
    if is_leaf(spec):
        yield spec
        return
    for part in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list | tuple) else ():
        if is_leaf(part):
            yield part
        else:
            yield from leaves(part)


class Conversion:
    """Turns the values of one callback to and fro.

    Args:
        context: Dash's context of the callback.
    """

    def __init__(self, context: dict[str, Any]) -> None:
        self._app = app_name(context.get("path") or "")
        self._values: dict[str, Any] = {}
        self._references: dict[str, Mapping[str, Any]] = {}

    @property
    def found(self) -> bool:
        """Whether there was anything to convert among the arguments."""
        return bool(self._values)

    def read(self, specs: Iterable[Spec], handles: Collection[str] = ()) -> None:
        """Reads, in one round trip, all references among inputs and states.

        Args:
            specs: Inputs and states.
            handles: Those whose arguments are handles: they are looked up, and read when they are used.
        """
        wanted: dict[str, tuple[Mapping[str, Any], StoreDefinition | None]] = {}
        opened: dict[str, tuple[Mapping[str, Any], StoreDefinition | None]] = {}
        for spec in specs:
            value: Any = spec.get("value")
            held = is_reference(value)
            if value is None or not (held or handles or clean_property(spec["property"]) == "data"):
                continue
            name, store = prop_id(spec), self._store(spec) if definitions or held else None
            handle = name in handles or (store is not None and store.lazy)
            if held or (store is not None and store.sealed):
                (opened if handle else wanted)[name] = value if held else RAW, store
            elif handle:
                self._values[name] = Stored.of(value)
        manager = get_state_manager()
        self._references = {name: reference for name, (reference, _) in {**wanted, **opened}.items()}
        if wanted:
            self._values.update(zip(wanted, manager.read_many(list(wanted.values())), strict=True))
        if opened:
            self._values.update(zip(opened, manager.open_many(list(opened.values())), strict=True))

    def read_one(self, spec: Spec) -> Any:
        """The value of a property that was asked for while the callback runs."""
        value: Any = spec.get("value")
        if self._refuses(spec) and not is_reference(value):
            return get_state_manager().read(RAW, self._store(spec))
        return get_state_manager().read(value, self._store(spec)) if is_reference(value) else value

    def value(self, value: Any, spec: Spec) -> Any:
        """The value of an argument: the same object wherever it appears."""
        return self._values.get(prop_id(spec), value)

    def context(self, context: dict[str, Any]) -> None:
        """Puts values in place of references into the context of the callback."""
        for name in ("inputs_list", "states_list", "args_grouping"):
            for spec in leaves(context.get(name)):
                if "value" in spec:
                    spec["value"] = self.value(spec["value"], spec)
        for name in ("input_values", "state_values"):
            values = context.get(name) or {}
            values.update({key: self._values[key] for key in values if key in self._values})
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
        written, targets = iter(get_state_manager().write_many(writes)), iter(stores)

        def send(item: Any, leaf: Spec) -> Any:
            if next(targets) is None:
                return item
            reference = next(written)
            links = self._long_chain(item, leaf)
            return patch.to_send(reference, next(written) if links else None, links)

        return walk(value, spec, send)

    def props(self, component_id: str | dict[str, Any], props: Mapping[str, Any]) -> dict[str, Any]:
        """What to send in place of properties that `set_props` sets."""
        specs = {name: {"id": component_id, "property": name} for name in props}
        converted: dict[str, Any] = self.write(dict(props), specs)
        return converted

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
        return [(store, get_state_manager().settle(self._references[prop_id(spec)], store))]

    def _store(self, spec: Spec) -> StoreDefinition | None:
        if clean_property(spec["property"]) != "data":
            return None
        return get_state_manager().find(self._app, store_id(spec["id"]))

    def _refuses(self, spec: Spec) -> bool:
        """Whether this is raw JSON at a sealed store."""
        if not definitions or spec.get("value") is None or spec["property"] != "data":
            return False
        store = self._store(spec)
        return store is not None and store.sealed


def prop_id(spec: Spec) -> str:
    """Name of a property of a component, as Dash writes it."""
    return f"{store_id(spec['id'])}.{clean_property(spec['property'])}"


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


def is_active(context: Mapping[str, Any]) -> bool:
    """Whether a callback can have to do with stores: in an app without any, nothing of ours is to run."""
    return bool(definitions) or any(is_reference(spec.get("value")) for spec in arguments(context)) or _is_job(context)


def enter(context: dict[str, Any], handles: Collection[str] = ()) -> Conversion:
    """Prepares the context of a callback, once, and returns what converts its arguments and results."""
    if (conversion := context.get(CONVERTED)) is None:
        adopt_session(context)
        conversion = convert(context, handles)
    return conversion


def convert(context: dict[str, Any], handles: Collection[str] = ()) -> Conversion:
    """Reads the references of a callback, and puts their values and what converts others into its context.

    Args:
        context: Dash's context of the callback.
        handles: Inputs and states whose arguments are handles.
    """
    conversion = context[CONVERTED] = Conversion(context)
    conversion.read(arguments(context), handles)
    if conversion.found:
        conversion.context(context)
    inner = context.get("updated_props")  # a background job's is empty, and passes on what is put into it
    context["updated_props"] = UpdatedProps({} if inner is None else inner, conversion)
    if (websocket := context.get("dash_websocket")) is not None:
        context["dash_websocket"] = Socket(websocket, conversion)
    return conversion


def arguments(context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Inputs and states, each with its value."""
    yield from leaves(context.get("inputs_list"))
    yield from leaves(context.get("states_list"))


def adopt_session(context: Mapping[str, Any]) -> None:
    """In a worker, where no request is: acts for the session whose cookies Dash carried along."""
    if current_visit() is None:
        headers = {name.lower(): value for name, value in (context.get("headers") or {}).items()}
        session, _ = get_state_manager().cookies.load((context.get("cookies") or {}).get)
        enter_visit(Visit(session, header=lambda name: headers.get(name.lower())))


def _is_job(context: Mapping[str, Any]) -> bool:
    """Whether this is a background job of an app with stores, in a process that knows none of them."""
    job = type(context.get("updated_props")).__name__ == "ProxySetProps"
    return job and any(COOKIE.fullmatch(name) for name in context.get("cookies") or {})
