"""ServerStore: on the wire a plain `dcc.Store` that holds a reference."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from dash import dcc

from .api import definitions, get_state_manager, load_script
from .binding.names import app_name, store_id
from .definitions import HOUR, Clientside, ScopeName, StoreDefinition, Types
from .errors import BackendUnavailable
from .reference import BASE, CARRIED, is_reference
from .session import before_response, current_visit

if TYPE_CHECKING:
    from .manager import StateManager

DAY = 86400.0
YEAR = 365 * DAY


class ServerStore(dcc.Store):
    """A `dcc.Store` whose data stays on the server.

    The browser holds a reference of about a hundred bytes; callbacks in Python return and receive the data itself,
    pandas DataFrames included. All that works with `dcc.Store` works here.

    Args:
        id: The component's id, a string or a dict.
        storage_type: How long the browser keeps the reference: `memory` until the page is reloaded, `session` (the
            default here) as long as the tab, `local` as long as the browser.
        data: The initial value.
        clear_data: Set to True to empty the store.
        modified_timestamp: When the store was last changed, in milliseconds; set by the browser.
        scope: Whose values they are: one browser's (`session`), one person's in all browsers (`user`), or everyone's
            (`app`).
        ttl: Lifetime of a value after its last use, in seconds; default `STATE_TTL_DEFAULT`.
        types: `json` gives values back exactly as `dcc.Store` does, and frames, bytes and sets as themselves;
            `python` keeps all types; `pickle` also takes what nothing else takes.
        sealed: Accept only what Python callbacks wrote to this very store, never what code in the browser wrote.
        lazy: Give callbacks a `Stored` in place of the value, which reads as much of it as is used.
        clientside: What clientside callbacks get: the `value`, which then travels to the browser, or the `reference`.
    """

    _children_props: list[str] = []  # noqa: RUF012  # as Dash's own components
    _minted: _Minted | None = None
    id: str | dict[str, Any]

    def __init__(
        self,
        id: str | dict[str, Any] | None = None,
        storage_type: Literal["local", "session", "memory"] | None = None,
        data: dict[str, Any] | list[Any] | float | str | bool | None = None,
        clear_data: bool | None = None,
        modified_timestamp: float | None = None,
        *,
        scope: ScopeName = "session",
        ttl: float | None = None,
        types: Types = "json",
        sealed: bool = False,
        lazy: bool = False,
        clientside: Clientside = "value",
        **kwargs: Any,
    ) -> None:
        if id is not None:
            kwargs["id"] = id
        kwargs["storage_type"] = storage_type or "session"
        given = {"data": data, "clear_data": clear_data, "modified_timestamp": modified_timestamp}
        kwargs.update({name: value for name, value in given.items() if value is not None})
        _check(scope=(scope, ScopeName), types=(types, Types), clientside=(clientside, Clientside))
        if ttl is not None and not ttl > 0:
            raise ValueError(f"ttl={ttl!r} is not a positive number of seconds")
        super().__init__(**kwargs)
        self._shared = current_visit() is None  # one made during a request may hold one visitor's data
        self._definition = StoreDefinition(
            id=store_id(self.id),
            scope=scope,
            ttl=ttl,
            types=types,
            sealed=sealed,
            lazy=lazy,
            clientside=clientside,
            passing=not self._shared,
            note_ttl=HOUR if self._shared else min(max(HOUR, ttl or DAY), YEAR),
        )
        definitions.define(self._definition)
        if self._shared and data is not None:
            definitions.promise(self._definition.id, self._complete)
        load_script()

    @property
    def data(self) -> Any:
        """The initial value, as it was given; unset without one."""
        if "_initial" not in self.__dict__:
            raise AttributeError("data")
        return self._initial

    @data.setter
    def data(self, value: Any) -> None:
        self._initial, self._minted = value, None

    @data.deleter
    def data(self) -> None:
        del self._initial

    def to_plotly_json(self) -> dict[str, Any]:
        """What goes to the browser: the reference of the initial value in place of the value.

        What the page's script has to know stands beside the component's properties, where Dash leaves it alone.
        """
        as_json: dict[str, Any] = super().to_plotly_json()  # type: ignore[no-untyped-call]  # Dash is untyped here
        minted, initial = None, as_json["props"].pop("data", None)
        if initial is not None:
            minted = self._mint(initial)
            as_json["props"]["data"] = minted.reference
        rules = {"sealed": self._definition.sealed, "reference": self._definition.clientside == "reference"}
        if any(rules.values()):
            as_json["statemanager"] = rules
        if minted is None or minted.write is None:
            definitions.serve(app_name(), self._definition)
        else:
            before_response(partial(self._write_and_serve, minted, app_name()))
        visit = current_visit()
        if visit is not None and visit.app is None:  # a worker's result: no response of ours will tell of the store
            get_state_manager().publish()
        return as_json

    def _complete(self) -> StoreDefinition:
        if getattr(self, "data", None) is not None:
            self._write(self._mint(self.data))
        return self._definition

    def _mint(self, initial: Any) -> _Minted:
        """The reference of the initial value: minted once, and again when half its lifetime is over."""
        manager, minted = get_state_manager(), self._minted
        if minted is None or minted.manager is not manager or minted.due < time.time():
            reference, write = manager.exchange.prepare_initial(self._definition, initial)
            due = time.time() + (manager.versions.ttl(self._definition) or math.inf) / 2
            minted = self._minted = _Minted(manager, due, reference, write)
        return minted

    def _write_and_serve(self, minted: _Minted, app: str) -> None:
        self._write(minted)
        definitions.serve(app, self._definition)

    def _write(self, minted: _Minted) -> None:
        try:
            minted.write_once()
        except BackendUnavailable:  # the page opens all the same, and the value is written with its next use
            return
        current = self._shared and self._minted is minted
        if current and is_reference(minted.reference) and CARRIED not in minted.reference:
            self._definition = replace(self._definition, initial=minted.reference[BASE])
            definitions.define(self._definition)


@dataclass
class _Minted:
    """The reference of an initial value, and what writes the value; None when that is done."""

    manager: StateManager
    due: float
    reference: Any
    write: Callable[[], None] | None
    lock: Lock = field(default_factory=Lock)

    def write_once(self) -> None:
        with self.lock:
            if self.write is not None:
                self.write()
                self.write = None


def _check(**choices: tuple[object, Any]) -> None:
    for name, (value, literal) in choices.items():
        if value not in literal.__args__:
            raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, literal.__args__))}")
