"""What Dash tells of the running callback, and for whom it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dash._callback_context import context_value

from ..api import definitions, get_state_manager
from ..reference import is_reference
from ..session import ContextReset, Visit, enter_visit
from .grouping import leaves

COOKIE = re.compile(r"[\w.-]+_[0-9a-f]{8}")
"""Names of session cookies."""


def current_context() -> dict[str, Any] | None:
    """The context of the running callback, or None outside of one."""
    try:
        return context_value.get() or None
    except LookupError:
        return None


def no_callback() -> ContextReset:
    """Until the end of a `with` block none runs: Dash may leave the context of one to the next request of a thread."""
    return ContextReset(context_value.set({}))


def is_active(context: Mapping[str, Any]) -> bool:
    """Whether a callback can have to do with stores: in an app without any, nothing of ours is to run."""
    return bool(definitions) or any(is_reference(spec.get("value")) for spec in arguments(context)) or is_job(context)


def arguments(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Inputs and states, each with its value."""
    return leaves([context.get("inputs_list"), context.get("states_list")])


def adopt_session(context: Mapping[str, Any]) -> None:
    """In a worker, where no request is: acts for the session whose cookies Dash carried along."""
    headers = {name.lower(): value for name, value in (context.get("headers") or {}).items()}
    session, _ = get_state_manager().cookies.load((context.get("cookies") or {}).get)
    enter_visit(Visit(session, header=lambda name: headers.get(name.lower()), answered=False))


def is_job(context: Mapping[str, Any]) -> bool:
    """Whether this is a background job of an app with stores, in a process that knows none of them."""
    job = type(context.get("updated_props")).__name__ == "ProxySetProps"
    return job and any(COOKIE.fullmatch(name) for name in context.get("cookies") or {})
