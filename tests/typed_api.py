"""The public API as a typed caller sees it. Never run: `mypy --strict` reads it, and each line must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import dcc
from typing_extensions import assert_type

import dash_statemanager as dsm

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl


class Filters(dsm.ServerStore):
    def __init__(self) -> None:
        super().__init__(id="filters", data=None, scope="user", ttl=60.0)


def components() -> list[dcc.Store]:
    return [
        dsm.ServerStore(id="plain"),
        dsm.ServerStore(id={"type": "store", "index": 1}, storage_type="local", data={"n": 1}),
        dsm.ServerStore("typed", "memory", [1, 2], types="python", sealed=True),
        dsm.ServerStore("table", lazy=True, clientside="reference"),
        Filters(),
    ]


def wrong_components() -> None:
    dsm.ServerStore(id="x", scope="everybody")  # type: ignore[arg-type]
    dsm.ServerStore(id="x", types="yaml")  # type: ignore[arg-type]
    dsm.ServerStore(id="x", storage_type="disk")  # type: ignore[arg-type]


def by_name() -> None:
    assert_type(dsm.get_store("filters", {}), Any)
    assert_type(dsm.get_stores(["a", "b"]), dict[str, Any])
    assert_type(dsm.store_exists("a"), bool)
    assert_type(dsm.delete_store("a"), bool)
    dsm.set_store("a", [1, 2], ttl=60)
    dsm.set_stores({"a": 1, "b": None})


def sessions() -> None:
    assert_type(dsm.get_session_id(), str)
    with dsm.ensure_session_context("a job's session"):
        dsm.set_store("result", 1)
    dsm.rotate_session()


def configuration() -> None:
    manager = dsm.configure(backend="memory", ttl_default=60)
    assert_type(manager.get_backend_stats(), dict[str, Any])
    with manager.set_user_context("ada"):
        manager.set_store_data("a", 1)
    assert_type(manager.clear_user_data("ada"), int)
    dsm.reset()


@dsm.memoized(ttl=60.0, scope="user")
def slow(airport: str, *, year: int) -> list[int]:
    return [len(airport), year]


@dsm.locked("clicks", timeout=5.0)
def count(clicks: int | None) -> int:
    return (clicks or 0) + 1


@dsm.state_managed_callback(store_mappings={"filters": "filters"})
def show(clicks: int, filters: dict[str, str]) -> str:
    return filters["airport"] * clicks


def decorated() -> None:
    assert_type(slow("JFK", year=2013), list[int])
    slow("JFK")  # type: ignore[call-arg]
    assert_type(count(None), int)
    assert_type(show(1), str)


def handles(table: dsm.Stored[pd.DataFrame] | None, counts: dsm.Stored[list[int]]) -> None:
    if table is not None:
        assert_type(table.value, pd.DataFrame)
        assert_type(table.columns(["a", "b"]), pd.DataFrame)
        assert_type(table.rows(100, 50, columns=["a"]), pd.DataFrame)
        assert_type(table.nbytes, int)
        assert_type(table.scan(), pl.LazyFrame)
        assert_type(table.scan("duckdb"), duckdb.DuckDBPyRelation)
        table.scan("spark")  # type: ignore[call-overload]
    assert_type(counts.value, list[int])
    assert_type(dsm.Stored.of([1, 2]), dsm.Stored[list[int]])


def failures() -> str | None:
    try:
        dsm.set_store("a", object())
    except dsm.MissingExtra as error:
        return error.remedy
    except dsm.CodecError as error:
        return error.store
    except dsm.StateError as error:
        return error.what
    return None


def every_error() -> list[type[dsm.StateError]]:
    backend: list[type[dsm.BackendError]] = [
        dsm.BackendError,
        dsm.BackendFormatError,
        dsm.BackendFull,
        dsm.BackendUnavailable,
        dsm.Conflict,
    ]
    codec: list[type[dsm.CodecError]] = [dsm.CodecError, dsm.CorruptPayload]
    return [*backend, *codec, dsm.ConfigError, dsm.LockTimeout, dsm.PartError, dsm.SessionError, dsm.ValueTooLarge]


def manager() -> None:
    assert_type(dsm.is_configured(), bool)
    assert_type(dsm.get_state_manager().prune(), int)
    assert_type(dsm.get_state_manager().get_backend_stats(), dict[str, Any])
    assert_type(dsm.get_state_manager().secret_keys, list[str])
