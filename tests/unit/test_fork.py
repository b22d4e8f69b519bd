"""A child of a fork goes on, whatever the threads of its parent were doing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from dash_statemanager import ServerStore, configure, ensure_session_context, get_state_manager, get_store, set_store
from dash_statemanager.api import offer_server_secret
from dash_statemanager.cache import Cached, ProcessCache
from dash_statemanager.codecs import Codecs

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def in_child(check: Callable[[], bool]) -> bool:
    """Whether the check holds in a forked child that ends within ten seconds."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return False


class Busy(threading.Thread):
    """A thread that stays inside an operation until it is told to leave."""

    def __init__(self, operation: Callable[[Callable[[], None]], Any]) -> None:
        super().__init__(daemon=True)
        self._operation = operation
        self._entered, self._leave = threading.Event(), threading.Event()

    def run(self) -> None:
        self._operation(self._stay)

    def _stay(self) -> None:
        self._entered.set()
        self._leave.wait(30)

    def __enter__(self) -> None:
        self.start()
        assert self._entered.wait(10)

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self.join(10)


def test_a_child_reads_and_writes_what_the_parent_wrote() -> None:
    configure(secret_key="k")
    with ensure_session_context("me"):
        set_store("a", [1])

        def check() -> bool:
            found = get_store("a")
            set_store("b", [2])
            return bool(found == [1])

        assert in_child(check)
        assert get_store("b") == [2]


def test_a_load_that_a_thread_of_the_parent_was_at_does_not_hang_the_child() -> None:
    manager = configure(secret_key="k")
    value = Cached(Codecs(compression="none", keys=[b"k"]).freeze("loaded"), None, 0.0)
    cache: ProcessCache = manager.versions.cache

    def slow(stay: Callable[[], None]) -> None:
        def load(keys: list[str]) -> dict[str, Cached]:
            stay()
            return {}

        cache.fetch(["key"], load)

    with Busy(slow):
        assert in_child(lambda: cache.fetch(["key"], lambda keys: {"key": value}).keys() == {"key"})


def test_a_manager_that_a_thread_of_the_parent_was_making_does_not_hang_the_child() -> None:
    manager = configure()

    def make(stay: Callable[[], None]) -> None:
        offer_server_secret(lambda: stay() if os.getpid() == parent else None)  # asked at first use, by one thread
        assert manager.secret_keys

    def check() -> bool:
        with ensure_session_context("me"):
            set_store("a", [1])
            return bool(get_store("a") == [1])

    parent = os.getpid()
    with Busy(make):
        assert in_child(check)


def test_stores_can_be_made_in_a_child() -> None:
    ServerStore(id="parents")
    assert in_child(lambda: ServerStore(id="childs").id == "childs")


def test_locks_work_in_a_child() -> None:
    configure(secret_key="k")

    def check() -> bool:
        with get_state_manager().locks.lock("door", timeout=5):
            return True

    with get_state_manager().locks.lock("window"):
        assert in_child(check)
