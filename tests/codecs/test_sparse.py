"""Parts of payloads of which only some bytes are there are as in the whole, and little more is read than they need."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs, frame, sparse
from dash_statemanager.codecs.base import HEADER
from dash_statemanager.codecs.part import Part
from dash_statemanager.codecs.sparse import ReadWhole, SparsePayload
from dash_statemanager.errors import CodecError, CorruptPayload, PartError
from tests.codecs.support import FEW
from tests.codecs.test_frames import COLUMNS, MAKE_INDEX, assert_same_frame, frames
from tests.soak.fuzz import broken

AsBytes = Callable[..., bytes]
ROWS = 100_000
NUMBERS = np.arange(ROWS)
WIDE = {
    "when": pd.date_range("2020", periods=ROWS, freq="s", tz="Europe/Berlin"),
    "city": pd.array([f"city {number % 1000:06}" for number in NUMBERS], dtype="str"),
    "kind": pd.Categorical.from_codes(NUMBERS % 3, ["a", "b", "c"]),
    "nullable": pd.array([None, *range(1, ROWS)], dtype="Int64"),
    **{f"number {n}": NUMBERS * 1.5**n for n in range(6)},
}
LARGE = pd.DataFrame(WIDE, index=pd.Index(NUMBERS * 2, name="key"))
KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda table: table,
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "several chunks": lambda table: pa.Table.from_batches(pa.Table.from_pandas(table).to_batches(max_chunksize=30_000)),
}


class Source:
    """Gives bytes of a payload, and counts them."""

    def __init__(self, payload: bytes, first: int = 4 * sparse.BLOCK) -> None:
        self.data, self.nbytes, self.reads = payload, min(first, len(payload)), 0
        self.payload = SparsePayload(payload[:first], len(payload), self.read)

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.reads += 1
        self.nbytes += sum(end - first for first, end in ranges)
        return [self.data[first:end] for first, end in ranges]

    @property
    def share(self) -> float:
        return self.nbytes / len(self.data)


@pytest.fixture(scope="class")
def exact() -> Any:
    """Small tables are then read as large ones are: in many small pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "BLOCK", 64)
        patch.setattr(sparse, "MOST_BYTES", 1)
        patch.setattr(sparse, "MOST_READS", 10_000)
        patch.setattr(frame, "AHEAD", 64)
        yield


def read(codecs: Codecs, payload: bytes, part: Part) -> Any:
    return codecs.open(Source(payload, HEADER.size * 2).payload, part).frozen.thaw()


