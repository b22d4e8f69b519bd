"""Results as Markdown: what was measured, and which targets are met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from .measure import COLUMN, CROWD, CROWD_AGAIN, ELSEWHERE, READ, SELDOM, WRITE, Results, Sample, difference, ratio
from .peers import FLOOR, PEERS, PlainStore, Server
from .targets import MEGA, MILLI, TITLES, Target, targets
from .values import SIZES, Size

PLAIN = PlainStore.name
TIMES = {
    **TITLES,
    COLUMN: "one column there",
    CROWD: "twenty users there at a time",
    CROWD_AGAIN: "and again",
}


def markdown(results: Results) -> str:
    """Everything, as tables."""
    parts = [part for size in results.sizes for part in (f"### {size.label}", *_size_tables(results, size))]
    parts += ["### In process", _in_process_table(results), "### Targets", target_table(targets(results))]
    return "\n\n".join(parts) + "\n"


def backends(results: Results) -> str:
    """A short table of the backends of ServerStore."""
    small, large = results.sizes[0], shown(results)
    head = ("", "small write", "small read", f"{large.nbytes / MEGA:.2g} MB: write", "read", TIMES[ELSEWHERE])
    calls = [(small, WRITE), (small, READ), (large, WRITE), (large, READ), (large, ELSEWHERE)]
    peers = [peer for peer in results.peers(large.name) if peer == FLOOR or isinstance(PEERS[peer], Server)]
    rows = (
        (PEERS[peer].label, *(_time(results, *call, peer) for call in calls), _memory(results, large, peer, WRITE))
        for peer in peers
    )
    return _table((*head, "memory while writing"), rows) + "\n"


def shown(results: Results) -> Size:
    """The size that stands for large frames: that of 95 MB, else the last one."""
    return SIZES["1M"] if SIZES["1M"] in results.sizes else results.sizes[-1]


def _size_tables(results: Results, size: Size) -> Iterator[str]:
    peers = results.peers(size.name)
    times = {
        name: title for name, title in TIMES.items() if any((size.name, peer, name) in results.served for peer in peers)
    }
    yield _table(
        ("", *times.values()),
        ((PEERS[peer].label, *(_time(results, size, name, peer) for name in times)) for peer in peers),
    )
    head = ("", "from server to browser", "and back", "CPU for both")
    yield _table(
        (*head, "memory while writing", "while reading in another process"),
        (_cost_row(results, size, peer) for peer in peers),
    )
    yield from _notes(results, size)


def _cost_row(results: Results, size: Size, peer: str) -> Iterator[str]:
    writes, reads = (results.samples(size.name, peer, operation) for operation in (WRITE, READ))
    yield PEERS[peer].label
    yield _bytes(_last(writes).received)
    yield _bytes(_last(reads).sent)
    yield _ms(median(writes[number].cpu + read.cpu for number, read in reads.items()))
    yield from (_memory(results, size, peer, operation) for operation in (WRITE, ELSEWHERE))


def _last(samples: Mapping[int, Sample]) -> Sample:
    return samples[max(samples)]


def _notes(results: Results, size: Size) -> Iterator[str]:
    """What was left out, or done less often."""
    ours = [PEERS[name] for name in dict.fromkeys(peer for _, peer, _ in results.served)]
    there = [peer for peer in ours if size.rows <= peer.most_rows]
    notes = {
        "Too slow or too large for it": [peer for peer in ours if 0 < peer.most_rows < size.rows],
        f"So slow that {SELDOM} calls were made": [peer for peer in there if peer.often_rows < size.rows],
        "Too slow or too large for twenty users": [peer for peer in there if peer.crowd_rows < size.rows],
    }
    yield from (f"{note}: {'; '.join(peer.label for peer in peers)}." for note, peers in notes.items() if peers)


def _time(results: Results, size: Size, operation: str, peer: str) -> str:
    """The median, and how many times the floor it is."""
    seconds = results.seconds(size.name, peer, operation)
    if not seconds:
        return ""
    times = ratio(seconds, results.seconds(size.name, FLOOR, operation))
    return _ms(median(seconds.values())) + (f" ({_round(times)}x)" if times else "")


def _memory(results: Results, size: Size, peer: str, operation: str) -> str:
    most = max(results.memory(size.name, peer, operation).values(), default=0)
    return f"{max(most, 0) / MEGA:.1f} MB"


def _in_process_table(results: Results) -> str:
    calls = list(dict.fromkeys((size, operation) for size, _, operation in results.in_process))
    measured = {peer for _, peer, _ in results.in_process}
    peers = [name for name in PEERS if name in measured]
    head = ("", *(f"{SIZES[size].label}: {operation}" if size in SIZES else "no store" for size, operation in calls))
    return _table(head, ((PEERS[peer].label, *_in_process_row(results, peer, calls)) for peer in peers))


def _in_process_row(results: Results, peer: str, calls: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Medians, and how much more than plain `dcc.Store` that is."""
    for size, operation in calls:
        seconds = results.in_process.get((size, peer, operation), {})
        more = difference(seconds, results.in_process.get((size, PLAIN, operation), {}))
        text = _ms(median(seconds.values())) if seconds else ""
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
