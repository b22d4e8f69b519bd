"""Handles: read when they are used, and only as much as is used; rights are checked before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dash_statemanager import CodecError, MissingExtra, PartError, Stored, ensure_session_context
from dash_statemanager.backends.base import Backend, Entry, Ranges
from dash_statemanager.backends.wrapper import Wrapper
from dash_statemanager.codecs import Codecs
from dash_statemanager.codecs.part import Part
from dash_statemanager.config import load
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.manager import StateManager
from dash_statemanager.patches import Operations
from dash_statemanager.peek import Peek
from dash_statemanager.reference import CHAIN
from dash_statemanager.versions import Versions

SALES = StoreDefinition("sales")
MakeManager = Callable[..., StateManager]
COLUMNS = {"city": ["Lima", "Oslo", None, "Pune"] * 20_000, "n": range(80_000), "x": np.linspace(0, 1, 80_000)}
FRAME = pd.DataFrame(COLUMNS)
KINDS = {"pandas": FRAME, "polars": pl.from_pandas(FRAME), "pyarrow": pa.Table.from_pandas(FRAME)}


@pytest.fixture(autouse=True)
def me() -> Iterator[None]:
    with ensure_session_context("me"):
        yield


def write(manager: StateManager, value: Any, store: StoreDefinition = SALES) -> Any:
    return manager.write_many([(store, value)])[0]


def opened(manager: StateManager, reference: Any, store: StoreDefinition | None = SALES) -> Any:
    return manager.exchange.open_many([(reference, store)])[0]


@pytest.fixture(params=["mapped", "distant", "cached", "memory"])
def handle(request: pytest.FixtureRequest, make_manager: MakeManager) -> Callable[[Any], Any]:
    """A handle of a value in a file, far away, in the cache, and in the memory of the process."""
    settings = {"backend": "memory" if request.param == "memory" else "database", "secret_key": ["k" * 40]}
    manager = make_manager(**settings)
    reader = make_manager(**settings) if request.param in ("mapped", "distant") else manager
    if request.param == "distant":
        reader.backend.reach, near = "network", reader.backend.get_ranges
        reader.backend.get_ranges = lambda key, ranges: sent(near(key, ranges))
    return lambda value: opened(reader, write(manager, value))


@pytest.mark.parametrize("kind", KINDS)
def test_a_handle_gives_the_value_and_parts_of_it(handle: Callable[[Any], Any], kind: str) -> None:
    table = KINDS[kind]
    found = handle(table)
    assert found.value.equals(table)
    assert found.value is found.value
    assert found.columns(["x", "n"]).equals(table.select(["x", "n"]) if kind != "pandas" else table[["x", "n"]])
    assert len(found.rows(79_990, 100)) == 10
    assert len(found.rows()) == 80_000
    row = found.rows(3, 1, columns=["city"])
    assert (row if kind == "pandas" else row.to_pandas())["city"].tolist() == ["Pune"]
    assert list(found.schema) == ["city", "n", "x"]
    assert str(found.schema["n"]).lower() == "int64"
    assert 1_000_000 < found.nbytes < 5_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_queries_read_a_handle(handle: Callable[[Any], Any], kind: str) -> None:
    found = handle(KINDS[kind])
    lazy = found.scan()
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == {"city": pl.String, "n": pl.Int64, "x": pl.Float64}
    counted = lazy.filter(pl.col("n") >= 79_996).select("city", "n").collect()
    assert counted.rows() == [("Lima", 79_996), ("Oslo", 79_997), (None, 79_998), ("Pune", 79_999)]
    assert lazy.slice(5, 1).collect()["city"].to_list() == ["Oslo"]
    assert lazy.select(pl.len()).collect().item() == 80_000
    relation = found.scan("duckdb")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.filter("n < 8").aggregate("count(*), max(city)").fetchall() == [(8, "Pune")]


def test_a_lazy_frame_reads_the_columns_that_its_query_needs() -> None:
    asked: list[Any] = []

    def part(part: Any) -> Any:
        asked.append((part.columns, part.limit))
        return part.of(FRAME)

    found: Stored[pd.DataFrame] = Stored(lambda: FRAME, part, lambda: 0)
    lazy = found.scan()
    del asked[:]
    lazy.select(pl.col("x").sum()).collect()
    lazy.select("n").head(3).collect()
    assert asked == [(["x"], None), (["n"], 3)]


def test_columns_of_objects_and_of_odd_names_can_be_scanned() -> None:
    frame = pd.DataFrame({1: pd.Series([None, "b"], dtype=object), "c": pd.Categorical(["u", "v"])})
    assert Stored.of(frame).scan().filter(pl.col("c") == "v").select("1").collect().item() == "b"
    with pytest.raises(CodecError, match="can't be had as Arrow"):
        Stored.of(pd.DataFrame({"mixed": [1, "a", {}]})).scan().collect()


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(MissingExtra, match="pip install duckdb"):
        Stored.of(FRAME).scan("duckdb")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_an_error_with_a_remedy(handle: Callable[[Any], Any], kind: str) -> None:
    found = handle(KINDS[kind])
    with pytest.raises(PartError, match="There are: 'city', 'n', 'x'"):
        found.columns(["population"])
    with pytest.raises(PartError, match="offset=-1"):
        found.rows(-1)
    with pytest.raises(LookupError, match=r"\.value"):
        handle({"a": 1}).columns(["a"])


def test_nothing_is_read_before_it_is_used(make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = make_manager(backend="database", cache_bytes=0)
    reference = write(manager, FRAME)
    reads: list[Any] = []
    for name in ("get", "get_many"):
        read = getattr(manager.backend, name)
        monkeypatch.setattr(manager.backend, name, lambda keys, read=read: (reads.append(keys), read(keys))[1])
    found = opened(manager, reference)
    assert found
    assert found.nbytes > 1_000_000
    assert repr(found) == "<Stored, not read>"
    assert reads == []
    assert found.value.equals(FRAME)
    assert reads
    assert repr(found) == "<Stored, read>"


def test_what_a_session_may_not_read_and_what_is_gone_is_none(manager: StateManager, clock: Any) -> None:
    reference = write(manager, FRAME)
    with ensure_session_context("somebody else"):
        assert opened(manager, reference) is None
    assert manager.counters["refused"] == 1
    assert opened(manager, {"__store__": "forged"}) is None
    manager.versions.cache.discard("")
    clock.advance(90_000)
    assert opened(manager, reference) is None
    assert manager.counters["missing"] == 1


def test_rights_are_those_of_the_moment_at_which_the_handle_was_made(manager: StateManager) -> None:
    found = opened(manager, write(manager, FRAME))
    with ensure_session_context("somebody else"):
        assert found.rows(0, 1)["city"].tolist() == ["Lima"]


def test_where_the_version_is_gone_the_initial_value_stands_in(manager: StateManager, clock: Any) -> None:
    initial, write_initial = manager.exchange.prepare_initial(StoreDefinition("sales", ttl=1e9), FRAME.head(2))
    write_initial()
    store = StoreDefinition("sales", initial=initial["__store__"], ttl=5)
    reference = write(manager, FRAME, store)
    manager.versions.cache.discard("")
    clock.advance(10)
    found = opened(manager, reference, store)
    assert len(found.value) == 2
    assert len(found.rows(1)) == 1
    assert manager.counters["missing"] == 1


def test_a_version_that_went_between_is_none_and_has_no_parts(manager: StateManager) -> None:
    found = opened(manager, write(manager, FRAME))
    manager.clear_session()
    with pytest.raises(PartError, match="gone"):
        found.columns(["n"])
    assert found.value is None


def test_patches_are_replayed_when_the_handle_is_used(manager: StateManager) -> None:
    reference = write(manager, {"list": [1]})
    for number in (2, 3):
        append = {"operation": "Append", "location": ["list"], "params": {"value": number}}
        name = manager.write_many([(SALES, Operations([append]))])[0].link
        reference = {**reference, CHAIN: [*reference.get(CHAIN, ()), name]}
    found = opened(manager, reference)
    assert found.nbytes > 10
    assert found.value == {"list": [1, 2, 3]}
    with pytest.raises(PartError, match="a dict has no columns"):
        found.rows(0, 1)


@pytest.mark.parametrize("reach", ["machine", "network"])
def test_using_a_part_prolongs_the_life_of_the_version(
    make_manager: MakeManager, clock: Any, reach: Literal["machine", "network"]
) -> None:
    writer, reader = (make_manager(backend="database", secret_key=["k" * 40]) for _ in range(2))
    reader.backend.reach = reach
    reference = write(writer, FRAME, StoreDefinition("sales", ttl=100))
    for _ in range(5):
        clock.advance(60)
        assert len(opened(reader, reference).rows(0, 1)) == 1
        reader.flush()


def test_a_handle_of_a_value_at_hand_is_for_tests() -> None:
    found = Stored.of(FRAME)
    assert found.value is FRAME
    assert found.nbytes > 1_000_000
    assert found.columns(["n"])["n"].sum() == FRAME["n"].sum()
    assert Stored.of([1, 2]).nbytes > 0


def sent(found: Ranges | None) -> Ranges | None:
    """Ranges as they come over a network: not mapped into memory."""
    return found and replace(found, parts=[bytes(part) for part in found.parts])


class Distant(Wrapper):
    """A backend far away, which notes what it is asked for, and may do something else before it answers."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self.reach = "network"
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Ranges | None:
        self.asked.append("ranges")
        if len(self.asked) == 2:
            self.before()
        return sent(super().get_ranges(key, ranges))

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        self.asked.append("whole")
        return super().get_many(keys)


