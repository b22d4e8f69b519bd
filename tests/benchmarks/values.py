"""What is written and read: one entry of `SIZES` for each. A further size is a further entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

ROOM = 50_000
"""Frames are cut out of a column that is this much longer: each write then has a new frame, at no cost.

More of it would make them small parts of something large, which stores copy.
"""

BYTES_A_ROW = 95
ONE_COLUMN = "price"


@dataclass(frozen=True)
class Size:
    """One size of data.

    Attributes:
        name: Its word for the command line; first part of the ids of its components.
        label: How the tables call it.
        fresh: Makes the value of the n-th write; no two are equal.
        serial: Reads `n` out of a value.
        stores: How many stores one callback writes and reads, each with such a value.
        rows: Of a frame; 0 for other values.
        rounds: How many calls of each peer make one repetition.
        crowds: How often at most, in all repetitions, twenty users come at a time.
    """

    name: str
    label: str
    fresh: Callable[[int], Any]
    serial: Callable[[Any], int]
    stores: int = 1
    rows: int = 0
    rounds: int = 1
    crowds: int = 0

    @property
    def nbytes(self) -> int:
        """Of a frame in memory."""
        return self.rows * BYTES_A_ROW

    @property
    def store_ids(self) -> list[str]:
        return [f"{self.name}-{number}" for number in range(self.stores)]


def ten_keys(n: int) -> dict[str, Any]:
    """A dict as apps keep the state of their filters."""
    return {
        "n": n,
        "country": "Norway",
        "years": [1990, 2020],
        "columns": ["name", "price", "volume"],
        "sort": {"by": "price", "descending": True},
        "page": 3,
        "query": "price > 10 and volume < 200",
        "theme": "dark",
        "threshold": 0.25,
        "active": True,
    }


@cache
def columns(rows: int) -> dict[str, Any]:
    """Nine of the ten columns."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(7)
    names = np.array([f"customer {number:08d}" for number in range(1000)])
    cities = np.array([f"{city} {number:05d}" for city in ("Bergen", "Madrid") for number in range(500)])
    picked = random.integers(0, 1000, rows)
    return {
        "when": np.datetime64("2020-01-01", "us") + picked.astype("m8[m]"),
        "price": random.normal(100, 20, rows),
        "volume": random.exponential(5, rows),
        "lat": random.uniform(-90, 90, rows),
        "lon": random.uniform(-180, 180, rows),
        "open": picked % 2 == 0,
        "kind": pd.Categorical.from_codes(picked % 5, ["a", "b", "c", "d", "e"]),
        "name": pd.array(names[picked], dtype="str"),
        "city": pd.array(cities[picked], dtype="str"),
    }


@cache
def serials(rows: int) -> Any:
    import numpy as np

    return np.arange(rows + ROOM)


def frame_of(rows: int) -> Callable[[int], Any]:
    """Makes frames of so many rows and ten columns of mixed types."""

    def fresh(n: int) -> Any:
        import pandas as pd

        return pd.DataFrame({"id": serials(rows)[n : n + rows], **columns(rows)}, copy=False)

    return fresh


def first_id(frame: Any) -> int:
    return int(frame["id"].iat[0])


def touch(frame: Any) -> None:
    """Looks at every byte of a frame, so that what was mapped into memory is also read."""
    import pyarrow as pa

    for name in frame:
        array = pa.array(frame[name].array, from_pandas=False)
        for chunk in getattr(array, "chunks", [array]):
            for buffer in filter(None, chunk.buffers()):
                blake2b(buffer)


def frames(name: str, label: str, rows: int, rounds: int, crowds: int) -> Size:
    return Size(name, label, frame_of(rows), first_id, rows=rows, rounds=rounds, crowds=crowds)


def serial_of_keys(value: Any) -> int:
    return int(value["n"])


SIZES = {
    size.name: size
    for size in (
        Size("keys", "a dict of ten keys", ten_keys, serial_of_keys, rounds=40, crowds=5),
        Size("sixteen", "sixteen such dicts in one callback", ten_keys, serial_of_keys, stores=16, rounds=20),
        frames("1k", "1,000 rows x 10 columns, 95 kB", 1_000, rounds=20, crowds=5),
        frames("10k", "10,000 rows x 10 columns, 950 kB", 10_000, rounds=10, crowds=3),
        frames("100k", "100,000 rows x 10 columns, 9.5 MB", 100_000, rounds=3, crowds=2),
        frames("1M", "1,000,000 rows x 10 columns, 95 MB", 1_000_000, rounds=1, crowds=1),
        frames("10M", "10,000,000 rows x 10 columns, 950 MB", 10_000_000, rounds=1, crowds=0),
    )
}
