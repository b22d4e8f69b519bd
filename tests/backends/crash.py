"""A history of writes that writer and judge both know, and the process that writes it until it is killed.

Run as a module it forks a writer for every line on its standard input, `<url> <first number>`; the
writer acknowledges each write with a line `<number>` on standard output once it is done.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
from dataclasses import dataclass

from dash_statemanager.backends.base import Backend, Put
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.backends.sql.dialect import Dialect

KEYS = [f"k/{number:02}" for number in range(16)]
SIZES = [20, 1_000, 60_000, 300_000, 300_001, 1_000_000]
HEAD = 8


@dataclass(frozen=True)
class Write:
    """One atomic write of a history: what it puts, by key, and which keys it deletes."""

    puts: dict[str, bytes]
    deletes: list[str]

    @property
    def keys(self) -> set[str]:
        return {*self.puts, *self.deletes}

    def apply(self, values: dict[str, bytes]) -> dict[str, bytes]:
        kept = {key: value for key, value in values.items() if key not in self.deletes}
        return {**kept, **self.puts}


class Pieces:
    def __init__(self, data: bytes) -> None:
        self.nbytes = len(data)
        self._data = memoryview(data)

    def parts(self) -> list[memoryview]:
        step = max(1, self.nbytes // 5)
        return [self._data[start : start + step] for start in range(0, self.nbytes, step)]


def content(number: int, key: str, size: int) -> bytes:
    """Bytes that show whether they are whole: a head with what they are made of, and a pattern."""
    head = f"{number:08}{key}:{size:08}".encode()
    pattern = hashlib.sha256(head).digest()
    return (head + pattern * (size // len(pattern) + 1))[:size]


def is_whole(value: bytes, key: str) -> bool:
    return value == content(int(value[:HEAD]), key, len(value))


def history(number: int) -> Write:
    """The write of that number: one to three keys, some of them large, or now and then a delete."""
    dice = random.Random(number)
    keys = dice.sample(KEYS, dice.choice([1, 1, 2, 3]))
    if dice.random() < 0.1:
        return Write({}, keys)
    deletes = keys[1:] if dice.random() < 0.2 else []
    return Write({key: content(number, key, dice.choice(SIZES)) for key in keys if key not in deletes}, deletes)


def do(write: Write, backend: Backend) -> None:
    puts = [Put(key, Pieces(value), 3600) for key, value in write.puts.items()]
    backend.put_many(puts, delete=write.deletes)


def write_until_killed(url: str, number: int) -> None:
    Dialect.chunk = 100_000  # where values are split, most of these are
    backend = SqlBackend(url)
    while True:
        do(history(number), backend)
        os.write(1, f"{number}\n".encode())
        number += 1


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        url, first = line.split()
        SqlBackend(url)  # opens nothing, but imports what the writers need
        pid = os.fork()
        if pid == 0:
            write_until_killed(url, int(first))
        os.write(2, f"{pid}\n".encode())


if __name__ == "__main__":
    main()
