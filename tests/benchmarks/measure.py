"""Measures all peers in turns, call by call, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from time import perf_counter

import orjson

from .browser import Answer, Page
from .peers import PEERS
from .values import SIZES, Size

WRITE, READ, ELSEWHERE = "write", "read", "elsewhere"
"""A write, a read in the process that wrote, and the first read in another process."""
COLUMN, WHOLE = "column", "whole"
"""First reads in another process, too, of which every byte is used: of one column, and of all of them."""
CROWD, CROWD_AGAIN = "crowd", "crowd-again"
"""Twenty users who read in another process at the same time, each a value of their own, and who do it again."""
USERS = 20
SELDOM = 2
"""How often a peer is measured with sizes that take it very long."""
CHUNK = 20
CHUNKS = 5
"""In process each peer makes so many calls at a time, and so often in a repetition."""
NOTHING = "touch-nothing"
Paired = Mapping[int, float]
"""Numbers of one peer by the number of the call. Those of different peers under one number were taken together."""


@dataclass(frozen=True)
class Sample:
    """What one call, or the calls of a crowd, cost.

    Attributes:
        seconds: Until all answers were there whole.
        sent: Bytes of the bodies.
        received: Bytes of the answers' bodies.
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
    """All samples, by the number of the call.

    Attributes:
        served: Over HTTP, by size, peer and operation.
        in_process: Seconds without server and wire, by size (or `NOTHING`), peer and operation.
        references: Size of what the browser keeps for one value, in bytes of JSON, by size and peer.
    """

    served: dict[tuple[str, str, str], dict[int, Sample]] = field(default_factory=dict)
    in_process: dict[tuple[str, str, str], dict[int, float]] = field(default_factory=dict)
    references: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def sizes(self) -> list[Size]:
        names = dict.fromkeys(size for size, _, _ in self.served)
        return [SIZES[name] for name in names]

    def peers(self, size: str) -> list[str]:
        measured = {peer for name, peer, _ in self.served if name == size}
        return [name for name in PEERS if name in measured]

    def samples(self, size: str, peer: str, operation: str) -> Mapping[int, Sample]:
        """Of an operation over HTTP; where there is one process, a read elsewhere is a read."""
        if operation == ELSEWHERE and not PEERS[peer].shared:
            operation = READ
        return self.served.get((size, peer, operation), {})

    def seconds(self, size: str, peer: str, operation: str) -> Paired:
        return {number: sample.seconds for number, sample in self.samples(size, peer, operation).items()}

    def memory(self, size: str, peer: str, operation: str) -> Paired:
        return {number: sample.memory for number, sample in self.samples(size, peer, operation).items()}


def ratio(ours: Paired, theirs: Paired) -> float | None:
    """Median of the ratios of what was taken together."""
    both = ours.keys() & theirs.keys()
    return median(ours[number] / theirs[number] for number in both) if both else None


