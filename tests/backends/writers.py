"""Processes that write until they are killed, and what is read meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

from dash_statemanager.backends.sql import SqlBackend
from tests.backends import crash

LONGEST = 0.08


class Writers:
    """Starts writing processes, one after the other, and kills them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._forker = subprocess.Popen(
            [sys.executable, "-m", "tests.backends.crash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._pid = 0
        os.set_blocking(self._forker.stdout.fileno(), False)

    def start(self, number: int) -> None:
        self._forker.stdin.write(f"{self._url} {number}\n".encode())
        self._forker.stdin.flush()
        self._pid = int(self._forker.stderr.readline())

    def acknowledged(self) -> list[int]:
        """The numbers that were acknowledged since this was last asked."""
        return [int(line) for line in (self._forker.stdout.read() or b"").split()]

    def kill(self) -> None:
        """Returns when the writer is gone."""
        os.kill(self._pid, signal.SIGKILL)
        while is_running(self._pid):
            time.sleep(0.001)

    def close(self) -> None:
        self._forker.communicate(timeout=10)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def values(backend: SqlBackend) -> dict[str, bytes]:
    return {key: bytes(entry.payload.buffer) for key, entry in backend.get_many(crash.KEYS).items()}


def read_one(backend: SqlBackend) -> None:
    """Reads while another process writes, and finds no half value."""
    key = random.choice(crash.KEYS)
    entry = backend.get(key)
    assert entry is None or crash.is_whole(bytes(entry.payload.buffer), key)


def write_for_a_moment(backend: SqlBackend, writers: Writers, number: int) -> list[int]:
    """Starts a writer and kills it some time after its first write, or now and then before; returns what it did."""
    writers.start(number)
    done: list[int] = []
    patience = time.monotonic() + (random.uniform(0, LONGEST) if random.random() < 0.1 else 20)
    while not done and time.monotonic() < patience:
        read_one(backend)
        done += writers.acknowledged()
    end = time.monotonic() + random.uniform(0, LONGEST)
    while time.monotonic() < end:
        read_one(backend)
    writers.kill()
    return done + writers.acknowledged()
