"""A million broken payloads: each is refused as corrupt or gives a value, and nothing else ever happens.

A third of them is read in parts, as if it came from far away.

python -m tests.soak.fuzz --payloads 1000000
"""

from __future__ import annotations

import argparse
import datetime
import random
import struct
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs, frame, sparse
from dash_statemanager.codecs.base import HEADER, Header
from dash_statemanager.codecs.part import Part
from dash_statemanager.codecs.sparse import ReadWhole, SparsePayload
from dash_statemanager.errors import CodecError, PartError

VALUES = [
    {"a": [1, 2.5, None, "text"], "b": {"c": True}},
    pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", None], "z": pd.to_datetime(["2026-01-01"] * 3)}),
    pd.DataFrame(
        {"c": pd.Categorical(["a", "b"]), "m": [1.5, None]}, index=pd.MultiIndex.from_tuples([(1, 2), (3, 4)])
    ),
    pl.DataFrame({"x": [1, 2, 3]}),
    {"nested": [pd.DataFrame({"x": range(10)}), b"bytes", {1, 2}]},
    b"raw bytes" * 20,
]
TABLES = 3
"""How many of them are tables, after the first."""
PYTHON = [
    {1: (2, 3), "when": datetime.datetime(2026, 1, 1), "array": np.arange(12).reshape(3, 4)},
    {"s": pd.Series([1, 2])},
]


def seeds(codecs: Codecs) -> list[bytes]:
    """Whole payloads, plain and compressed."""
    frozen = [codecs.freeze(value) for value in VALUES] + [codecs.freeze(value, "python") for value in PYTHON]
    payloads = [codecs.payload(each, created=1.0, ttl=60.0) for each in frozen]
    zipped = [
        Codecs(compression=kind).payload(each, created=1.0, ttl=60.0) for each in frozen for kind in ("lz4", "zstd")
    ]
    return [b"".join(map(bytes, each.parts())) for each in (*payloads, *zipped)]


def broken(random_: random.Random, whole: bytes) -> bytes:
    """A payload with bytes changed, cut out, put in or swapped; its header says the right length most of the time."""
    body = bytearray(whole)
    for _ in range(random_.choice((1, 1, 2, 8))):
        first = 4 if random_.random() < 0.1 else HEADER.size
        place = random_.randrange(min(first, len(body)), len(body) + 1)
        way = random_.randrange(4)
        if way == 0 and place < len(body):
            body[place] ^= 1 << random_.randrange(8)
        elif way == 1:
            del body[place : place + random_.randrange(1, 40)]
        elif way == 2:
            body[place:place] = random_.randbytes(random_.randrange(1, 40))
        else:
            body[place : place + 4] = struct.pack("<i", random_.choice((-1, 0, 1, 2**31 - 1, -(2**31), 2**24)))
    if len(body) >= HEADER.size and random_.random() < 0.9:
        magic, version, *rest = HEADER.unpack_from(body)
        if magic == whole[:4] and version == 1:
            codec, compression, flags, _, raw, created, ttl = rest
            body[: HEADER.size] = Header(codec, compression, len(body) - HEADER.size, raw, created, ttl, flags).pack()
    return bytes(body)


def read(codecs: Codecs, payload: bytes) -> str:
    """Reads a payload, and says how that ended."""
    codecs.open(BytesPayload(payload)).frozen.thaw()
    return "values"


def read_part(random_: random.Random, codecs: Codecs, payload: bytes) -> str:
    """Reads a part of a payload as if it came from far away, and says how that ended."""
    columns = random_.choice([None, ["x"], ["z", "y"], ["c"]])
    part = Part(columns, random_.choice([0, 1, 2]), random_.choice([None, 0, 1]))
    start = payload[: HEADER.size + sparse.BLOCK]
    distant = SparsePayload(start, len(payload), lambda ranges: [payload[first:end] for first, end in ranges])
    try:
        codecs.open(distant, part).frozen.thaw()
    except (PartError, ReadWhole) as exc:
        return type(exc).__name__
    return "parts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--payloads", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    asked = parser.parse_args()
    random_, codecs, counts = random.Random(asked.seed), Codecs(), Counter[str]()
    whole = seeds(codecs)
    sparse.BLOCK = frame.AHEAD = 64  # small payloads are then read in as many pieces as large ones
    sparse.MOST_BYTES, sparse.MOST_READS = 1.0, 1000
    tables = whole[1 : 1 + TABLES]
    for number in range(asked.payloads):
        distant = random_.random() < 0.33
        payload = broken(random_, random_.choice(tables if distant else whole))
        try:
            counts[read_part(random_, codecs, payload) if distant else read(codecs, payload)] += 1
        except CodecError:
            counts["refused"] += 1
        except BaseException:
            print(f"seed {asked.seed}, payload {number}: {payload!r}", file=sys.stderr)
            raise
    print(f"seed {asked.seed}: {dict(counts)}")


if __name__ == "__main__":
    main()
