"""The circuit breaker: one request waits for a backend that is away, the others are told at once."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable

import pytest

from dash_statemanager.backends.base import BytesPayload, Entry, Put
from dash_statemanager.backends.breaker import Breaker
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.wrapper import Wrapper
from dash_statemanager.errors import BackendBusy, BackendFull, BackendUnavailable, Conflict
from tests.servers.base import wait_until


class Line(Wrapper):
    """A memory backend at the end of a line that may be cut; counts what comes through."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.error: Exception | None = None
        self.asked = self.pinged = self.closed = 0

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        self.asked += 1
        if self.error:
            raise self.error
        return self.inner.get_many(keys)

    def close(self) -> None:
        self.closed += 1

    def ping(self) -> None:
        self.pinged += 1
        if self.error:
            raise self.error


OPERATIONS = {
    "get": lambda b: b.get("a"),
    "get_many": lambda b: b.get_many(["a"]),
    "put": lambda b: b.put("a", BytesPayload(b"")),
    "put_many": lambda b: b.put_many([Put("a", BytesPayload(b""))]),
    "delete": lambda b: b.delete("a"),
    "touch": lambda b: b.touch("a", 1),
    "touch_many": lambda b: b.touch_many({"a": 1}),
    "scan": lambda b: list(b.scan("")),
    "ping": lambda b: b.ping(),
}


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def breaker(line):
    breaker = Breaker(line)
    yield breaker
    breaker.close()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_after_one_failure_nothing_is_asked_until_it_is_back(line, breaker, operation):
    line.error = BackendUnavailable("the line is cut", "Mend it")
    with pytest.raises(BackendUnavailable):
        breaker.get("a")
    for _ in range(100):
        with pytest.raises(BackendUnavailable, match=r"the line is cut \(for \d s now\)\. Mend it"):
            operation(breaker)
    assert line.asked == 1
    line.error = None
    wait_until(lambda: operation(breaker) or True, 5)


def test_it_says_once_that_it_is_away_and_once_that_it_is_back(line, breaker, caplog):
    caplog.set_level(logging.WARNING)
    line.error = BackendUnavailable("the line is cut")
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            breaker.get("a")
    assert breaker.stats()["away"] == "the line is cut."
    line.error = None
    wait_until(lambda: "entries" in breaker.stats(), 5)
    assert [record.message.split(":")[0].split(" after")[0] for record in caplog.records] == [
        "the backend is away, what needs it fails at once until it is back",
        "the backend is back",
    ]


@pytest.mark.parametrize("error", [Conflict("faster"), BackendFull("no room"), BackendBusy("later"), KeyError("a")])
def test_other_errors_leave_it_closed(line, breaker, error):
    line.error = error
    for _ in range(3):
        with pytest.raises(type(error)):
            breaker.get("a")
    assert (line.asked, line.pinged) == (3, 0)


@pytest.mark.parametrize("error", [BackendFull("no room"), RuntimeError("what no backend should raise")])
def test_a_backend_that_answers_with_another_error_is_back(line, breaker, error):
    line.error = BackendUnavailable("the line is cut")
    with pytest.raises(BackendUnavailable):
        breaker.get("a")
    line.error = error
    wait_until(lambda: line.pinged and "entries" in breaker.stats(), 5)


def test_no_thread_stays_after_it_is_back_or_closed(line, breaker):
    line.error = BackendUnavailable("the line is cut")
    with pytest.raises(BackendUnavailable):
        breaker.get("a")
    assert "dash-statemanager-breaker" in {thread.name for thread in threading.enumerate()}
    breaker.close()
    wait_until(lambda: "dash-statemanager-breaker" not in {thread.name for thread in threading.enumerate()}, 5)


def test_without_a_thread_to_look_each_request_finds_out_for_itself(line, breaker, monkeypatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    line.error = BackendUnavailable("the line is cut")
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match=r"^the line is cut\.$"):
            breaker.get("a")
    assert line.asked == 3

    line.error = None
    assert breaker.get("a") is None


def test_a_look_that_is_under_way_while_it_is_closed_leaves_nothing_open(line, breaker):
    looking, go_on = threading.Event(), threading.Event()

    def ping() -> None:
        looking.set()
        go_on.wait(10)

    line.ping = ping
    line.error = BackendUnavailable("the line is cut")
    with pytest.raises(BackendUnavailable):
        breaker.get("a")
    assert looking.wait(10)
    breaker.close()
    assert line.closed == 1
    go_on.set()
    wait_until(lambda: line.closed == 2, 5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_child_finds_out_for_itself(line, breaker):
    line.error = BackendUnavailable("the line is cut")
    with pytest.raises(BackendUnavailable):
        breaker.get("a")
    time.sleep(0.05)
    child = os.fork()
    if not child:
        line.error = None
        os._exit(0 if breaker.get("a") is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
