"""Helpers for callbacks; put them below `@callback`."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import copy_context
from hashlib import blake2b
from typing import Any, ParamSpec, TypeVar, cast

from .api import get_state_manager, get_stores
from .definitions import ScopeName, StoreDefinition
from .locks import CALLBACK_LOCK, Lock
from .reference import NOBODY

P = ParamSpec("P")
R = TypeVar("R")


def state_managed_callback(
    store_mappings: Mapping[str, str],
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Passes stores as keyword arguments, without wiring a `State` for each.

    Args:
        store_mappings: The store's id for each name of an argument: `{"filters": "filters-store"}`. The argument is
            None where the store has no value.

    Example:
        ```python
        @callback(Output("table", "children"), Input("refresh", "n_clicks"))
        @state_managed_callback(store_mappings={"filters": "filters-store"})
        def show(n_clicks, filters): ...
        ```
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        def stored() -> dict[str, Any]:
            values = get_stores(store_mappings.values())
            return {name: values.get(store_id) for name, store_id in store_mappings.items()}

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                return await function(*args, **{**await asyncio.to_thread(stored), **kwargs})

            return cast(Callable[..., R], wrapper)

        @functools.wraps(function)
        def sync_wrapper(*args: Any, **kwargs: Any) -> R:
            return function(*args, **{**stored(), **kwargs})

        return sync_wrapper

    return decorate


def locked(store_id: str, *, timeout: float = 60.0) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Runs a callback one at a time for each holder of a store: per session, user or app, as the store's scope says.

    Directly below `@callback` the lock is held until the results are written. What is written while it is held
    depends on it: a process that slept so long that another took the lock gets `LockLost` and writes nothing.
    Visitors without a session can't be told apart, and don't wait for each other.

    Args:
        store_id: The store whose holder counts.
        timeout: Seconds to wait for the one before.

    Raises:
        LockTimeout: When called: the one before did not end in time.
        LockLost: When something is written: the lock went to another.
    """

    def lock() -> Lock | None:
        manager = get_state_manager()
        scope = manager.access.to_write(manager.definitions.by_name(store_id).scope)
        if scope == NOBODY or manager.locks.holds(store_id, scope=scope):
            return None
        return manager.locks.lock(store_id, scope=scope, timeout=timeout)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                async with _in_thread(lock()):
                    return await function(*args, **kwargs)

            setattr(wrapper, CALLBACK_LOCK, functools.partial(_in_thread_of, lock))
            return cast(Callable[P, R], wrapper)

        @functools.wraps(function)
        def sync_wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            with lock() or nullcontext():
                return function(*args, **kwargs)

        setattr(sync_wrapper, CALLBACK_LOCK, lambda: lock() or nullcontext())
        return sync_wrapper

    return decorate


def memoized(ttl: float | None = None, scope: ScopeName = "app") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keeps the results of a function in the backend: one computation per arguments across all workers.

    Arguments and results are values that `types="python"` takes. A result of None is computed anew. Where the scope
    is a session's and there is no session, nothing is kept.

    Args:
        ttl: Lifetime of a result after its last use, in seconds; default `STATE_TTL_DEFAULT`.
        scope: Who shares the results: everyone (`app`), one person (`user`) or one browser (`session`).

    Raises:
        CodecError: When called: an argument or the result can't be kept.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = f"~memo/{function.__module__}.{function.__qualname__}"
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                memo = await asyncio.to_thread(_Memo, name, scope, ttl, args, kwargs)
                if (found := await asyncio.to_thread(memo.recall)) is not None:
                    return found
                async with _in_thread(memo.lock()):
                    if (found := await asyncio.to_thread(memo.recall)) is not None:
                        return found
                    return await asyncio.to_thread(memo.keep, await function(*args, **kwargs))

            return cast(Callable[P, R], wrapper)

        @functools.wraps(function)
        def sync_wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            memo = _Memo(name, scope, ttl, args, kwargs)
            if (found := memo.recall()) is not None:
                return cast(R, found)
            with memo.lock() or nullcontext():
                if (found := memo.recall()) is not None:
                    return cast(R, found)
                return cast(R, memo.keep(function(*args, **kwargs)))

        return sync_wrapper

    return decorate


class _Memo:
    """One result: a store whose id comes from the function and its arguments."""

    def __init__(
        self, name: str, scope: ScopeName, ttl: float | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self._manager = get_state_manager()
        self._scope = self._manager.access.to_write(scope)
        self._store = StoreDefinition(f"{name}/{self._fingerprint(args, kwargs)}", scope, ttl, "python")

    def recall(self) -> Any:
        if self._scope == NOBODY:
            return None
        return self._manager.read_newest([self._store]).get(self._store.id)

    def keep(self, result: Any) -> Any:
        if result is not None and self._scope != NOBODY:
            self._manager.write_newest([(self._store, result)])
        return result

    def lock(self) -> Lock | None:
        if self._scope == NOBODY:
            return None
        return self._manager.locks.lock(self._store.id, scope=self._scope)

    def _fingerprint(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        frozen = self._manager.codecs.freeze([list(args), sorted(kwargs.items())], "python")
        digest = blake2b(digest_size=16)
        for part in frozen.codec.encode(frozen.data):
            digest.update(part)
        return digest.hexdigest()


@asynccontextmanager
async def _in_thread(lock: Lock | None) -> AsyncIterator[None]:
    """Holds a lock, waiting for it without holding up the event loop.

    It does so in a thread of its own: those who wait must not use up the threads that the holder needs to end.
    """
    if lock is None:
        yield
        return
    thread = ThreadPoolExecutor(1, thread_name_prefix="dash-statemanager-wait")
    try:
        try:
            await asyncio.shield(asyncio.wrap_future(thread.submit(copy_context().run, lock.acquire)))
        except asyncio.CancelledError:
            thread.submit(lock.release)  # the thread is still waiting
            raise
        lock.enter()
        try:
            yield
        finally:
            lock.leave()
            await asyncio.wrap_future(thread.submit(lock.release))
    finally:
        thread.shutdown(wait=False)


def _in_thread_of(make: Callable[[], Lock | None]) -> AbstractAsyncContextManager[None]:
    return _in_thread(make())
