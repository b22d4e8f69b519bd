"""ServerStore beside a global dict and `dcc.Store`, small: what must not become slow again.

Only ratios of calls that were made one right after the other are judged, and medians of many of them: whatever else the
machine does at that time slows all peers alike. `run.py` measures the real sizes with the same machinery.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.fleet import fleet
from tests.benchmarks.measure import ELSEWHERE, NOTHING, READ, WRITE, Results, measure, ratio
from tests.benchmarks.peers import FLOOR, PEERS, PlainStore, ServerMemory, ServerSqlite
from tests.benchmarks.values import SIZES

pytest.importorskip("gunicorn", reason="pip install gunicorn")

PLAIN, MEMORY, SQLITE = PlainStore.name, ServerMemory.name, ServerSqlite.name
KEYS, FRAME, LONG = (replace(SIZES[name], rounds=rounds) for name, rounds in (("keys", 15), ("1k", 7), ("100k", 9)))
BOTH = pytest.mark.parametrize("store", [MEMORY, SQLITE])


@pytest.fixture(scope="module")
def small() -> Results:
    """All four with small values, and the others with a frame that takes `dcc.Store` seconds."""
    peers = [PEERS[name] for name in (FLOOR, PLAIN, MEMORY, SQLITE)]
    with fleet(peers, [KEYS, FRAME, LONG], redis="") as pages:
        results = measure(pages, [KEYS, FRAME], repeat=1)
        results.served.update(measure({name: pages[name] for name in (FLOOR, MEMORY, SQLITE)}, [LONG], 1).served)
    return results


def times(results: Results, size: str, store: str, operation: str, other: str) -> float:
    """How many times as long as another peer a store takes."""
    found = ratio(results.seconds(size, store, operation), results.seconds(size, other, operation))
    assert found is not None
    return found


def test_a_small_value_costs_little_more_than_a_global_dict(small: Results) -> None:
    assert times(small, KEYS.name, MEMORY, WRITE, FLOOR) < 2
    assert times(small, KEYS.name, MEMORY, READ, FLOOR) < 1.7
    assert times(small, KEYS.name, SQLITE, WRITE, FLOOR) < 3
    assert times(small, KEYS.name, SQLITE, READ, FLOOR) < 1.7


def test_a_frame_in_memory_costs_the_same_whatever_its_size(small: Results) -> None:
    assert times(small, LONG.name, MEMORY, WRITE, FLOOR) < 3
    assert times(small, LONG.name, MEMORY, READ, FLOOR) < 2


def test_a_frame_that_the_process_has_is_read_as_from_memory(small: Results) -> None:
    assert times(small, LONG.name, SQLITE, READ, FLOOR) < 2


def test_a_frame_of_another_process_is_mapped_not_copied(small: Results) -> None:
    assert times(small, LONG.name, SQLITE, ELSEWHERE, FLOOR) < 6


@BOTH
def test_a_frame_costs_a_fraction_of_what_it_costs_in_a_plain_store(small: Results, store: str) -> None:
    assert times(small, FRAME.name, store, WRITE, PLAIN) < 0.5
    assert times(small, FRAME.name, store, READ, PLAIN) < 0.5
    assert times(small, FRAME.name, store, ELSEWHERE, PLAIN) < 0.7


@BOTH
def test_a_callback_that_touches_no_store_hardly_notices(small: Results, store: str) -> None:
    found = ratio(*(small.in_process[NOTHING, peer, NOTHING] for peer in (store, PLAIN)))
    assert found is not None
    assert found < 1.7


@BOTH
@pytest.mark.parametrize("size", [KEYS.name, LONG.name])
def test_whatever_the_value_less_than_a_kilobyte_travels(small: Results, store: str, size: str) -> None:
    for operation in (WRITE, READ):
        assert all(max(sample.sent, sample.received) < 1000 for sample in small.samples(size, store, operation))


@BOTH
def test_a_reference_is_short(small: Results, store: str) -> None:
    assert small.references[KEYS.name, store] < 120
