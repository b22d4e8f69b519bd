"""Results as Markdown: what was measured, and which targets are met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from .measure import ELSEWHERE, NOTHING, READ, WRITE, Results, difference, ratio
from .peers import FLOOR, PEERS, ExtensionsFiles, ExtensionsRedis, PlainStore, ServerMemory, ServerRedis, ServerSqlite
from .values import SIZES, Size

PLAIN, FILES, MEMORY, SQLITE = PlainStore.name, ExtensionsFiles.name, ServerMemory.name, ServerSqlite.name
REDIS, OTHER_REDIS = ServerRedis.name, ExtensionsRedis.name
STORES = (MEMORY, SQLITE)
IN_PROCESS = {"keys": {MEMORY: 0.1, SQLITE: 0.6, REDIS: 0.4}, "sixteen": {MEMORY: 1.0, SQLITE: 2.0}}
"""Milliseconds more than with plain `dcc.Store`."""
MILLI, MICRO, MEGA = 1e-3, 1e-6, 1e6


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
        yield _peak(results, size, MEMORY, "+10 MB", 10 * MEGA)
        yield _peak(results, size, SQLITE, "+1.3x the payload", 1.3 * size.nbytes)
        yield _over_other_redis(results, size, WRITE, 0.7)
        yield _over_floor(results, size, REDIS, READ, 1.3)
        yield _over_other_redis(results, size, ELSEWHERE, 0.4)
        yield _peak(results, size, REDIS, "+2x the payload", 2 * size.nbytes)
    else:
        for store, limit in IN_PROCESS[size.name].items():
            yield from (_over_plain(results, size, store, operation, limit) for operation in (WRITE, READ))
    yield from (_reference(results, size, store) for store in (*STORES, REDIS))
    if size.stores == 1:
        yield from (_wire(results, size, store) for store in (*STORES, REDIS))


def _over_floor(results: Results, size: Size, store: str, operation: str, limit: float) -> Target:
    measured = ratio(*(results.seconds(size.name, peer, operation) for peer in (store, FLOOR)))
    return Target(f"{size.label}: {store}, {operation}", f"{limit:g}x the floor", limit, measured)


def _over_files(results: Results, size: Size) -> Target:
    measured = ratio(*(results.seconds(size.name, peer, WRITE) for peer in (SQLITE, FILES)))
    return Target(f"{size.label}: {SQLITE}, write", "1x dash-extensions files", 1.0, measured)


def _over_other_redis(results: Results, size: Size, operation: str, limit: float) -> Target:
    measured = ratio(*(results.seconds(size.name, peer, operation) for peer in (REDIS, OTHER_REDIS)))
    return Target(f"{size.label}: {REDIS}, {operation}", f"{limit:g}x dash-extensions Redis", limit, measured)


def _first_read(results: Results, size: Size) -> Target:
    measured = difference(*(results.seconds(size.name, peer, ELSEWHERE) for peer in (SQLITE, FLOOR)))
    return Target(
        f"{size.label}: {SQLITE}, first read in another process", "floor + 5 ms", 5, measured, MILLI, " ms more"
    )


def _peak(results: Results, size: Size, store: str, bound: str, limit: float) -> Target:
    most = max((sample.memory for sample in results.samples(size.name, store, WRITE)), default=None)
    return Target(f"{size.label}: {store}, memory while writing", bound, limit / MEGA, most, MEGA, " MB more")


def _over_plain(results: Results, size: Size, store: str, operation: str, limit: float) -> Target:
    measured = difference(*(results.in_process.get((size.name, peer, operation), []) for peer in (store, PLAIN)))
    what = f"{size.label}: {store}, {operation}, in process"
    return Target(what, f"dcc.Store + {limit:g} ms", limit, measured, MILLI, " ms more")


def _reference(results: Results, size: Size, store: str) -> Target:
    measured = results.references.get((size.name, store))
    return Target(f"{size.label}: {store}, reference", "120 bytes", 119, measured, sign=" bytes")


def _wire(results: Results, size: Size, store: str) -> Target:
    samples = [sample for operation in (WRITE, READ) for sample in results.samples(size.name, store, operation)]
    most = max((max(sample.sent, sample.received) for sample in samples), default=None)
    return Target(f"{size.label}: {store}, on the wire each way", "1 kB", 999, most, sign=" bytes")


def _nothing(results: Results, store: str) -> Target:
    measured = difference(*(results.in_process.get((NOTHING, peer, NOTHING), []) for peer in (store, PLAIN)))
    what = f"a callback that touches no store: {store}, in process"
    return Target(what, "50 µs more than without the library", 50, measured, MICRO, " µs more")


def markdown(results: Results) -> str:
    """Everything, as tables."""
    parts = [part for size in results.sizes for part in (f"### {size.label}", _size_table(results, size))]
    parts += ["### In process", _in_process_table(results), "### Targets", target_table(targets(results))]
    return "\n\n".join(parts) + "\n"


def _size_table(results: Results, size: Size) -> str:
    head = (
        *("", "write", "read", "first read in another process"),
        *("from server to browser", "and back", "CPU for both", "memory while writing"),
    )
    return _table(head, (_size_row(results, size, peer) for peer in results.peers(size.name)))


def _size_row(results: Results, size: Size, peer: str) -> Iterator[str]:
    yield PEERS[peer].label
    yield from (_time(results, size, peer, operation) for operation in (WRITE, READ, ELSEWHERE))
    writes, reads = (results.samples(size.name, peer, operation) for operation in (WRITE, READ))
    yield _bytes(writes[-1].received)
    yield _bytes(reads[-1].sent)
    yield _ms(median(write.cpu + read.cpu for write, read in zip(writes, reads, strict=True)))
    yield f"{max(sample.memory for sample in writes) / MEGA:.1f} MB"


def _time(results: Results, size: Size, peer: str, operation: str) -> str:
    """The median, and how many times the floor it is."""
    if not results.samples(size.name, peer, operation):
        return ""
    seconds = results.seconds(size.name, peer, operation)
    times = ratio(seconds, results.seconds(size.name, FLOOR, operation))
    return _ms(median(seconds)) + (f" ({_round(times)}x)" if times else "")


def _in_process_table(results: Results) -> str:
    calls = list(dict.fromkeys((size, operation) for size, _, operation in results.in_process))
    peers = list(dict.fromkeys(peer for _, peer, _ in results.in_process))
    head = ("", *(f"{SIZES[size].label}: {operation}" if size in SIZES else "no store" for size, operation in calls))
    return _table(head, ((PEERS[peer].label, *_in_process_row(results, peer, calls)) for peer in sorted(peers)))


def _in_process_row(results: Results, peer: str, calls: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Medians, and how much more than plain `dcc.Store` that is."""
    for size, operation in calls:
        seconds = results.in_process.get((size, peer, operation), [])
        more = difference(seconds, results.in_process.get((size, PLAIN, operation), []))
        text = _ms(median(seconds)) if seconds else ""
        yield text if more is None or peer == PLAIN else f"{text} ({more / MILLI:+.3f})"


def target_table(found: Iterable[Target]) -> str:
    """Each target beside what was measured."""
    return _table(("", "at most", "measured", "met"), (_target_row(target) for target in found))


def _target_row(target: Target) -> Iterator[str]:
    assert target.measured is not None
    yield target.what
    yield target.bound
    yield f"{_round(target.measured / target.unit)}{target.sign}"
    yield "yes" if target.met else "**no**"


def _table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ms(seconds: float) -> str:
    return f"{_round(seconds / MILLI)} ms"


def _round(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _bytes(count: int) -> str:
    return f"{count} B" if count < 10_000 else f"{count / 1000:,.0f} kB" if count < MEGA else f"{count / MEGA:,.1f} MB"
