"""What each operation does while its server fails, and afterwards: a typed error in time, nothing lost, no restart.

{refuse, hang, reset, slow, wrong password, read-only, full} x {read, write, delete, lock}.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from dash_statemanager.backends.base import Backend, BytesPayload, Entry
from dash_statemanager.errors import BackendError, BackendFull, BackendUnavailable, StateError
from dash_statemanager.locks import Locks
from tests.servers.base import Proxy, Server, wait_until

from .conftest import SERVERS

LARGE = os.urandom(1 << 20)
WITHIN = 2.0
"""Seconds for an error."""
BACK_WITHIN = 5.0
"""Seconds until it works again."""


def read(backend: Backend) -> None:
    assert content(backend.get("out/kept")) == b"kept"


def write(backend: Backend) -> None:
    backend.put("out/new", BytesPayload(LARGE), 60)


def delete(backend: Backend) -> None:
    backend.delete("out/other", "out/none")


def lock(backend: Backend) -> None:
    locks = LOCKS.setdefault(backend, Locks(lambda: backend, "out"))
    with locks.lock("door", timeout=1, lease=30):
        pass


LOCKS: dict[Backend, Locks] = {}
OPERATIONS = (read, write, delete, lock)
Outcome = tuple[BaseException | None, float]


def content(entry: Entry | None) -> bytes | None:
    return None if entry is None else b"".join(map(bytes, entry.payload.parts()))


def timed(operation: Callable[[Backend], None], backend: Backend) -> Outcome:
    start = time.monotonic()
    try:
        operation(backend)
    except Exception as exc:
        return exc, time.monotonic() - start
    return None, time.monotonic() - start


@pytest.fixture(autouse=True)
def _closed_locks(connect: Callable[..., Backend]) -> Iterator[None]:
    """Before the backends are closed, so that nobody opens them again to free a lock."""
    yield
    while LOCKS:
        LOCKS.popitem()[1].close()


@pytest.fixture
def backends(connect: Callable[..., Backend]) -> dict[Callable[[Backend], None], Backend]:
    """One for each operation, all of them warm, with something to lose."""
    opened = {operation: connect() for operation in OPERATIONS}
    for key in ("out/kept", "out/other"):
        wait_until(lambda key=key: opened[read].put(key, BytesPayload(b"kept"), 600))
    for backend in opened.values():
        read(backend)
    return opened


def outcomes(backends: dict[Callable[[Backend], None], Backend]) -> dict[str, Outcome]:
    with ThreadPoolExecutor(len(backends)) as pool:
        running = {operation.__name__: pool.submit(timed, operation, backends[operation]) for operation in backends}
        return {name: future.result() for name, future in running.items()}


MODES = [(name, mode) for name in SERVERS for mode in ("refuse", "hang", "reset", "slow")]


@pytest.mark.parametrize(("server", "mode"), MODES, indirect=["server"])
def test_a_broken_way_is_an_error_in_time_and_heals(mode: str, proxy: Proxy, backends) -> None:
    proxy.mode = mode
    for name, (error, seconds) in outcomes(backends).items():
        assert isinstance(error, BackendUnavailable), (name, error)
        assert seconds < WITHIN, name
    again = time.monotonic()
    for operation, backend in backends.items():
        with pytest.raises(BackendUnavailable):
            operation(backend)
    assert time.monotonic() - again < WITHIN / 4, "the first failure was to tell the others"
    proxy.mode = "pass"
    for operation, backend in backends.items():
        wait_until(lambda operation=operation, backend=backend: operation(backend) or True, BACK_WITHIN)
    assert content(backends[read].get("out/kept")) == b"kept"


def test_a_server_that_stands_still_is_an_error_in_time_and_heals(server: Server, backends) -> None:
    server.pause()
    try:
        for name, (error, seconds) in outcomes(backends).items():
            assert isinstance(error, BackendUnavailable), (name, error)
            assert seconds < WITHIN, name
    finally:
        server.resume()
    for operation, backend in backends.items():
        wait_until(lambda operation=operation, backend=backend: operation(backend) or True, BACK_WITHIN)


@pytest.mark.parametrize("server", [name for name in SERVERS if name != "gcs"], indirect=True)
def test_a_server_that_restarts_is_found_again(server: Server, backends) -> None:
    server.kill()
    for name, (error, seconds) in outcomes(backends).items():
        assert isinstance(error, BackendUnavailable), (name, error)
        assert seconds < WITHIN, name
    server.start()
    for operation, backend in backends.items():
        wait_until(lambda operation=operation, backend=backend: operation(backend) or True, BACK_WITHIN)
    assert content(backends[read].get("out/kept")) == b"kept"


@pytest.mark.parametrize("server", [name for name in SERVERS if name != "gcs"], indirect=True)
def test_a_wrong_password_is_an_error_in_time_that_does_not_repeat_it(connect: Callable[..., Backend]) -> None:
    wrong = {operation: connect(password="not-this-one") for operation in OPERATIONS}
    for name, (error, seconds) in outcomes(wrong).items():
        assert isinstance(error, BackendError), (name, error)
        assert error.remedy, name
        assert "not-this-one" not in f"{error} {error.__cause__}", name
        assert seconds < WITHIN, name


def test_a_server_that_takes_no_writes_is_still_read(server: Server, backends) -> None:
    server.set_read_only(True)
    try:
        found = outcomes(backends)
        again = outcomes({read: backends[write]})
    finally:
        server.set_read_only(False)
    for name, (error, seconds) in found.items():
        assert seconds < WITHIN, name
        assert error is None if name == "read" else isinstance(error, BackendError), (name, error)
    assert again["read"][0] is None, "a failed write must not stop reads"
    for operation, backend in backends.items():
        wait_until(lambda operation=operation, backend=backend: operation(backend) or True, BACK_WITHIN)


@pytest.mark.parametrize("server", [name for name in SERVERS if name != "gcs"], indirect=True)  # a bucket has no end
def test_a_full_server_says_so_and_what_was_stored_stays(server: Server, backends) -> None:
    server.set_full(True)
    try:
        found = outcomes(backends)
        kept = content(backends[write].get("out/kept"))
    finally:
        server.set_full(False)
    assert isinstance(found["write"][0], BackendFull), found["write"]
    assert found["read"][0] is None
    assert kept == b"kept"
    for name, (error, seconds) in found.items():
        assert seconds < WITHIN, name
        assert error is None or isinstance(error, StateError), (name, error)
    for operation, backend in backends.items():
        wait_until(lambda operation=operation, backend=backend: operation(backend) or True, BACK_WITHIN)


@pytest.fixture(autouse=True)
def clean(server: Server, connect: Callable[..., Backend]):
    """Leaves the server whole, and empty."""
    yield
    server.resume()
    with suppress(BackendError):
        backend = connect()
        backend.delete(*[row.key for row in backend.scan("out/")])
