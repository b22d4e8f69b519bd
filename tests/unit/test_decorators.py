"""Helpers for callbacks: stores as arguments, one at a time, and results that are kept."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pandas as pd
import pytest

from dash_statemanager import (
    CodecError,
    LockTimeout,
    configure,
    ensure_session_context,
    locked,
    memoized,
    set_store,
    set_stores,
    state_managed_callback,
)
from dash_statemanager.session import enter_visit


@pytest.fixture(autouse=True)
def me() -> Iterator[None]:
    configure(backend="memory")
    with ensure_session_context("me"):
        yield


def show(n_clicks: int, filters: Any = None, sales: Any = None) -> tuple[Any, ...]:
    """Shows."""
    return n_clicks, filters, sales


async def show_later(n_clicks: int, filters: Any = None, sales: Any = None) -> tuple[Any, ...]:
    return n_clicks, filters, sales


MAPPINGS = {"filters": "filters-store", "sales": "sales-store"}


def test_stores_come_as_keyword_arguments() -> None:
    shown = state_managed_callback(store_mappings=MAPPINGS)(show)
    assert shown(1) == (1, None, None)
    set_stores({"filters-store": {"a": 1}, "sales-store": [1]})
    assert shown(1) == (1, {"a": 1}, [1])
    assert shown(1, filters="given") == (1, "given", [1])
    assert (shown.__name__, shown.__doc__) == ("show", "Shows.")


def test_async_functions_stay_async() -> None:
    set_store("filters-store", {"a": 1})
    for decorated, expected in (
        (state_managed_callback(MAPPINGS)(show_later), (1, {"a": 1}, None)),
        (locked("sales-store")(show_later), (1, None, None)),
        (memoized()(show_later), (1, None, None)),
    ):
        assert inspect.iscoroutinefunction(decorated)
        assert list(asyncio.run(decorated(1))) == list(expected)


class Meeting:
    """A function that notes how many are in it at once."""

    def __init__(self, expected: int, stay: float = 0) -> None:
        self.inside, self.most = 0, 0
        self.all_here, self.stay = threading.Barrier(expected), stay

    def __call__(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.all_here.wait(10)
        threading.Event().wait(self.stay)
        self.inside -= 1


def in_sessions(function: Any, *sessions: str) -> list[Any]:
    def call(session: str) -> Any:
        with ensure_session_context(session):
            return function()

    with ThreadPoolExecutor(len(sessions)) as pool:
        futures = [pool.submit(copy_context().run, call, session) for session in sessions]
        return [future.result(20) for future in futures]


def test_a_locked_function_runs_one_at_a_time_in_a_session() -> None:
    meeting = Meeting(expected=1, stay=0.01)
    in_sessions(locked("sales")(meeting), *["me"] * 8)
    assert meeting.most == 1


def test_sessions_do_not_wait_for_each_other() -> None:
    meeting = Meeting(expected=3)
    in_sessions(locked("sales")(meeting), "one", "two", "three")
    assert meeting.most == 3


def test_who_waits_too_long_for_a_locked_function_is_told() -> None:
    @locked("sales", timeout=0.02)
    def work() -> None: ...

    with ThreadPoolExecutor(1) as other, locked_by(other, "sales"), pytest.raises(LockTimeout):
        work()
    work()


@contextmanager
def locked_by(thread: ThreadPoolExecutor, store_id: str) -> Iterator[None]:
    """A lock that another visitor holds, in a thread of his own."""
    entered, leave = threading.Event(), threading.Event()

    @locked(store_id)
    def hold() -> None:
        entered.set()
        leave.wait(10)

    held = thread.submit(copy_context().run, hold)
    assert entered.wait(10)
    try:
        yield
    finally:
        leave.set()
        held.result()


def test_a_locked_function_may_call_another_that_is_locked_by_the_same_store() -> None:
    @locked("sales", timeout=0.02)
    def inner() -> str:
        return "inner"

    @locked("sales")
    def outer() -> str:
        return inner()

    assert outer() == "inner"


def test_async_functions_hold_the_lock_over_their_waits() -> None:
    inside: list[int] = []

    @locked("sales")
    async def work() -> None:
        inside.append(1)
        assert len(inside) == 1
        await asyncio.sleep(0)
        inside.pop()

    async def several() -> None:
        await asyncio.gather(*[work() for _ in range(5)])

    asyncio.run(several())


class Counted:
    """A function that counts its computations."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return {"args": [str(arg) for arg in args], **kwargs}


def memo(counted: Counted, **options: Any) -> Any:
    @memoized(**options)
    def compute(*args: Any, **kwargs: Any) -> Any:
        return counted(*args, **kwargs)

    return compute


def test_a_result_is_computed_once_for_equal_arguments() -> None:
    counted = Counted()
    compute = memo(counted)
    frame = pd.DataFrame({"a": [1, 2]})
    results = [compute(frame, {"x": 1}, y=2) for _ in range(3)]
    assert results[0] == results[1] == results[2]
    assert counted.count == 1
    compute(pd.DataFrame({"a": [1, 3]}), {"x": 1}, y=2)
    compute(frame, {"x": 1}, y=3)
    assert counted.count == 3


def test_arguments_of_other_types_are_other_arguments() -> None:
    counted = Counted()
    compute = memo(counted)
    for argument in (1, 1.0, True, "1", (1,), [1], None):
        compute(argument)
    assert counted.count == 7


def test_a_hundred_threads_compute_once() -> None:
    counted = Counted()
    compute = memo(counted)
    assert in_sessions(lambda: compute("x"), *["me"] * 100) == [{"args": ["x"]}] * 100
    assert counted.count == 1


def test_a_result_of_none_is_computed_anew() -> None:
    calls: list[int] = []

    @memoized()
    def nothing() -> None:
        calls.append(1)

    nothing()
    nothing()
    assert len(calls) == 2


def test_the_scope_says_who_shares_results() -> None:
    counted = Counted()
    for_all, for_one = memo(counted, scope="app"), memo(counted, scope="session")
    in_sessions(for_all, "one", "two")
    assert counted.count == 1
    in_sessions(for_one, "one", "two", "one")
    assert counted.count == 3


def test_without_a_session_nothing_of_a_session_is_kept() -> None:
    counted = Counted()
    compute = memo(counted, scope="session")
    with enter_visit(None):
        assert compute(1) == compute(1) == {"args": ["1"]}
    assert counted.count == 2


def test_an_error_is_not_kept() -> None:
    results: list[Any] = [ZeroDivisionError(), 7]

    @memoized()
    def compute() -> int:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return int(result)

    with pytest.raises(ZeroDivisionError):
        compute()
    assert compute() == 7


def test_arguments_that_can_not_be_kept_are_an_error() -> None:
    with pytest.raises(CodecError):
        memo(Counted())(object())