@pytest.mark.usefixtures("exact")
class TestExactly:
    @FEW
    @given(frame=frames, offset=st.integers(0, 4), limit=st.none() | st.integers(0, 4), data=st.data())
    def test_a_part_is_as_in_the_whole_frame(
        self,
        codecs: Codecs,
        as_bytes: AsBytes,
        frame: pd.DataFrame,
        offset: int,
        limit: int | None,
        data: st.DataObject,
    ) -> None:
        labels = list(frame.columns)
        chosen = st.none() | st.lists(st.sampled_from(labels), max_size=3, unique_by=repr) if labels else st.none()
        part = Part(data.draw(chosen), offset, limit)
        assert_same_frame(read(codecs, as_bytes(frame), part), part.of(frame))

    @pytest.mark.parametrize("make", COLUMNS)
    def test_every_kind_of_column_has_its_values(
        self, codecs: Codecs, as_bytes: AsBytes, make: Callable[[list[int]], Any]
    ) -> None:
        table = pd.DataFrame({"x": make([*range(60)]), "y": range(60), "z": make([*range(60, 0, -1)])})
        for part in (Part(["x"]), Part(["z"], 7, 9), Part(["z", "y"], 59), Part(["x"], 99), Part(["x"], limit=0)):
            assert_same_frame(read(codecs, as_bytes(table), part), part.of(table))

    @pytest.mark.parametrize("make", MAKE_INDEX)
    def test_every_kind_of_index_has_its_values(
        self, codecs: Codecs, as_bytes: AsBytes, make: Callable[[int], Any]
    ) -> None:
        table = pd.DataFrame({"x": range(6), "y": list("uvwxyz")}, index=make(6))
        for part in (Part(["y"]), Part(["x"], 1, 3), Part(offset=4)):
            assert_same_frame(read(codecs, as_bytes(table), part), part.of(table))

    @pytest.mark.parametrize("part", [Part(), Part(offset=3, limit=20), Part(limit=0), Part(["text", "lists"], 31)])
    def test_every_type_of_arrow_has_its_values(self, codecs: Codecs, as_bytes: AsBytes, part: Part) -> None:
        for table in (pl.DataFrame(POLARS), pa.Table.from_batches([pa.record_batch(ARROW)] * 3)):
            assert read(codecs, as_bytes(table), part).equals(part.of(table))

    @pytest.mark.parametrize("size", [1, 40])
    def test_what_is_broken_is_refused_and_nothing_else_happens(
        self, codecs: Codecs, as_bytes: AsBytes, size: int
    ) -> None:
        random_ = random.Random(size)
        tables = [LARGE.head(size), pl.DataFrame(POLARS).head(size), pa.table(ARROW).slice(0, size)]
        payloads = [as_bytes(table) for table in tables]
        for _ in range(3000):
            number = random_.randrange(len(tables))
            labels = list(tables[number].schema.names if number == 2 else tables[number].columns)
            part = Part(
                random_.choice([None, random_.sample(labels, 2)]), random_.randrange(size), random_.choice([None, 2])
            )
            payload = broken(random_, payloads[number])
            if len(payload) < HEADER.size:
                continue
            with contextlib.suppress(CodecError, PartError, ReadWhole):
                read(codecs, payload, part)


