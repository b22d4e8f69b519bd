"""Wraps the functions of callbacks, so that they receive and return values where Dash sees references."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any

from dash.exceptions import PreventUpdate

from ..locks import CALLBACK_LOCK
from .annotations import Handles, handles_of
from .context import Conversion, argument, enter, enter_async
from .declared import Declared, check, check_async
from .grouping import is_leaf, leaves, prop_id, walk
from .names import clean_property
from .running import current_context, is_active

Function = Callable[..., Any]

MARK = "_dash_statemanager_wrapped"


def wrap(function: Function, progress: Sequence[Any] | None = None, declared: Sequence[Declared] = ()) -> Function:
    """The function with values for references.

    Called outside of a callback (directly, or as an API endpoint) it is the plain function.

    Args:
        function: The user's function, sync or async.
        progress: Outputs of a background callback's `progress=`; the function's first argument sets them.
        declared: Its inputs and states that may be stores. A request that names others in their place does nothing.
    """
    if getattr(function, MARK, False):
        return function
    wrapping = _wrap_async if inspect.iscoroutinefunction(function) else _wrap
    wrapper = wrapping(function, progress, declared)
    setattr(wrapper, MARK, True)
    wrapper.__module__ = __name__  # a spawned worker pickles a function of its module by name, not by our globals
    return wrapper


def wrap_error_handler(handler: Function | None) -> Function | None:
    """An `on_error` handler with values for references in its context and its results."""
    if handler is None or getattr(handler, MARK, False):
        return handler

    @functools.wraps(handler)
    def on_error(error: Exception) -> Any:
        __traceback_hide__ = True
        context = active_context()
        if context is None:
            return handler(error)
        conversion = enter(context)
        conversion.write_later()  # Dash calls it on the event loop, even for asynchronous callbacks
        return _results(conversion, context, handler(error))

    setattr(on_error, MARK, True)
    return on_error


def _wrap(function: Function, progress: Sequence[Any] | None, declared: Sequence[Declared]) -> Function:
    lock: Callable[[], AbstractContextManager[None]] | None = getattr(function, CALLBACK_LOCK, None)
    handles = handles_of(function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = True
        context = active_context(handles)
        if context is None:
            return function(*args, **kwargs)
        if declared:
            check(context, declared)
        conversion = enter(context, _opened(handles, context, progress) if handles else ())
        args, kwargs = _arguments(conversion, context, args, kwargs, progress)
        if lock is None:
            return _results(conversion, context, function(*args, **kwargs))
        with lock():
            return _results(conversion, context, function(*args, **kwargs))

    return wrapper


def _wrap_async(function: Function, progress: Sequence[Any] | None, declared: Sequence[Declared]) -> Function:
    lock: Callable[[], AbstractAsyncContextManager[None]] = getattr(function, CALLBACK_LOCK, nullcontext)

    handles = handles_of(function)

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        __traceback_hide__ = True
        context = active_context(handles)
        if context is None:
            return await function(*args, **kwargs)
        if declared:
            await check_async(context, declared)
        conversion = await enter_async(context, _opened(handles, context, progress) if handles else ())
        args, kwargs = _arguments(conversion, context, args, kwargs, progress)
        updates = context["updated_props"]
        async with lock():
            updates.hold()
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                if not isinstance(error, PreventUpdate):
                    await conversion.look_up(leaves(_outputs(context)))  # for a handler, which Dash does not await
                raise
            finally:
                await updates.release()
            if any(clean_property(leaf["property"]) == "data" for leaf in leaves(_outputs(context))):
                return await asyncio.to_thread(_results, conversion, context, result)
            return result

    return wrapper


def active_context(handles: Handles | None = None) -> dict[str, Any] | None:
    """The context of the running callback, if it can have to do with stores or has handles among its arguments."""
    context = current_context()
    return context if context is not None and (handles or is_active(context)) else None


def _opened(handles: Handles, context: dict[str, Any], progress: Sequence[Any] | None) -> Collection[str]:
    """Names of the properties whose arguments are handles."""
    grouping = context.get("args_grouping") or []
    named = grouping.items() if isinstance(grouping, dict) else ()
    parts = [part for name, part in named if handles.named(name)]
    placed = enumerate(_positional(context, grouping), 1 if progress else 0)
    parts += [part for at, part in placed if handles.at(at)]
    return {prop_id(leaf) for part in parts for leaf in leaves(part)}


def _arguments(
    conversion: Conversion,
    context: dict[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    progress: Sequence[Any] | None,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not (conversion.found or progress):
        return args, kwargs
    grouping = context.get("args_grouping") or []
    if kwargs and isinstance(grouping, dict):
        kwargs = walk(kwargs, grouping, argument)
    own = args[1:] if progress else args
    own = tuple(walk(list(own), _positional(context, grouping), argument))
    if progress:
        return (_progress(conversion, args[0], progress), *own), kwargs
    return own, kwargs


def _positional(context: dict[str, Any], grouping: Any) -> Sequence[Any]:
    """The grouping of the positional arguments, one part for each."""
    if isinstance(grouping, dict):
        return [grouping] if "property" in grouping and "id" in grouping else []
    flat = [*(context.get("inputs_list") or []), *(context.get("states_list") or [])]
    if len(flat) == 1 and isinstance(flat[0], list) and all(map(is_leaf, grouping)):
        return [grouping]  # one bare ALL input: Dash gives its list, unwrapped
    return list(grouping)


def _progress(conversion: Conversion, set_progress: Function, outputs: Sequence[Any]) -> Function:
    """Dash's `set_progress`, for values."""
    specs = [{"id": output.component_id, "property": output.component_property} for output in outputs]

    def set_values(values: Any) -> None:
        several = isinstance(values, list | tuple)
        set_progress(conversion.write(list(values) if several else [values], specs))

    return set_values


def _results(conversion: Conversion, context: dict[str, Any], value: Any) -> Any:
    spec = _outputs(context)
    return conversion.write(value, spec) if spec else value


def _outputs(context: dict[str, Any]) -> Any:
    return context.get("outputs_grouping" if context.get("using_outputs_grouping") else "outputs_list")