@pytest.fixture
def distant(make_manager: MakeManager, clock: Any) -> tuple[Any, Distant, Any]:
    """A manager that wrote a frame, a backend far away, and a look at it from there."""
    manager = make_manager(backend="database")
    write(manager, FRAME)
    backend = Distant(manager.backend)
    settings = load(environ={}, backend="memory")
    versions = Versions(settings, backend, Codecs(), b"key", clock)
    [key] = [row.key for row in backend.scan("") if row.nbytes > 1_000_000]
    return key, backend, Peek(versions, backend)


def test_what_is_far_away_is_read_in_ranges_and_not_kept(distant: tuple[Any, Distant, Any]) -> None:
    key, backend, peek = distant
    for _ in range(2):
        assert peek.part(key, Part(["n"], 70_000, 3))["n"].tolist() == [70_000, 70_001, 70_002]
    assert set(backend.asked) == {"ranges"}


def test_where_most_of_it_is_needed_it_is_read_whole_and_kept(distant: tuple[Any, Distant, Any]) -> None:
    key, backend, peek = distant
    assert len(peek.part(key, Part(["city", "x"]))) == 80_000
    assert backend.asked[-1] == "whole"
    del backend.asked[:]
    assert peek.part(key, Part(["n"], 1, 1))["n"].tolist() == [1]
    assert backend.asked == []


def test_small_values_that_are_far_away_are_read_whole(
    make_manager: MakeManager, clock: Any, distant: tuple[Any, Distant, Any]
) -> None:
    _, backend, peek = distant
    key = "dash/small"
    payload = Codecs().payload(Codecs().freeze(FRAME.head(1000)), created=clock(), ttl=None)
    backend.put(key, payload)
    assert len(peek.part(key, Part(["n"], 1, 5))) == 5
    assert backend.asked == ["ranges", "whole"]


def test_parts_of_two_payloads_are_never_mixed(distant: tuple[Any, Distant, Any], clock: Any) -> None:
    key, backend, peek = distant
    other = Codecs().payload(Codecs().freeze(FRAME.assign(n=-FRAME["n"])), created=clock(), ttl=None)
    backend.before = lambda: backend.put(key, other)
    assert peek.part(key, Part(["n"], 70_000, 2))["n"].tolist() == [-70_000, -70_001]
    assert backend.asked[-1] == "whole"


def test_what_is_deleted_while_it_is_read_is_gone(distant: tuple[Any, Distant, Any]) -> None:
    key, backend, peek = distant
    backend.before = lambda: backend.delete(key)
    assert peek.part(key, Part(["n"], 70_000, 2)) is None
