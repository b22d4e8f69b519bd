"""Many threads and many processes: one load, bounded memory, one truth."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from dash._utils import stringify_id

from dash_statemanager.backends.base import Backend, Entry, Listing, Purges, Put
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.config import load
from dash_statemanager.definitions import StoreDefinition
from dash_statemanager.manager import StateManager
from dash_statemanager.session import Session, Visit, enter_visit
from tests.conftest import Clock
from tests.servers.gunicorn import gunicorn

STORE = StoreDefinition("s")
DAY = 86400.0


class Counting(Backend, Purges):
    """Counts what is asked of the backend behind it."""

    name = "counting"

    def __init__(self, inner: MemoryBackend) -> None:
        self.inner, self.calls = inner, Counter[str]()
        self.slow = threading.Event()
        self.slow.set()

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        keys = list(keys)
        self.calls.update(f"get {key.rpartition('/')[2][:6]}" for key in keys)
        self.calls["get_many"] += 1
        assert self.slow.wait(20)
        return self.inner.get_many(keys)

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        self.calls["put_many"] += 1
        return self.inner.put_many(puts, delete=delete)

    def delete(self, *keys: str) -> int:
        self.calls["delete"] += 1
        return self.inner.delete(*keys)

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        self.calls["touch_many"] += 1
        return self.inner.touch_many(ttls)

    def touch(self, key: str, ttl: float | None) -> bool:
        self.calls["touch"] += 1
        return self.inner.touch(key, ttl)

    def scan(self, prefix: str) -> Iterator[Listing]:
        return self.inner.scan(prefix)

    def purge(self) -> int:
        return self.inner.purge()

    def ping(self) -> None:
        self.inner.ping()

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def manager_of(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes managers, each a process of its own as far as caches go, over one backend that counts."""
    backend = Counting(MemoryBackend(clock))
    monkeypatch.setattr("dash_statemanager.manager.open_backend", lambda *_: backend)

    def make(**settings: Any) -> StateManager:
        return StateManager(load(environ={}, backend="memory", secret_key="secret", **settings), clock)

    with enter_visit(Visit(Session("me"))):
        yield make


def write(manager: StateManager, value: Any, store: StoreDefinition = STORE) -> Any:
    return manager.write_many([(store, value)])[0]


def calls_of(manager: StateManager) -> Counter[str]:
    backend = manager.backend
    assert isinstance(backend, Counting)
    return backend.calls


# -- the process cache


def test_a_hundred_threads_that_miss_together_load_once(manager_of: Any) -> None:
    reference = write(manager_of(), {"a": [1]})
    reader = manager_of()
    calls_of(reader).clear()
    reader.backend.slow.clear()
    together = threading.Barrier(101, timeout=20)

    def read(_: int) -> Any:
        with enter_visit(Visit(Session("me"))):
            together.wait()
            return reader.read(reference)

    with ThreadPoolExecutor(100) as threads:
        reads = threads.map(read, range(100))
        together.wait()
        reader.backend.slow.set()
        values = list(reads)
    assert values == [{"a": [1]}] * 100
    assert len({id(value) for value in values}) == 100
    assert calls_of(reader)["get_many"] == 1


def test_a_load_that_fails_fails_for_all_who_wait_and_is_tried_again(manager_of: Any, monkeypatch: Any) -> None:
    from dash_statemanager import BackendUnavailable

    reference = write(manager_of(), 1)
    reader = manager_of()

    def refuse(keys: Any) -> Any:
        raise BackendUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(reader.backend, "get_many", refuse)
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="away"):
                reader.read(reference)
    assert reader.read(reference) == 1


def test_the_cache_is_bounded_by_bytes_least_recently_used_first(manager_of: Any) -> None:
    writer = manager_of()
    references = [write(writer, "x" * 9_000 + str(n), StoreDefinition(f"s{n}")) for n in range(20)]
    reader = manager_of(cache_bytes=100_000)
    for reference in references:
        reader.read(reference)
        reader.read(references[0])
        assert reader.get_backend_stats()["cache"]["bytes"] <= 100_000
    assert 8 <= reader.get_backend_stats()["cache"]["entries"] <= 11
    calls_of(reader).clear()
    for reference in (references[0], references[-1], references[-5]):
        reader.read(reference)
    assert calls_of(reader)["get_many"] == 0
    reader.read(references[1])
    assert calls_of(reader)["get_many"] == 1


def test_all_references_of_a_callback_are_read_and_written_in_one_round_trip(manager_of: Any) -> None:
    stores = [StoreDefinition(f"s{n}") for n in range(16)]
    writer = manager_of()
    references = writer.write_many([(store, [n]) for n, store in enumerate(stores)])
    assert calls_of(writer)["put_many"] == 1
    reader = manager_of()
    calls_of(reader).clear()
    assert reader.read_many([(reference, None) for reference in references]) == [[n] for n in range(16)]
    assert calls_of(reader)["get_many"] == 1


