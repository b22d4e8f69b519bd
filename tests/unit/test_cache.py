"""The process cache: bounded by bytes, least recently used first, one load per key."""

from __future__ import annotations

import gc
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pandas as pd
import psutil
import pytest

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.cache import OVERHEAD, Cached, ProcessCache
from dash_statemanager.codecs import Codecs
from dash_statemanager.errors import BackendUnavailable

FROZEN = Codecs(compression="none", keys=[b"k"]).freeze("value")


def cached(nbytes: int = 0, ttl: float | None = None, touched: float = 0.0) -> Cached:
    return Cached(replace(FROZEN, nbytes=nbytes), ttl, touched)


def nothing(keys: list[str]) -> dict[str, Cached]:
    return {}


@pytest.fixture
def cache(clock: Any) -> ProcessCache:
    return ProcessCache(3 * (100 + OVERHEAD), clock)


def kept(cache: ProcessCache, *keys: str) -> list[str]:
    return [key for key in keys if cache.get(key) is not None]


def test_what_was_put_is_there(cache: ProcessCache) -> None:
    value = cached()
    cache.put("a", value)
    assert cache.get("a") is value
    assert cache.get("b") is None


def test_what_was_not_used_for_longest_goes_first(cache: ProcessCache) -> None:
    for key in "abc":
        cache.put(key, cached(100))
    cache.get("a")
    cache.put("d", cached(100))
    assert kept(cache, "a", "b", "c", "d") == ["a", "c", "d"]


def test_the_bound_counts_bytes_with_what_an_entry_costs_besides(cache: ProcessCache) -> None:
    for number in range(50):
        cache.put(str(number), cached(number * 10))
    figures = cache.stats()
    assert 0 < figures["bytes"] <= figures["max_bytes"] == 3 * (100 + OVERHEAD)


def test_bytes_are_given_back(cache: ProcessCache) -> None:
    for _ in range(10):
        cache.put("a", cached(100))
    cache.put("b", cached(50))
    assert cache.stats()["bytes"] == 150 + 2 * OVERHEAD
    cache.remove(["a", "missing"])
    cache.discard("b")
    assert (cache.stats()["bytes"], cache.stats()["entries"]) == (0, 0)


def test_one_that_is_larger_than_all_is_not_kept_and_pushes_nothing_out(cache: ProcessCache) -> None:
    cache.put("a", cached(100))
    cache.put("b", cached(10_000))
    assert kept(cache, "a", "b") == ["a"]


def test_a_larger_one_in_place_of_a_kept_one_leaves_no_old_value(cache: ProcessCache) -> None:
    cache.put("a", cached(100))
    cache.put("a", cached(10_000))
    assert cache.get("a") is None


def test_discard_lets_go_of_all_keys_with_a_prefix(cache: ProcessCache) -> None:
    for key in ("s/1", "s/2", "t/1"):
        cache.put(key, cached())
    cache.discard("s/")
    assert kept(cache, "s/1", "s/2", "t/1") == ["t/1"]


def test_what_must_have_expired_in_the_backend_is_loaded_again(clock: Any, cache: ProcessCache) -> None:
    cache.put("a", cached(ttl=10, touched=clock()))
    clock.advance(9)
    assert kept(cache, "a") == ["a"]
    clock.advance(1)
    assert kept(cache, "a") == []


def test_a_touch_is_due_when_a_tenth_of_the_lifetime_is_used_up() -> None:
    value = cached(ttl=100, touched=1000)
    assert not value.needs_touch(1009.9)
    assert value.needs_touch(1010)
    assert not cached(ttl=None).needs_touch(1e12)


def test_fetch_loads_what_is_missing_in_one_call(cache: ProcessCache) -> None:
    calls: list[list[str]] = []

    def load(keys: list[str]) -> dict[str, Cached]:
        calls.append(keys)
        return {key: cached() for key in keys if key != "gone"}

    cache.put("a", cached())
    assert sorted(cache.fetch(["a", "b", "c", "gone", "b"], load)) == ["a", "b", "c"]
    assert sorted(cache.fetch(["a", "b", "c"], load)) == ["a", "b", "c"]
    assert calls == [["b", "c", "gone"]]
    assert {name: cache.stats()[name] for name in ("hits", "misses")} == {"hits": 4, "misses": 3}


