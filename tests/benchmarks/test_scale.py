"""What a store costs does not grow with what others hold, small: what must not become slow again.

Only ratios of calls that were made in turns are judged, and medians of many of them; what is over its bound is measured
again. `scale.py` measures a thousand and a million entries, with other backends, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.scale import OPERATIONS, Store, compare, places, row, times

FEW, MANY = 300, 30_000
MOST = 2.5
"""A call that looked at what others hold would take many times as long. A touch comes nearest: of few entries those
that are touched together share the pages of the database, of many each has its own."""
ATTEMPTS, ROUNDS = 3, 100


@pytest.fixture(scope="module")
def stores() -> Iterator[list[Store]]:
    with places("sqlite") as settings:
        stores = [Store(*each) for each in zip(settings, (FEW, MANY), strict=True)]
        yield stores
        for store in stores:
            store.manager.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_hundred_times_as_many_entries_cost_little_more(stores: list[Store], operation: str) -> None:
    found = []
    for _ in range(ATTEMPTS):
        small, large = compare(*stores, operation, ROUNDS)
        found.append(times(large, small))
        if found[-1] < MOST:
            return
    pytest.fail(f"{operation}: {', '.join(f'{each:.2f}' for each in found)} times as long, at most {MOST:g}")


def test_a_line_of_the_table_has_both_times_and_the_median_of_their_ratios() -> None:
    line = row("sqlite", "small write", [0.001, 0.001, 0.002], [0.001, 0.0015, 0.003])
    assert line == "| sqlite | small write | 1,000 µs | 1,500 µs | 1.50x |"
