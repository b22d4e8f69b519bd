"""How Dash names things."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import dash._get_app
from dash._utils import stringify_id

from ..session import current_visit

CALLBACK_ROUTE = "_dash-update-component"

_get_app: Any = dash._get_app


def current_app() -> Any:
    """The app that is being served, or that was made last; None before the first. Dash itself would raise then."""
    return None if _get_app.APP is None else _get_app.get_app()


def store_id(component_id: str | dict[str, Any]) -> str:
    """A component's id as text; a dict id as Dash writes it in requests."""
    return component_id if isinstance(component_id, str) else stringify_id(component_id)


def clean_property(name: str) -> str:
    """A property without the mark that `allow_duplicate` puts behind it."""
    return name.partition("@")[0]


def app_name(path: str = "") -> str:
    """Names an app by its route prefix.

    Args:
        path: Path or address of a callback's request, which tells in a worker, where there is no visit; without
            both the current app is meant.
    """
    visit = current_visit()
    if visit is not None and visit.app:
        return visit.app
    prefix, found, _ = urlsplit(path).path.partition(CALLBACK_ROUTE)
    return prefix if found else str(current_app().config.routes_pathname_prefix)