def difference(ours: Paired, theirs: Paired) -> float | None:
    """Median of the differences of what was taken together."""
    both = ours.keys() & theirs.keys()
    return median(ours[number] - theirs[number] for number in both) if both else None


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
        print(f"{datetime.now():%H:%M:%S} {size.label}", file=sys.stderr, flush=True)
        taking = {name: page for name, page in pages.items() if size.rows <= PEERS[name].most_rows}
        often = {name: page for name, page in taking.items() if size.rows <= PEERS[name].often_rows}
        for _ in range(1 + size.rounds // 4):
            _play(often, size, serials, Results())
        for number in range(repeat * size.rounds):
            _play(_turned(taking if number < SELDOM else often, number), size, serials, results)
        if not size.rows:
            _measure_in_process(taking, size, repeat, serials, results)
        crowding = {name: page for name, page in taking.items() if size.rows <= PEERS[name].crowd_rows}
        for number in range(min(repeat, size.crowds)):
            _gather(_turned(crowding, number), size, serials, results)
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


def _play(pages: Mapping[str, Page], size: Size, serials: Iterator[int], results: Results) -> None:
    """Writes and their reads, of each peer."""
    first, *others = itertools.islice(serials, 3)
    for name, page in pages.items():
        _write_and_read(page, name, size, first, results)
        if size.rows and size.rows <= PEERS[name].often_rows:
            for serial, operation in zip(others, (COLUMN, WHOLE) if PEERS[name].parts else (COLUMN,), strict=False):
                _read_anew(page, name, size, operation, serial, results)


def _write_and_read(page: Page, peer: str, size: Size, serial: int, results: Results) -> None:
    _call(page, peer, size, WRITE, serial, results)
    results.references[size.name, peer] = len(orjson.dumps(page.values[f"{size.store_ids[0]}.data"]))
    for operation in (READ, ELSEWHERE) if PEERS[peer].shared else (READ,):
        _call(page, peer, size, operation, serial, results, int(operation == ELSEWHERE))
        _check(page, peer, size, serial)


def _read_anew(page: Page, peer: str, size: Size, operation: str, serial: int, results: Results) -> None:
    """What another process reads of a value that it never saw, while it keeps no other."""
    _call(page, peer, size, WRITE, serial, results)
    server = int(PEERS[peer].shared)
    if server:
        page.forget(server)
    _call(page, peer, size, operation, serial, results, server)
    if page.values[f"{operation}-seen-{size.name}.children"] != str(size.rows):
        raise RuntimeError(f"{peer} read something else than it wrote of {size.name}")


def _check(page: Page, peer: str, size: Size, serial: int) -> None:
    if page.values[f"seen-{size.name}.children"] != str(serial):
        raise RuntimeError(f"{peer} read another value of {size.name} than it wrote")


def _call(page: Page, peer: str, size: Size, operation: str, serial: int, results: Results, server: int = 0) -> None:
    button = READ if operation == ELSEWHERE else operation
    before = page.usage(server)
    answer = page.click(f"{button}-{size.name}", serial, server)
    after = page.usage(server)
    cpu, memory = answer.cpu - before["cpu"], after["peak"] - before["now"]
    sample = Sample(answer.seconds, answer.sent, answer.received, cpu, memory)
    results.served.setdefault((size.name, peer, operation), {})[serial] = sample


def _gather(pages: Mapping[str, Page], size: Size, serials: Iterator[int], results: Results) -> None:
    """Twenty users of each peer write, one after the other, and read, all at a time."""
    numbers = list(itertools.islice(serials, USERS))
    for name, page in pages.items():
        server = int(PEERS[name].shared)
        with page.crowd(USERS) as users:
            for user, serial in zip(users, numbers, strict=True):
                user.click(f"{WRITE}-{size.name}", serial)
            for operation in (CROWD, CROWD_AGAIN):
                before = page.usage(server)
                seconds, answers = _all_at_once(users, f"{READ}-{size.name}", server)
                after = page.usage(server)
                for user, serial in zip(users, numbers, strict=True):
                    _check(user, name, size, serial)
                sent, received = (sum(getattr(answer, what) for answer in answers) for what in ("sent", "received"))
                cpu, memory = after["cpu"] - before["cpu"], after["peak"] - before["now"]
                sample = Sample(seconds, sent, received, cpu, memory)
                results.served.setdefault((size.name, name, operation), {})[numbers[0]] = sample


def _all_at_once(users: Sequence[Page], button: str, server: int) -> tuple[float, list[Answer]]:
    """Seconds until all users who click at the same time have their answers, and what these cost."""
    bodies = [orjson.dumps(user.body(button, 1)) for user in users]
    with ThreadPoolExecutor(len(users)) as pool:
        start = perf_counter()
        answers = list(pool.map(lambda user, body: user.send(body, server), users, bodies))
        seconds = perf_counter() - start
    for user, (_, received) in zip(users, answers, strict=True):
        user.take(received)
    return seconds, [answer for answer, _ in answers]


def _measure_in_process(
    pages: Mapping[str, Page], size: Size, repeat: int, serials: Iterator[int], results: Results
) -> None:
    for number in range(1 + repeat * CHUNKS):
        for name, page in _turned(pages, number).items():
            page.click(f"write-{size.name}", next(serials))
            for operation in (READ, WRITE):
                numbers = list(itertools.islice(serials, CHUNK))
                seconds = median(page.in_process(f"{operation}-{size.name}", numbers))
                if number:
                    results.in_process.setdefault((size.name, name, operation), {})[number] = seconds


def _measure_nothing(pages: Mapping[str, Page], repeat: int, results: Results) -> None:
    """Callbacks that touch no store."""
    for number in range(1 + repeat * CHUNKS):
        for name, page in _turned(pages, number).items():
            seconds = median(page.in_process(NOTHING, [*range(3 * CHUNK)]))
            if number:
                results.in_process.setdefault((NOTHING, name, NOTHING), {})[number] = seconds