# -- heads


def test_a_head_keeps_the_newest_versions_and_old_references_within_it_read(manager_of: Any) -> None:
    manager = manager_of(max_versions=64, cache_bytes=0)
    references = [write(manager, {"n": n}) for n in range(70)]
    values = [manager.read(reference) for reference in references]
    assert values[22:] == [{"n": n} for n in range(22, 70)]
    there = len([row for row in manager.backend.scan("") if not row.key.endswith("/head")])
    assert 48 <= there == sum(value is not None for value in values) <= 64


@pytest.mark.parametrize(("size", "kept"), [(10_000, 10), (60_000, 2), (250_000, 2), (34_000, 2), (33_000, 3)])
def test_a_head_keeps_a_number_of_bytes_but_always_two_versions(size: int, kept: int, manager_of: Any) -> None:
    manager = manager_of(max_store_bytes=101_000, cache_bytes=0)
    references = [write(manager, f"{n:02}".ljust(size, "x")) for n in range(15)]
    assert [manager.read(reference) is not None for reference in references] == [n >= 15 - kept for n in range(15)]


def test_equal_json_is_one_version_and_frames_are_always_new(manager_of: Any) -> None:
    manager = manager_of()
    assert write(manager, {"a": 1}) == write(manager, {"a": 1})
    assert write(manager, "x" * 1_000_000) == write(manager, "x" * 1_000_000)
    assert write(manager, {"a": 1}) != write(manager, {"a": 1}, StoreDefinition("other"))
    frame = pd.DataFrame({"x": [1]})
    assert write(manager, frame) != write(manager, frame)


def test_no_write_of_a_head_is_lost_between_threads_and_processes(manager_of: Any) -> None:
    managers = [manager_of(max_versions=500) for _ in range(4)]

    def write_some(number: int) -> list[Any]:
        with enter_visit(Visit(Session("me"))):
            return [write(managers[number % 4], [number, n]) for n in range(20)]

    with ThreadPoolExecutor(8) as threads:
        written = [reference for references in threads.map(write_some, range(8)) for reference in references]
    assert all(manager_of(cache_bytes=0).read_many([(reference, None) for reference in written]))
    (store,) = managers[0].get_backend_stats()["session"]["stores"]
    assert store["versions"] == 160


# -- expiry


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
def test_expiry_is_sliding_and_touches_are_rare(cache_bytes: int, manager_of: Any, clock: Clock) -> None:
    manager = manager_of(cache_bytes=cache_bytes, ttl_default=1000)
    reference = write(manager, 1)
    for _ in range(300):  # thirty lifetimes are used up, one hundredth at a time
        clock.now += 100
        assert manager.read(reference) == 1
        manager.flush()
    assert calls_of(manager)["touch_many"] <= 300
    calls_of(manager).clear()
    for _ in range(100):
        clock.now += 0.9
        assert manager.read(reference) == 1
        manager.flush()
    assert calls_of(manager)["touch_many"] == 0
    clock.now += 1000
    assert manager.read(reference) is None
    assert manager.counters["missing"] == 1


def test_a_store_has_a_lifetime_of_its_own(manager_of: Any, clock: Clock) -> None:
    manager = manager_of()
    short, long = (StoreDefinition(name, ttl=ttl) for name, ttl in (("short", 10), ("long", 1e6)))
    references = manager.write_many([(short, 1), (long, 2), (STORE, 3)])
    assert [manager.read(reference) for reference in references] == [1, 2, 3]
    clock.now += 11
    assert [manager.read(reference) for reference in references] == [None, 2, 3]
    clock.now += 2 * DAY
    assert [manager.read(reference) for reference in references] == [None, 2, None]


def test_pruning_removes_what_has_expired(manager_of: Any, clock: Clock) -> None:
    manager = manager_of(ttl_default=100)
    write(manager, [1])
    clock.now += 50
    reference = write(manager, [2], StoreDefinition("later"))
    clock.now += 60
    assert manager.prune() == 2  # the version and its head
    assert manager.read(reference) == [2]


def test_what_is_gone_reads_as_the_initial_value(manager_of: Any, clock: Clock) -> None:
    manager = manager_of(ttl_default=100)
    initial, write_initial = manager.exchange.prepare_initial(STORE, "initial")
    write_initial()
    store = StoreDefinition("s", initial=initial["__store__"])
    reference = write(manager, "written", store)
    for _ in range(3):
        clock.now += 60
        assert manager.read(initial, store) == "initial"
        manager.flush()
    assert manager.read(reference, store) == "initial"


