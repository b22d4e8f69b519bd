"""Several processes on one backend, whichever they share: at once, and as parent and child."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.backends.programs import CHILDREN, COUNT, FORKS
from tests.servers import databases, redis

Place = Sequence[str]


def _emptied(url: str) -> Place:
    databases.empty(url)
    return [url]


PLACES: Mapping[str, Callable[[Path], Place]] = {
    "sqlite": lambda folder: [f"sqlite:///{folder / 'state.db'}"],
    "postgresql": lambda _: _emptied(databases.postgresql()),
    "mariadb": lambda _: _emptied(databases.mariadb()),
    "redis": lambda _: [redis.url(), f"{redis.PREFIX}{uuid.uuid4().hex}:"],
}
"""Where several processes keep entries together: what `opened` needs, empty at first."""


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path)


def test_children_that_are_forked_from_busy_threads_have_their_own_connections(run, place):
    assert run(FORKS, *place) == f"{CHILDREN} {CHILDREN}\n"


def test_a_child_that_ends_normally_leaves_the_parents_connections_alone(run, place):
    code = """
backend = opened(*sys.argv[1:])
backend.put("a", small)
if os.fork() == 0:
    sys.exit(0)
os.wait()
backend.put("b", small)
if os.fork() == 0:
    backend.put("c", small)
    backend.close()
    sys.exit(0)
os.wait()
backend.put("d", small)
print(sorted(listing.key for listing in backend.scan("")))
"""
    assert run(code, *place) == "['a', 'b', 'c', 'd']\n"


def test_nothing_is_open_before_the_first_operation_and_after_close(run, place):
    code = """
before = len(os.listdir("/proc/self/fd")), threading.active_count()
backend = opened(*sys.argv[1:])
print((len(os.listdir("/proc/self/fd")), threading.active_count()) == before)
backend.put("a", small)
print(len(os.listdir("/proc/self/fd")) > before[0])
backend.close()
print((len(os.listdir("/proc/self/fd")), threading.active_count()) == before)
"""
    assert run(code, *place).split() == ["True"] * 3


def test_two_processes_count_to_a_thousand(start, place):
    counters = [start(COUNT, *place) for _ in range(2)]
    for counter in counters:
        counter.stdin.write("go\n")
        counter.stdin.flush()

    output, errors = zip(*(counter.communicate(timeout=60) for counter in counters), strict=True)

    assert errors == ("", "")
    assert max(map(int, output)) == 1000
