"""Where this library reaches into Dash, which promises none of it. All of it is looked at once, at import.

A Dash that lacks a touch point would not fail by itself: callbacks would get references in place of values.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import CodeType
from typing import Any

import dash

from ..errors import UnsupportedDash

NEWEST = "4.4.1"
"""The newest Dash that the tests have seen."""

_CONTEXT = {
    "inputs": "input_values",
    "states": "state_values",
    "triggered": "triggered_inputs",
    "inputs_list": "inputs_list",
    "states_list": "states_list",
    "args_grouping": "args_grouping",
    "outputs_list": "outputs_list",
    "outputs_grouping": "outputs_grouping",
    "using_outputs_grouping": "using_outputs_grouping",
    "set_props": "updated_props",
    "cookies": "cookies",
    "headers": "headers",
    "path": "path",
}
"""Where `ctx` looks into the context of a callback."""


@dataclass(frozen=True)
class TouchPoint:
    """One place in Dash that is used or replaced.

    Attributes:
        where: `module:attribute`; of several, divided by `|`, one is enough: versions name things differently.
        use: What it is for, to go on after "Dash ... no longer".
        names: What a function there works with: attributes, keys, keywords; `|` as above.
        since: The first version that has it, as `(major, minor)`.
    """

    where: str
    use: str
    names: Sequence[str] = ()
    since: tuple[int, int] = (2, 18)

    def found(self) -> Any:
        """What is there, or None."""
        return next((found for found in map(_resolve, self.where.split("|")) if found is not None), None)

    def is_due(self) -> bool:
        """Whether this version of Dash should have it."""
        return _version() >= self.since

    def is_lacking(self) -> bool:
        """Whether it should be there, and is not, or not as we know it."""
        if not self.is_due():
            return False
        found = self.found()
        known = set(_mentioned(_code(found))) if self.names else set()
        return found is None or not all(known & set(name.split("|")) for name in self.names)


TOUCH_POINTS = (
    TouchPoint("dash._callback:register_callback", "registers callbacks", ["on_error", "background|long"]),
    TouchPoint("dash._callback:_invoke_callback", "calls their functions"),
    TouchPoint("dash._callback:_async_invoke_callback", "awaits their functions", since=(3, 1)),
    TouchPoint("dash._callback:GLOBAL_CALLBACK_MAP", "keeps callbacks that have no app yet"),
    TouchPoint("dash._callback:GLOBAL_CALLBACK_LIST", "keeps what browsers are told of callbacks"),
    TouchPoint("dash._callback:to_json", "encodes answers"),
    TouchPoint("dash.dash:to_json", "encodes layouts"),
    TouchPoint(
        "dash._callback:BaseBackgroundCallbackManager.functions|dash._callback:BaseLongCallbackManager.functions",
        "keeps the functions of background callbacks",
    ),
    TouchPoint(
        "dash._callback:BaseBackgroundCallbackManager.managers|dash._callback:BaseLongCallbackManager.managers",
        "keeps the managers of background callbacks",
    ),
    TouchPoint(
        "dash._callback:BaseBackgroundCallbackManager.build_cache_key"
        "|dash._callback:BaseLongCallbackManager.build_cache_key",
        "names the results of background callbacks",
    ),
    TouchPoint(
        "dash.background_callback._proxy_set_props:ProxySetProps|dash.long_callback._proxy_set_props:ProxySetProps",
        "collects what background callbacks set",
    ),
    TouchPoint("dash._callback_context:context_value", "keeps the context of a callback"),
    *(
        TouchPoint(f"dash._callback_context:CallbackContext.{name}", f"finds ctx.{name} in that context", [key])
        for name, key in _CONTEXT.items()
    ),
    TouchPoint(
        "dash._callback_context:CallbackContext.websocket", "finds ctx.websocket there", ["dash_websocket"], (4, 2)
    ),
    TouchPoint("dash._get_app:get_app", "tells the current app", ["APP"]),
    TouchPoint("dash._utils:stringify_id", "writes ids as text"),
    TouchPoint("dash:Patch.to_plotly_json", "tells the operations of a patch", ["operations"]),
    TouchPoint(
        "dash.dash:Dash.__init__",
        "makes apps",
        ["_callback_list", "callback_map", "_on_error", "config", "server", "routes_pathname_prefix"],
    ),
    TouchPoint("dash.dash:Dash.init_app", "brings apps to their server"),
    TouchPoint("dash.dash:Dash._add_url", "adds routes"),
    TouchPoint(
        "dash.dash:Dash._setup_routes|dash.dash:Dash.init_app",
        "serves pages",
        ["_dash-layout", "_dash-dependencies", "_dash-update-component"],
    ),
    TouchPoint("dash.dash:Dash.enable_dev_tools", "tells kinds of servers apart", ["backend", "server_type"], (4, 2)),
    TouchPoint(
        "dash.development.base_component:ComponentRegistry.registry", "loads the scripts of component libraries"
    ),
)

MCP = (
    TouchPoint(
        "dash.mcp.primitives.resources:_RESOURCE_PROVIDERS", "lists the resources of its MCP server", (), (4, 3)
    ),
    TouchPoint(
        "dash.mcp.primitives.tools.results:_RESULT_FORMATTERS",
        "lists what explains its MCP server's results",
        (),
        (4, 3),
    ),
)
"""Looked at where an app has an MCP server, since Dash imports it only then."""


def check(points: Sequence[TouchPoint] = TOUCH_POINTS) -> None:
    """Makes sure that Dash is as we know it.

    Raises:
        UnsupportedDash: Something is not there; names it.
    """
    lacking = [point for point in points if point.is_lacking()]
    if lacking:
        raise UnsupportedDash(
            f"Dash {dash.__version__} no longer "
            + ", no longer ".join(f"{point.use} as dash-statemanager knows it ({point.where})" for point in lacking),
            f"Install a newer dash-statemanager, or 'dash<={NEWEST}'",
        )


def _version() -> tuple[int, int]:
    major, minor, *_ = dash.__version__.split(".")
    return int(major), int("".join(filter(str.isdigit, minor)))


def _resolve(where: str) -> Any:
    module, _, path = where.partition(":")
    try:
        found: Any = import_module(module)
    except ImportError:
        return None
    for name in path.split("."):
        found = inspect.getattr_static(found, name, None)
    return found


def _code(found: Any) -> CodeType | None:
    """The code of a function, a method or a property."""
    function = found.fget if isinstance(found, property) else found
    code: CodeType | None = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    return code


def _mentioned(code: CodeType | None) -> Iterator[str]:
    """Names and texts that a function's code works with."""
    if code is not None:
        yield from code.co_names
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from _mentioned(constant)
            elif isinstance(constant, str):
                yield constant
            elif isinstance(constant, tuple):
                yield from (part for part in constant if isinstance(part, str))