def test_a_hundred_threads_that_miss_together_load_once(cache: ProcessCache) -> None:
    value = cached()
    loads: list[list[str]] = []
    entered, go = threading.Event(), threading.Event()

    def load(keys: list[str]) -> dict[str, Cached]:
        loads.append(keys)
        entered.set()
        go.wait(10)
        return {"a": value}

    with ThreadPoolExecutor(100) as pool:
        first = pool.submit(cache.fetch, ["a"], load)
        entered.wait(10)
        rest = [pool.submit(cache.fetch, ["a"], load) for _ in range(99)]
        go.set()
        results = [future.result(10) for future in [first, *rest]]
    assert loads == [["a"]]
    assert all(result == {"a": value} for result in results)


@pytest.mark.parametrize("max_bytes", [0, 1_000_000])
def test_threads_share_a_load_even_if_nothing_is_kept(clock: Any, max_bytes: int) -> None:
    cache, value = ProcessCache(max_bytes, clock), cached()
    entered, go, loads = threading.Event(), threading.Event(), []

    def load(keys: list[str]) -> dict[str, Cached]:
        loads.append(keys)
        entered.set()
        go.wait(10)
        return dict.fromkeys(keys, value)

    def ask_for_two(keys: list[str]) -> dict[str, Cached]:
        go.set()
        return dict.fromkeys(keys, value)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.fetch, ["a"], load)
        entered.wait(10)
        second = pool.submit(cache.fetch, ["a", "b"], ask_for_two)  # loads "b", waits for "a"
        assert second.result(10) == {"a": value, "b": value}
        assert first.result(10) == {"a": value}
    assert loads == [["a"]]
    assert cache.stats()["entries"] == (2 if max_bytes else 0)


def test_a_failure_reaches_all_who_wait_and_the_next_try_loads_again(cache: ProcessCache) -> None:
    entered, go = threading.Event(), threading.Event()
    waiting = threading.Barrier(9)

    def fail(keys: list[str]) -> dict[str, Cached]:
        entered.set()
        go.wait(10)
        raise BackendUnavailable("the network is down")

    def wait_for_a(keys: list[str]) -> dict[str, Cached]:
        assert "a" not in keys  # it is being loaded
        waiting.wait(10)
        return {}

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(cache.fetch, ["a"], fail)
        entered.wait(10)
        rest = [pool.submit(cache.fetch, ["a", str(number)], wait_for_a) for number in range(8)]
        waiting.wait(10)
        go.set()
        for future in [first, *rest]:
            with pytest.raises(BackendUnavailable, match="the network is down"):
                future.result(10)
    assert cache.fetch(["a"], lambda keys: {"a": cached()}).keys() == {"a"}


def test_two_that_wait_for_each_other_do_not_wait_for_ever(cache: ProcessCache) -> None:
    together = threading.Barrier(2)

    def load(keys: list[str]) -> dict[str, Cached]:
        together.wait(10)
        return {key: cached() for key in keys}

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(cache.fetch, keys, load) for keys in (["a", "b"], ["c", "b", "a"])]
        assert [sorted(future.result(10)) for future in futures] == [["a", "b"], ["a", "b", "c"]]


def test_what_was_deleted_while_it_was_loaded_is_not_kept(cache: ProcessCache) -> None:
    def load(keys: list[str]) -> dict[str, Cached]:
        cache.discard("s/")
        return {"s/1": cached()}

    assert cache.fetch(["s/1"], load).keys() == {"s/1"}
    assert cache.fetch(["s/1"], nothing) == {}