# -- worker processes

APP = """
import os, threading
from pathlib import Path
import dash, pandas as pd
from dash import Input, Output, State, html
from dash_statemanager import ServerStore

app = dash.Dash(__name__)
server = app.server
app.layout = [ServerStore(id="a", data={"n": 0}), ServerStore(id="frame"), html.Button(id="go"), html.Div(id="out"),
              html.Div(id="box")]

@app.callback(Output("a", "data"), Output("frame", "data"), Output("box", "children"), Input("go", "n_clicks"),
              State("a", "data"), prevent_initial_call=True)
def write(n, a):
    frame = pd.DataFrame({"n": [n] * 100_000, "by": f"process {os.getpid()}"})
    made = ServerStore(id={"made": n}, data={"by": os.getpid()}, sealed=True)
    return {"n": a["n"] + 1, "by": os.getpid()}, frame, made

@app.callback(Output("out", "children"), Input("a", "data"), State("frame", "data"), State({"made": dash.ALL}, "data"))
def read(a, frame, made):
    return {"reader": os.getpid(), "a": a, "rows": None if frame is None else [len(frame), int(frame.n.sum())],
            "made": made}

@app.callback(Output({"made": dash.MATCH}, "data"), Input({"made": dash.MATCH}, "storage_type"),
              prevent_initial_call=True)
def rewrite(_):
    return {"rewritten": os.getpid()}

database = Path(os.environ["STATE_DATABASE_URL"].removeprefix("sqlite:///"))
Path("opened early").write_text(f"{database.exists()} {threading.active_count()}")
"""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "app.py").write_text(APP)
    with gunicorn(tmp_path, "app:server", "--preload", "--workers", "3", "--threads", "2") as address:
        yield address


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")
def test_preloaded_workers_read_each_others_values(workers: str, tmp_path: Path) -> None:
    assert (tmp_path / "opened early").read_text() == "False 1"
    with requests.Session() as browser:
        browser.get(workers, headers={"Accept": "text/html"})
        layout = browser.get(f"{workers}/_dash-layout").json()
        a, frame, made = layout[0]["props"]["data"], None, None
        seen: set[tuple[int, int]] = set()
        rewriters: set[int] = set()
        for n in range(1, 200):
            answer = call(browser, workers, writing(n, a))
            a, frame = answer["a"]["data"], answer["frame"]["data"]
            made = answer["box"]["children"]["props"]["data"]
            rewritten = call(browser, workers, rewriting(n))[stringify_id({"made": n})]["data"]
            assert list(rewritten) == ["__store__"]  # whoever answers knows that this is a store
            read = call(browser, workers, reading(n, a, frame, [made, rewritten]))["out"]["children"]
            assert (read["a"]["n"], read["rows"]) == (n, [100_000, n * 100_000])
            assert read["made"][0] == {"by": read["a"]["by"]}
            rewriters.add(read["made"][1]["rewritten"])
            seen.add((read["a"]["by"], read["reader"]))
            if len({writer for writer, _ in seen}) == len({reader for _, reader in seen}) == len(rewriters) == 3:
                break
        else:
            pytest.fail(f"one worker answers everything: {seen}")
        assert any(writer != reader for writer, reader in seen)


def writing(n: int, a: Any) -> dict[str, Any]:
    outputs = [spec("a", "data"), spec("frame", "data"), spec("box", "children")]
    body = {"output": "..a.data...frame.data...box.children..", "outputs": outputs}
    return {**body, "inputs": [spec("go", "n_clicks", n)], "state": [spec("a", "data", a)]}


def reading(n: int, a: Any, frame: Any, made: list[Any]) -> dict[str, Any]:
    body = {"output": "out.children", "outputs": spec("out", "children"), "inputs": [spec("a", "data", a)]}
    stores = [spec({"made": n}, "data", made[0]), spec({"made": -n}, "data", made[1])]
    return {**body, "state": [spec("frame", "data", frame), stores]}


def rewriting(n: int) -> dict[str, Any]:
    return {
        "output": '{"made":["MATCH"]}.data',
        "outputs": spec({"made": n}, "data"),
        "inputs": [spec({"made": n}, "storage_type", "session")],
        "state": [],
    }


def spec(component_id: Any, prop: str, value: Any = None) -> dict[str, Any]:
    return {"id": component_id, "property": prop, "value": value}


def call(browser: requests.Session, address: str, body: dict[str, Any]) -> Any:
    # A connection of its own, so that any worker may take it.
    answer = browser.post(
        f"{address}/_dash-update-component", json={**body, "changedPropIds": []}, headers={"Connection": "close"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["response"]
