"""What callbacks can do with a store: each feature is a small app that works with `dcc.Store` and `ServerStore` alike.

A feature gets an app without a layout, the class of its stores, and `seen`, which notes what its callbacks were given.
It returns what a visitor does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dash
from dash import _callback, html

from ..page import Page

Visit = Callable[[Page], Any]
Seen = Callable[..., None]
Feature = Callable[[dash.Dash, Any, Seen], Visit]


@dataclass(frozen=True)
class Capability:
    """What not every version of Dash can do.

    Attributes:
        since: The first version that can, as `(major, minor)`.
        exists: Whether this one can, by looking.
    """

    since: tuple[int, int]
    exists: bool

    def is_due(self) -> bool:
        """Whether this one should, by its number."""
        major, minor, *_ = dash.__version__.split(".")
        return (int(major), int(minor)) >= self.since


KEYWORDS = inspect.signature(_callback.callback).parameters
ASYNC = Capability((3, 1), hasattr(_callback, "_async_invoke_callback"))
OPTIONAL = Capability((3, 3), "optional" in KEYWORDS)
API = Capability((3, 3), "api_endpoint" in KEYWORDS)
PERSISTENT = Capability((4, 2), "persistent" in KEYWORDS)
MCP = Capability((4, 3), "enable_mcp" in inspect.signature(dash.Dash.__init__).parameters)

FEATURES: dict[str, Feature] = {}
NEEDS: dict[str, Capability] = {}


def feature(function: Feature) -> Feature:
    """Adds a feature to the table."""
    FEATURES[function.__name__] = function
    return function


def since(capability: Capability) -> Callable[[Feature], Feature]:
    """Adds a feature that not every version of Dash has: to the table only where this one has it."""

    def keep(function: Feature) -> Feature:
        NEEDS[function.__name__] = capability
        return feature(function) if capability.exists else function

    return keep


def click(page: Page) -> Page:
    return page.change("go", n_clicks=(page.get("go", "n_clicks") or 0) + 1)


def go() -> Any:
    return html.Button(id="go")


def many_stores(Store: Any, count: int = 3, **kwargs: Any) -> list[Any]:
    return [Store(id={"kind": "s", "i": i}, **kwargs) for i in range(count)]


def many_buttons(count: int = 3) -> list[Any]:
    return [html.Button(id={"kind": "go", "i": i}) for i in range(count)]
