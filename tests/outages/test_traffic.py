"""How much travels: parts of a table bring little more than themselves, and are what they are in the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from dash_statemanager import PartError, ensure_session_context
from dash_statemanager.config import Settings
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.manager import StateManager
from tests.servers.base import Proxy

STORE = StoreDefinition("sales")
ROWS = 250_000
NUMBERS = np.arange(ROWS)
TABLE = pd.DataFrame(
    {
        "when": pd.date_range("2020", periods=ROWS, freq="s", tz="Europe/Berlin"),
        "city": pd.array([f"city {number % 1000:06}" for number in NUMBERS], dtype="str"),
        "kind": pd.Categorical.from_codes(NUMBERS % 3, ["a", "b", "c"]),
        "nullable": pd.array([None, *range(1, ROWS)], dtype="Int64"),
        **{f"number {n}": NUMBERS * 1.5**n for n in range(6)},
    }
)
INDEXED = TABLE.set_index(pd.MultiIndex.from_arrays([NUMBERS // 100, NUMBERS % 100], names=["page", "row"]))
Connect = Callable[..., StateManager]


@pytest.fixture
def connect(settings: Callable[..., Settings]) -> Iterator[Connect]:
    """Opens managers behind the proxy, as processes do that have read nothing yet."""
    opened: list[StateManager] = []

    def connect() -> StateManager:
        opened.append(StateManager(settings(timeout=5.0)))
        return opened[-1]

    with ensure_session_context("me"):
        yield connect
    opened[0].versions.delete("")
    for manager in opened:
        manager.close()


@pytest.mark.parametrize("table", [TABLE, INDEXED, pl.from_pandas(TABLE)], ids=["pandas", "indexed", "polars"])
def test_parts_bring_little_more_than_themselves(connect: Connect, proxy: Proxy, table: Any) -> None:
    [reference] = connect().write_many([(STORE, table)])
    [handle] = connect().exchange.open_many([(reference, STORE)])
    whole = handle.nbytes

    def cost(found: Any, expected: Any) -> float:
        nonlocal before
        before, start = proxy.answered, before
        assert found.equals(expected)
        return (before - start) / whole

    before = proxy.answered
    column = table.select("number 3") if isinstance(table, pl.DataFrame) else table[["number 3"]]
    index = 0.0 if table is not INDEXED else 0.15
    assert cost(handle.columns(["number 3"]), column) < 0.15 + index
    page = table[200_000:200_100]
    assert cost(handle.rows(200_000, 100), page) < 0.04
    cities = page.select("city", "kind") if isinstance(table, pl.DataFrame) else page[["city", "kind"]]
    assert cost(handle.rows(200_000, 100, columns=["city", "kind"]), cities) < 0.02
    assert list(handle.schema) == list(table.columns)
    assert cost(handle.value, table) > 0.9
    [handle] = connect().exchange.open_many([(reference, STORE)])  # the local tier has all of it now
    assert cost(handle.rows(100, 1000), table[100:1100]) < 0.005


def test_a_lazy_frame_brings_the_columns_of_its_query(connect: Connect, proxy: Proxy) -> None:
    [reference] = connect().write_many([(STORE, TABLE)])
    [handle] = connect().exchange.open_many([(reference, STORE)])
    whole, before = handle.nbytes, proxy.answered

    assert handle.scan().select(pl.col("number 0").sum()).collect().item() == NUMBERS.sum()

    assert proxy.answered - before < 0.15 * whole


def test_a_version_that_went_meanwhile_has_no_parts(connect: Connect) -> None:
    manager = connect()
    [reference] = manager.write_many([(STORE, TABLE)])
    [handle] = connect().exchange.open_many([(reference, STORE)])
    manager.clear_session()

    with pytest.raises(PartError, match="gone"):
        handle.columns(["number 3"])