POLARS = {
    "text": ["", "short", "a text of more than twelve", None] * 10,
    "kind": pl.Series(["a", "b", None, "a"] * 10, dtype=pl.Categorical),
    "lists": [[1, 2], [], None, [3]] * 10,
    "arrays": pl.Series([[1, 2], None] * 20, dtype=pl.Array(pl.Int8, 2)),
    "structs": [{"x": 1, "y": ["z"]}, None] * 20,
    "flags": [True, None] * 20,
    "numbers": [Decimal("1.5"), None] * 20,
    "days": [dt.date(2020, 1, 1), None] * 20,
}
ARROW = {
    "text": pa.array(POLARS["text"]),
    "large": pa.array(POLARS["text"], pa.large_string()),
    "views": pa.array(POLARS["text"], pa.string_view()),
    "blobs": pa.array([b"x", None] * 20),
    "fixed": pa.array([b"xy", None] * 20, pa.binary(2)),
    "kind": pa.array(["u", None, "v", "u"] * 10).dictionary_encode(),
    "lists": pa.array(POLARS["lists"], pa.large_list(pa.int32())),
    "deep": pa.array([[{"a": ["x" * 20]}], None] * 20),
    "nothing": pa.nulls(40),
    "halves": pa.array([1.5, None] * 20, pa.float16()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_column_of_ten_is_a_small_share_of_the_bytes(codecs: Codecs, as_bytes: AsBytes, kind: str) -> None:
    table = KINDS[kind](LARGE)
    for name, most in (("number 3", 0.22), ("kind", 0.12), ("nullable", 0.23), ("city", 0.35)):
        source = Source(as_bytes(table))
        found = codecs.open(source.payload, Part([name])).frozen.thaw()
        assert found.equals(Part([name]).of(table))
        assert source.share < most
        assert source.reads < 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_rows_is_a_small_share_of_the_bytes(codecs: Codecs, as_bytes: AsBytes, kind: str) -> None:
    table = KINDS[kind](LARGE)
    for offset in (0, 29_990, 99_950):
        source = Source(as_bytes(table))
        part = Part(offset=offset, limit=100)
        assert codecs.open(source.payload, part).frozen.thaw().equals(part.of(table))
        assert source.share < 0.1


def test_the_schema_is_read_without_values(codecs: Codecs, as_bytes: AsBytes) -> None:
    source = Source(as_bytes(LARGE))
    assert list(codecs.open(source.payload, Part(limit=0)).frozen.thaw().dtypes) == list(LARGE.dtypes)
    assert source.share < 0.03


def test_a_table_of_a_thousand_columns_is_read_in_few_reads(codecs: Codecs, as_bytes: AsBytes) -> None:
    table = pd.DataFrame({f"column {number}": np.arange(1000) * number for number in range(1000)})
    source = Source(as_bytes(table))
    part = Part(["column 17", "column 990"], 10, 5)
    assert_same_frame(codecs.open(source.payload, part).frozen.thaw(), part.of(table))
    assert source.share < 0.1
    assert source.reads < 6


@pytest.mark.parametrize(
    ("value", "part", "compression"),
    [
        (LARGE, Part(), "none"),
        (LARGE, Part([f"number {n}" for n in range(6)]), "none"),
        (LARGE, Part(["kind"]), "lz4"),
        (["no table"] * 100_000, Part(["kind"]), "none"),
        ({"frame": LARGE}, Part(["frame"]), "none"),
        (pa.table({"maps": pa.array([[("k", 1)]] * ROWS, pa.map_(pa.string(), pa.int8()))}), Part(["maps"]), "none"),
        (LARGE, Part(offset=5), "none"),
        (pa.Table.from_batches([pa.record_batch({"n": NUMBERS})] * 60), Part(["n"], 0, 5), "none"),
    ],
)
def test_what_does_not_pay_to_be_read_in_parts_is_to_be_read_whole(
    codecs: Codecs, as_bytes: AsBytes, value: Any, part: Part, compression: str
) -> None:
    source = Source(as_bytes(value, using=Codecs(compression=compression)))
    with pytest.raises(ReadWhole):
        codecs.open(source.payload, part)
    assert source.share < 0.5


def test_a_backend_that_gives_fewer_bytes_than_asked_for_is_noticed(codecs: Codecs, as_bytes: AsBytes) -> None:
    payload = as_bytes(LARGE)
    sparse_payload = SparsePayload(payload[: 4 * sparse.BLOCK], len(payload), lambda ranges: [b"x"] * len(ranges))
    with pytest.raises(CorruptPayload, match="a part of the payload is missing"):
        codecs.open(sparse_payload, Part(["city"]))


class InTwo:
    """A payload whose header is not before its body in memory."""

    def __init__(self, payload: bytes) -> None:
        self.nbytes = len(payload)
        self._parts = payload[: HEADER.size], memoryview(payload)[HEADER.size :]

    def parts(self) -> tuple[Any, ...]:
        return self._parts


@pytest.mark.parametrize("value", [LARGE, {"a": [1, 2]}, b"", "text" * 10_000])
def test_header_and_body_may_be_apart(codecs: Codecs, as_bytes: AsBytes, value: Any) -> None:
    found = codecs.open(InTwo(as_bytes(value))).frozen.thaw()
    assert found.equals(value) if value is LARGE else found == value
    with pytest.raises(CorruptPayload, match="bytes of body"):
        codecs.open(InTwo(as_bytes(value) + b"x"))


def test_a_text_that_ends_outside_of_the_memory_is_refused_in_every_part(codecs: Codecs, as_bytes: AsBytes) -> None:
    table = pd.DataFrame({"b": [f"text {n}" for n in range(1000)]})
    payload = bytearray(as_bytes(table))
    at = payload.index(np.cumsum([0, *table["b"].str.len()]).astype("i8").tobytes())
    payload[at + 800 : at + 808] = (10**12).to_bytes(8, "little")
    for part in (Part(["b"]), Part(["b"], 99, 1), Part(offset=100)):
        with pytest.raises(CorruptPayload, match="impossible values"):
            codecs.open(BytesPayload(payload), part)
