"""Numbers to reach, and what was measured of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from .measure import COLUMN, ELSEWHERE, NOTHING, READ, WHOLE, WRITE, Paired, Results, difference, ratio
from .peers import (
    FLOOR,
    ExtensionsFiles,
    ExtensionsRedis,
    NoLibrary,
    PlainStore,
    ServerMemory,
    ServerRedis,
    ServerSqlite,
)
from .values import Size

PLAIN, FILES, MEMORY, SQLITE = PlainStore.name, ExtensionsFiles.name, ServerMemory.name, ServerSqlite.name
REDIS, OTHER_REDIS, NO_LIBRARY = ServerRedis.name, ExtensionsRedis.name, NoLibrary.name
STORES = (MEMORY, SQLITE)
IN_PROCESS = {"keys": {MEMORY: 0.1, SQLITE: 0.6, REDIS: 0.4}, "sixteen": {MEMORY: 1.0, SQLITE: 2.0}}
"""Milliseconds more than with plain `dcc.Store`."""
MILLI, MICRO, MEGA = 1e-3, 1e-6, 1e6
TITLES = {WRITE: "write", READ: "read", ELSEWHERE: "first read in another process"}
LARGE = 1_000_000
"""Rows of a frame of which one column, and the memory for a write, say something."""


@dataclass(frozen=True)
class Target:
    """One number to reach.

    Attributes:
        what: What was measured.
        bound: The most that it may be, in words.
        limit: The same as a number.
        measured: What it is; None where a peer was left out.
        unit: Of both; a number of seconds or bytes, or 1 for ratios.
        sign: What the table writes behind the number.
    """

    what: str
    bound: str
    limit: float
    measured: float | None
    unit: float = 1.0
    sign: str = "x"

    @property
    def met(self) -> bool:
        return self.measured is not None and self.measured <= self.limit * self.unit


def targets(results: Results) -> list[Target]:
    """All targets that these results say something about."""
    found = [target for size in results.sizes for target in _targets_of(results, size)]
    found += [_nothing(results, store) for store in STORES]
    return [target for target in found if target.measured is not None]


def _targets_of(results: Results, size: Size) -> Iterator[Target]:
    if size.stores == 1:
        yield _over_floor(results, size, MEMORY, WRITE, 1.5)
        yield _over_floor(results, size, MEMORY, READ, 1.3)
    if size.rows:
        yield _over_files(results, size)
        yield _over_floor(results, size, SQLITE, READ, 1.3)
        yield _first_read(results, size)
        yield _over_other_redis(results, size, WRITE, 0.7)
        yield _over_floor(results, size, REDIS, READ, 1.3)
        yield _over_other_redis(results, size, ELSEWHERE, 0.4)
    if size.rows >= LARGE:
        yield _peak(results, size, MEMORY, "+10 MB", 10 * MEGA)
        yield _peak(results, size, SQLITE, "+1.3x the payload", 1.3 * size.nbytes)
        yield _peak(results, size, REDIS, "+2x the payload", 2 * size.nbytes)
        yield from (target for store in (SQLITE, REDIS) for target in _one_column(results, size, store))
    if not size.rows:
        for store, limit in IN_PROCESS[size.name].items():
            yield from (_over_plain(results, size, store, operation, limit) for operation in (WRITE, READ))
    yield from (_reference(results, size, store) for store in (*STORES, REDIS))
    if size.stores == 1:
        yield from (_wire(results, size, store) for store in (*STORES, REDIS))


def _over_floor(results: Results, size: Size, store: str, operation: str, limit: float) -> Target:
    measured = ratio(*(results.seconds(size.name, peer, operation) for peer in (store, FLOOR)))
    return Target(f"{size.label}: {store}, {TITLES[operation]}", f"{limit:g}x the floor", limit, measured)


def _over_files(results: Results, size: Size) -> Target:
    measured = ratio(*(results.seconds(size.name, peer, WRITE) for peer in (SQLITE, FILES)))
    return Target(f"{size.label}: {SQLITE}, write", "1x dash-extensions files", 1.0, measured)


def _over_other_redis(results: Results, size: Size, operation: str, limit: float) -> Target:
    measured = ratio(*(results.seconds(size.name, peer, operation) for peer in (REDIS, OTHER_REDIS)))
    return Target(f"{size.label}: {REDIS}, {TITLES[operation]}", f"{limit:g}x dash-extensions Redis", limit, measured)


def _first_read(results: Results, size: Size) -> Target:
    measured = difference(*(results.seconds(size.name, peer, ELSEWHERE) for peer in (SQLITE, FLOOR)))
    return Target(
        f"{size.label}: {SQLITE}, first read in another process", "floor + 5 ms", 5, measured, MILLI, " ms more"
    )


def _peak(results: Results, size: Size, store: str, bound: str, limit: float) -> Target:
    most = max(results.memory(size.name, store, WRITE).values(), default=None)
    return Target(f"{size.label}: {store}, memory while writing", bound, limit / MEGA, most, MEGA, " MB more")


def _one_column(results: Results, size: Size, store: str) -> Iterator[Target]:
    for what, limit, numbers in (("time", 0.15, results.seconds), ("memory", 0.2, results.memory)):
        measured = _share(*(numbers(size.name, store, operation) for operation in (COLUMN, WHOLE)))
        label = f"{size.label}: {store}, {what} for one column in another process"
        yield Target(label, f"{100 * limit:g}% of that for all of them", 100 * limit, measured, sign="%")


def _share(part: Paired, whole: Paired) -> float | None:
    """Per cent, of medians: a part and its whole are numbers of different calls."""
    return 100 * max(median(part.values()), 0) / median(whole.values()) if part and whole else None


def _over_plain(results: Results, size: Size, store: str, operation: str, limit: float) -> Target:
    measured = difference(*(results.in_process.get((size.name, peer, operation), {}) for peer in (store, PLAIN)))
    what = f"{size.label}: {store}, {operation}, in process"
    return Target(what, f"dcc.Store + {limit:g} ms", limit, measured, MILLI, " ms more")


def _reference(results: Results, size: Size, store: str) -> Target:
    measured = results.references.get((size.name, store))
    return Target(f"{size.label}: {store}, reference", "120 bytes", 119, measured, sign=" bytes")


def _wire(results: Results, size: Size, store: str) -> Target:
    samples = [
        sample for operation in (WRITE, READ) for sample in results.samples(size.name, store, operation).values()
    ]
    most = max((max(sample.sent, sample.received) for sample in samples), default=None)
    return Target(f"{size.label}: {store}, on the wire each way", "1 kB", 999, most, sign=" bytes")


def _nothing(results: Results, store: str) -> Target:
    measured = difference(*(results.in_process.get((NOTHING, peer, NOTHING), {}) for peer in (store, NO_LIBRARY)))
    what = f"a callback that touches no store: {store}, in process"
    return Target(what, "50 µs more than without the library", 50, measured, MICRO, " µs more")
