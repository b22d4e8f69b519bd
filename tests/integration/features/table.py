"""What callbacks can do with a store: each feature is a small app that works with `dcc.Store` and `ServerStore` alike.

A feature gets an app without a layout, the class of its stores, and `seen`, which notes what its callbacks were given.
It returns what a visitor does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dash
from dash import html

from ..page import Page

Visit = Callable[[Page], Any]
Seen = Callable[..., None]
Feature = Callable[[dash.Dash, Any, Seen], Visit]

FEATURES: dict[str, Feature] = {}


def feature(function: Feature) -> Feature:
    FEATURES[function.__name__] = function
    return function


def click(page: Page) -> Page:
    return page.change("go", n_clicks=(page.get("go", "n_clicks") or 0) + 1)


def go() -> Any:
    return html.Button(id="go")


def many_stores(Store: Any, count: int = 3, **kwargs: Any) -> list[Any]:
    return [Store(id={"kind": "s", "i": i}, **kwargs) for i in range(count)]


def many_buttons(count: int = 3) -> list[Any]:
    return [html.Button(id={"kind": "go", "i": i}) for i in range(count)]
