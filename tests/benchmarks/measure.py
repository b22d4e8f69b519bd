"""Measures all peers in turns, call by call, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import orjson

from .browser import Page
from .peers import PEERS
from .values import SIZES, Size

WRITE, READ, ELSEWHERE = "write", "read", "elsewhere"
"""A write, a read in the process that wrote, and the first read in another process."""
CHUNK = 20
CHUNKS = 5
"""In process each peer makes so many calls at a time, and so often in a repetition."""
NOTHING = "touch-nothing"


@dataclass(frozen=True)
class Sample:
    """What one call cost.

    Attributes:
        seconds: Until its answer was there whole.
        sent: Bytes of its body.
        received: Bytes of the answer's body.
        cpu: Seconds of CPU of the server process.
        memory: Most bytes of the server process above what it had before.
    """

    seconds: float
    sent: int
    received: int
    cpu: float
    memory: float


@dataclass
class Results:
    """All samples. Those of different peers under the same index were taken one right after the other.

    Attributes:
        served: Over HTTP, by size, peer and operation.
        in_process: Seconds without server and wire, by size (or `NOTHING`), peer and operation.
        references: Size of what the browser keeps for one value, in bytes of JSON, by size and peer.
    """

    served: dict[tuple[str, str, str], list[Sample]] = field(default_factory=dict)
    in_process: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    references: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def sizes(self) -> list[Size]:
        names = dict.fromkeys(size for size, _, _ in self.served)
        return [SIZES[name] for name in names]

    def peers(self, size: str) -> list[str]:
        return list(dict.fromkeys(peer for name, peer, _ in self.served if name == size))

    def seconds(self, size: str, peer: str, operation: str) -> list[float]:
        """Of an operation over HTTP; where there is one process, a read elsewhere is a read."""
        if operation == ELSEWHERE and not PEERS[peer].shared:
            operation = READ
        return [sample.seconds for sample in self.served.get((size, peer, operation), ())]

    def samples(self, size: str, peer: str, operation: str) -> list[Sample]:
        return self.served.get((size, peer, operation), [])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Median of the ratios of samples that were taken together."""
    return median(a / b for a, b in zip(ours, theirs, strict=True)) if ours and theirs else None


def difference(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Median of the differences of samples that were taken together."""
    return median(a - b for a, b in zip(ours, theirs, strict=True)) if ours and theirs else None


def measure(pages: Mapping[str, Page], sizes: Iterable[Size], repeat: int) -> Results:
    """Measures every size with every peer that takes it.

    Args:
        pages: By peer.
        sizes: What to write and read.
        repeat: How many repetitions of `size.rounds` calls. A fourth of a repetition goes before, unmeasured.
    """
    results = Results()
    serials = itertools.count(1)
    for size in sizes:
        taking = {name: page for name, page in pages.items() if size.rows <= PEERS[name].most_rows}
        for _ in range(1 + size.rounds // 4):
            _play(taking, size, next(serials), Results())
        for number in range(repeat * size.rounds):
            _play(_turned(taking, number), size, next(serials), results)
        if not size.rows:
            _measure_in_process(taking, size, repeat, serials, results)
    _measure_nothing(pages, repeat, results)
    return results


def measure_in_process(pages: Mapping[str, Page], sizes: Iterable[Size], repeat: int) -> Results:
    """As `measure`, but only what callbacks cost without server and wire, also those that touch no store."""
    results = Results()
    serials = itertools.count(1)
    for size in sizes:
        _measure_in_process(pages, size, repeat, serials, results)
    _measure_nothing(pages, repeat, results)
    return results


def _turned(pages: Mapping[str, Page], number: int) -> dict[str, Page]:
    """The same pages, another one first."""
    names = [*pages]
    start = number % len(names)
    return {name: pages[name] for name in names[start:] + names[:start]}


def _play(pages: Mapping[str, Page], size: Size, serial: int, results: Results) -> None:
    """One write and its reads, of each peer."""
    for name, page in pages.items():
        _call(page, name, size, WRITE, serial, results)
        _call(page, name, size, READ, serial, results)
        if PEERS[name].shared:
            _call(page, name, size, ELSEWHERE, serial, results)
        results.references[size.name, name] = len(orjson.dumps(page.values[f"{size.store_ids[0]}.data"]))


def _call(page: Page, peer: str, size: Size, operation: str, serial: int, results: Results) -> None:
    server = 1 if operation == ELSEWHERE else 0
    button = "write" if operation == WRITE else "read"
    before = page.usage(server)
    answer = page.click(f"{button}-{size.name}", serial, server)
    after = page.usage(server)
    if operation != WRITE and page.values[f"seen-{size.name}.children"] != str(serial):
        raise RuntimeError(f"{peer} read another value of {size.name} than it wrote")
    sample = Sample(
        answer.seconds,
        answer.sent,
        answer.received,
        answer.cpu - before["cpu"],
        after["peak"] - before["now"],
    )
    results.served.setdefault((size.name, peer, operation), []).append(sample)


def _measure_in_process(
    pages: Mapping[str, Page], size: Size, repeat: int, serials: Iterable[int], results: Results
) -> None:
    for number in range(1 + repeat * CHUNKS):
        for name, page in _turned(pages, number).items():
            page.click(f"write-{size.name}", next(iter(serials)))
            for operation in (READ, WRITE):
                numbers = list(itertools.islice(serials, CHUNK))
                seconds = median(page.in_process(f"{operation}-{size.name}", numbers))
                if number:
                    results.in_process.setdefault((size.name, name, operation), []).append(seconds)


def _measure_nothing(pages: Mapping[str, Page], repeat: int, results: Results) -> None:
    """Callbacks that touch no store."""
    for number in range(1 + repeat * CHUNKS):
        for name, page in _turned(pages, number).items():
            seconds = median(page.in_process(NOTHING, [*range(3 * CHUNK)]))
            if number:
                results.in_process.setdefault((NOTHING, name, NOTHING), []).append(seconds)