def test_many_threads_leave_the_count_of_bytes_right(clock: Any) -> None:
    cache = ProcessCache(20 * (100 + OVERHEAD), clock)

    def work(seed: int) -> None:
        for step in range(300):
            key = str((seed * 7 + step * 13) % 40)
            cache.fetch([key], lambda keys: {key: cached(100) for key in keys})
            if step % 5 == 0:
                cache.discard(key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    figures = cache.stats()
    assert figures["bytes"] == figures["entries"] * (100 + OVERHEAD) <= figures["max_bytes"]


def test_several_are_taken_together_or_not_at_all(cache: ProcessCache) -> None:
    both = {"a": cached(1), "b": cached(2)}
    for key, value in both.items():
        cache.put(key, value)
    assert cache.all_of(both) == both
    assert cache.all_of([*both, "c"]) is None
    assert cache.all_of(both, most=2) is None
    assert cache.all_of(both, most=3) == both
    assert (cache.stats()["hits"], cache.stats()["misses"]) == (4, 0)


def test_a_sweep_leaves_what_has_not_expired(cache: ProcessCache, clock: Any) -> None:
    for key, ttl in {"brief": 10.0, "long": 100.0, "ever": None}.items():
        cache.put(key, cached(100, ttl, clock()))
    clock.advance(11)
    cache.sweep()
    assert cache.stats()["entries"] == 2
    assert kept(cache, "brief", "long", "ever") == ["long", "ever"]


SMALL: dict[str, Callable[[int], Any]] = {
    "dict": lambda number: {"serial": number},
    "list": lambda number: list(range(number, number + 300)),
    "frame": lambda number: pd.DataFrame({"a": [number] * 3, "b": ["x", "y", "z"]}),
    "wide frame": lambda number: pd.DataFrame({f"column {at}": [number, at] for at in range(20)}),
}


OBJECTS: dict[str, Callable[[int], Any]] = {
    "date": lambda number: date.fromordinal(700_000 + number),
    "Decimal": lambda number: Decimal(number) / 100,
    "UUID": lambda number: UUID(int=2**120 + number),
    "str": lambda number: f"row {number}",
    "datetime": lambda number: datetime(2020, 1, 1) + timedelta(number),
}


def _of_objects(kind: str, read: bool) -> tuple[int, int]:
    """As `_taken`, with frames of 30,000 rows: as they were stored, or as they are read."""
    codecs = Codecs(compression="none", keys=[b"k"])
    cache = ProcessCache(1 << 40, lambda: 0.0)

    def put(first: int, end: int) -> None:
        for number in range(first, end):
            values = [OBJECTS[kind](row + number) for row in range(30_000)]
            frozen = codecs.freeze(pd.DataFrame({"x": pd.Series(values, dtype=object)}))
            if read:
                body = b"".join(codecs.payload(frozen, created=0.0, ttl=None).parts())
                frozen = codecs.open(BytesPayload(body)).frozen
            cache.put(str(number), Cached(frozen, 1, 0))
        gc.collect()

    put(0, 2)
    before = psutil.Process().memory_info().rss, cache.stats()["bytes"]
    put(2, 12)
    return psutil.Process().memory_info().rss - before[0], cache.stats()["bytes"] - before[1]


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("kind", OBJECTS)
def test_python_objects_are_counted_as_what_they_take(kind: str, read: bool) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        taken, counted = pool.apply(partial(_of_objects, kind, read))
    assert taken < 1.5 * counted
    assert counted < 2 * taken


def _taken(kind: str) -> tuple[int, int]:
    """By how much the process and the cache's own count of it grow with 2,000 values."""
    codecs = Codecs(compression="none", keys=[b"k"])
    cache = ProcessCache(1 << 40, lambda: 0.0)

    def put(first: int, end: int) -> None:
        for number in range(first, end):
            frozen = codecs.freeze(SMALL[kind](number))
            cache.put(f"dash/s.{number:032x}/Ah3kD9sLq0w/{number:022x}", Cached(frozen, 1, 0))
        gc.collect()

    put(0, 200)
    before = psutil.Process().memory_info().rss, cache.stats()["bytes"]
    put(200, 2_200)
    return psutil.Process().memory_info().rss - before[0], cache.stats()["bytes"] - before[1]


@pytest.mark.parametrize("kind", SMALL)
def test_what_is_counted_is_what_is_taken(kind: str) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        taken, counted = pool.apply(partial(_taken, kind))
    assert taken < 1.5 * counted
    assert counted < 2 * taken
