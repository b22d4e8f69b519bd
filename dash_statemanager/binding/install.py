"""Hooks into Dash, once. Everything that is replaced in Dash is named in this module."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import dash
import dash._callback

from . import jobs
from .callbacks import MARK, wrap, wrap_error_handler
from .declared import declared_of
from .names import current_app
from .server import attach

_dash: Any = dash  # its insides are untyped, and differ from version to version
_callback: Any = dash._callback


def install() -> None:
    """Makes Dash's callbacks know stores: those that come, and those that were registered before."""
    if getattr(_callback.register_callback, MARK, False):
        return
    _callback.register_callback = _registering(_callback.register_callback)
    _adopt_invocations()
    jobs.adopt()
    _adopt_error_handlers()
    _fall_back_from_orjson()
    _dash.Dash.init_app = _attaching(_dash.Dash.init_app)
    app = current_app()
    if app is not None and app.server:
        attach(app)


def _registering(register: Callable[..., Any]) -> Callable[..., Any]:
    """Dash's `register_callback`, which registers a wrapped function and gives the user back their own."""

    def register_callback(*args: Any, **kwargs: Any) -> Any:
        progress = (kwargs.get("background") or kwargs.get("long") or {}).get("progress")
        kwargs["on_error"] = wrap_error_handler(kwargs.get("on_error"))
        decorate = register(*args, **kwargs)
        declared = declared_of(args[0][-1])  # the list of callbacks, to which this one was added

        def keep(function: Any) -> Any:
            decorate(wrap(function, progress, declared))
            return function

        return keep

    # Dash names a callback without inputs and outputs after the first frame outside of its own files.
    register_callback.__code__ = register_callback.__code__.replace(co_filename=_callback.__file__)
    setattr(register_callback, MARK, True)
    return register_callback


def _adopt_invocations() -> None:
    """Wraps the functions of callbacks that were registered before this import, when they are invoked."""
    late = functools.cache(wrap)
    invoke = _callback._invoke_callback
    _callback._invoke_callback = lambda function, *args, **kwargs: invoke(late(function), *args, **kwargs)
    if (invoke_async := getattr(_callback, "_async_invoke_callback", None)) is not None:
        _callback._async_invoke_callback = lambda function, *args, **kwargs: invoke_async(
            late(function), *args, **kwargs
        )


def _adopt_error_handlers() -> None:
    """Wraps the error handlers of callbacks that were registered before this import, where Dash keeps them."""
    for callback in jobs.registered_callbacks():
        function: Any = callback.get("callback")
        names = function.__code__.co_freevars if inspect.isfunction(function) else ()
        if "on_error" in names:
            cell = function.__closure__[names.index("on_error")]
            cell.cell_contents = wrap_error_handler(cell.cell_contents)


def _fall_back_from_orjson() -> None:
    """Lets Dash send what the standard library can encode and orjson can't.

    Plotly takes orjson as soon as it is installed, which it is with us; orjson refuses integers beyond 64 bits and
    lone surrogates, which apps could send before.
    """
    for module in (_callback, _dash.dash):
        module.to_json = _with_fallback(module.to_json)


def _with_fallback(to_json: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(to_json)
    def encode(value: Any) -> Any:
        try:
            return to_json(value)
        except TypeError:
            from plotly.io.json import to_json_plotly

            return to_json_plotly(value, engine="json")

    return encode


def _attaching(init_app: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(init_app)
    def init(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = init_app(self, *args, **kwargs)
        attach(self)
        return result

    return init
