"""ServerStore beside a global dict and `dcc.Store`, small: what must not become slow again.

Only ratios of calls that were made one right after the other are judged, and medians of many of them. What else the
machine does at that time only ever adds to a ratio: what is over its bound is measured again, up to three times in all.
`run.py` measures the real sizes with the same machinery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from tests.benchmarks.browser import Page
from tests.benchmarks.fleet import fleet
from tests.benchmarks.measure import (
    CROWD,
    CROWD_AGAIN,
    ELSEWHERE,
    NOTHING,
    READ,
    WRITE,
    Paired,
    Results,
    measure,
    ratio,
)
from tests.benchmarks.peers import FLOOR, PEERS, Memoized, PlainStore, ServerMemory, ServerSqlite
from tests.benchmarks.values import SIZES

pytest.importorskip("gunicorn", reason="pip install gunicorn")

PLAIN, MEMOIZED, MEMORY, SQLITE = PlainStore.name, Memoized.name, ServerMemory.name, ServerSqlite.name
KEYS, FRAME, LONG = (
    replace(SIZES[name], rounds=rounds, crowds=crowds)
    for name, rounds, crowds in (("keys", 15, 0), ("1k", 7, 0), ("100k", 9, 1))
)
BOTH = pytest.mark.parametrize("store", [MEMORY, SQLITE])


ATTEMPTS = 3


class Small:
    """All of them with small values, and those that are fast with a frame that takes `dcc.Store` seconds."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages
        self.attempts: list[Results] = []

    @property
    def results(self) -> Results:
        """Those of the first attempt."""
        return self.attempts[0] if self.attempts else self._measure()

    def is_below(self, most: float, size: str, store: str, operation: str, other: str) -> bool:
        """Whether a store takes less than so many times as long as another peer."""
        return self.judge(most, lambda results: [results.seconds(size, peer, operation) for peer in (store, other)])

    def judge(self, most: float, pair: Callable[[Results], Sequence[Paired]]) -> bool:
        """Whether the ratio of what `pair` takes from the results is below `most` in one of the attempts."""
        for number in range(ATTEMPTS):
            results = self.attempts[number] if number < len(self.attempts) else self._measure()
            found = ratio(*pair(results))
            assert found is not None
            print(f"{found:.2f}, at most {most:g}")
            if found < most:
                return True
        return False

    def _measure(self) -> Results:
        results = measure(self._pages, [KEYS, FRAME], repeat=1)
        others = {name: self._pages[name] for name in (FLOOR, MEMOIZED, MEMORY, SQLITE)}
        results.served.update(measure(others, [LONG], 1).served)
        self.attempts.append(results)
        return results


@pytest.fixture(scope="module")
def small() -> Iterator[Small]:
    peers = [PEERS[name] for name in (FLOOR, PLAIN, MEMOIZED, MEMORY, SQLITE)]
    with fleet(peers, [KEYS, FRAME, LONG], redis="") as pages:
        yield Small(pages)


def test_a_small_value_costs_little_more_than_a_global_dict(small: Small) -> None:
    assert small.is_below(2, KEYS.name, MEMORY, WRITE, FLOOR)
    assert small.is_below(1.7, KEYS.name, MEMORY, READ, FLOOR)
    assert small.is_below(3, KEYS.name, SQLITE, WRITE, FLOOR)
    assert small.is_below(1.7, KEYS.name, SQLITE, READ, FLOOR)


def test_a_frame_in_memory_costs_the_same_whatever_its_size(small: Small) -> None:
    assert small.is_below(3, LONG.name, MEMORY, WRITE, FLOOR)
    assert small.is_below(2, LONG.name, MEMORY, READ, FLOOR)


def test_a_frame_that_the_process_has_is_read_as_from_memory(small: Small) -> None:
    assert small.is_below(2, LONG.name, SQLITE, READ, FLOOR)


def test_a_frame_of_another_process_is_mapped_not_copied(small: Small) -> None:
    assert small.is_below(6, LONG.name, SQLITE, ELSEWHERE, FLOOR)


@BOTH
def test_a_frame_is_read_faster_than_by_a_memoized_function(small: Small, store: str) -> None:
    assert small.is_below(1, LONG.name, store, READ, MEMOIZED)
    assert small.is_below(1, LONG.name, store, ELSEWHERE, MEMOIZED)


@BOTH
def test_twenty_users_at_a_time_wait_hardly_longer_than_with_a_global_dict(small: Small, store: str) -> None:
    assert small.is_below(5, LONG.name, store, CROWD_AGAIN, FLOOR)
    assert small.is_below(1, LONG.name, store, CROWD, MEMOIZED)


@BOTH
def test_a_frame_costs_a_fraction_of_what_it_costs_in_a_plain_store(small: Small, store: str) -> None:
    assert small.is_below(0.5, FRAME.name, store, WRITE, PLAIN)
    assert small.is_below(0.5, FRAME.name, store, READ, PLAIN)
    assert small.is_below(0.7, FRAME.name, store, ELSEWHERE, PLAIN)


@BOTH
def test_a_callback_that_touches_no_store_hardly_notices(small: Small, store: str) -> None:
    assert small.judge(1.7, lambda results: [results.in_process[NOTHING, peer, NOTHING] for peer in (store, PLAIN)])


@BOTH
@pytest.mark.parametrize("size", [KEYS.name, LONG.name])
def test_whatever_the_value_less_than_a_kilobyte_travels(small: Small, store: str, size: str) -> None:
    for operation in (WRITE, READ):
        samples = small.results.samples(size, store, operation).values()
        assert all(max(sample.sent, sample.received) < 1000 for sample in samples)


@BOTH
def test_a_reference_is_short(small: Small, store: str) -> None:
    assert small.results.references[KEYS.name, store] < 120
