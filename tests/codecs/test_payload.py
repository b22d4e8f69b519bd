"""Payloads: lazy, sized, compressed where it pays; and whatever bytes arrive, nothing but `CorruptPayload`."""

from __future__ import annotations

import ast
import mmap
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dash_statemanager
from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs
from dash_statemanager.codecs.base import HEADER, Header
from dash_statemanager.errors import CorruptPayload
from tests.codecs.support import FEW

FRAME = pd.DataFrame(
    {
        "i": [1, 2, 3],
        "s": ["a", None, "ccc"],
        "c": pd.Categorical(["x", "y", "x"]),
        "z": pd.date_range("2020", periods=3, tz="UTC"),
        "o": pd.Series([b"x", None, b"y"], dtype=object),
        "n": pd.array([1, None, 3], dtype="Int64"),
    },
    index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
)
VALUES: list[Any] = [
    {"a": [1, 2.5, "text", None]},
    10**40,
    b"bytes",
    FRAME,
    {"deep": [FRAME, b"x" * 5000, {1, 2}], "text": "x" * 100},
    pl.DataFrame({"a": ["x", "yy"], "b": [1, 2]}),
    pa.table({"a": ["x", None], "b": [[1], [2, 3]]}),
    ["long text " * 3000],
]


def test_a_payload_says_when_it_was_written_and_how_long_it_lives(codecs: Codecs) -> None:
    payload = codecs.payload(codecs.freeze([1]), created=12.5, ttl=None)
    read = codecs.open(BytesPayload(b"".join(payload.parts())))
    assert (read.created, read.ttl) == (12.5, None)
    assert (codecs.open(payload).created, codecs.open(payload).ttl) == (12.5, None)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_nbytes_is_exact_once_it_is_encoded(codecs: Codecs, value: Any) -> None:
    payload = codecs.payload(codecs.freeze(value), created=0.0, ttl=1.0)
    assert payload.nbytes > HEADER.size
    size = sum(memoryview(part).nbytes for part in payload.parts())
    assert payload.nbytes == size
    assert memoryview(payload.parts()[0]).nbytes == HEADER.size


def test_a_payload_is_encoded_once_whoever_asks(codecs: Codecs) -> None:
    payload = codecs.payload(codecs.freeze(FRAME), created=0.0, ttl=1.0)
    seen: list[Any] = []
    threads = [threading.Thread(target=lambda: seen.append(payload.parts())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(parts) for parts in seen}) == 1


def test_what_stayed_an_object_is_not_decoded(codecs: Codecs) -> None:
    frozen = codecs.freeze(FRAME)
    assert codecs.open(codecs.payload(frozen, created=0.0, ttl=1.0)).frozen is frozen


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_any_buffer_is_read(codecs: Codecs, as_bytes: Callable[..., bytes], value: Any, tmp_path: Path) -> None:
    body = as_bytes(value)
    path = tmp_path / "payload"
    path.write_bytes(body)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for buffer in (body, bytearray(body), memoryview(body), pa.py_buffer(body), mapped):
        read = codecs.open(BytesPayload(buffer)).frozen.thaw()
        assert repr(read) == repr(value)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_compression_changes_nothing_that_is_read(as_bytes: Callable[..., bytes], value: Any, compression: str) -> None:
    codecs = Codecs(compression=compression)
    body = as_bytes(value, "json", codecs)
    assert repr(codecs.open(BytesPayload(body)).frozen.thaw()) == repr(value)
    assert len(body) <= len(as_bytes(value, "json", Codecs(compression="none")))


def test_auto_compresses_where_it_pays(codecs: Codecs, as_bytes: Callable[..., bytes]) -> None:
    noise = np.random.default_rng(0).bytes(50_000).hex()
    frame = pd.DataFrame({"x": np.zeros(10_000)})
    assert len(as_bytes(["same " * 10_000])) < 5_000
    assert compression_of(as_bytes(["same " * 100])) == 0
    assert compression_of(as_bytes([b"same " * 10_000])) == 0
    assert compression_of(as_bytes(frame)) == 0
    assert compression_of(as_bytes(np.random.default_rng(0).bytes(50_000))) == 0
    assert codecs.open(BytesPayload(as_bytes([noise]))).frozen.thaw() == [noise]
    unpacked = codecs.payload(codecs.freeze(["same " * 10_000]), created=0.0, ttl=1.0, compress=False)
    assert unpacked.nbytes > 50_000


def compression_of(body: bytes) -> int:
    return Header.unpack(memoryview(body)[:64], len(body) - 64).compression


def with_header(body: bytes, **changes: Any) -> bytes:
    header = Header.unpack(memoryview(body)[:64], len(body) - 64)
    return Header(**{**header.__dict__, **changes}).pack() + body[HEADER.size :]


@pytest.mark.parametrize("raw_length", [0, 1, 10**6, 2**31, 2**40, 2**64 - 1])
@pytest.mark.parametrize("compression", [1, 2, 3, 255])
def test_a_wrong_length_or_compression_is_corrupt(
    codecs: Codecs, as_bytes: Callable[..., bytes], compression: int, raw_length: int
) -> None:
    body = with_header(as_bytes(["text " * 10_000]), compression=compression, raw_length=raw_length)
    with pytest.raises(CorruptPayload):
        codecs.open(BytesPayload(body))


@pytest.mark.parametrize("change", [{"created": float("nan")}, {"ttl": float("inf")}, {"ttl": -1.0}, {"codec": 200}])
def test_an_impossible_header_is_corrupt(
    codecs: Codecs, as_bytes: Callable[..., bytes], change: dict[str, Any]
) -> None:
    with pytest.raises(CorruptPayload):
        codecs.open(BytesPayload(with_header(as_bytes([1]), **change)))


@FEW
@given(body=st.binary(max_size=300))
def test_random_bytes_are_corrupt(codecs: Codecs, body: bytes) -> None:
    with pytest.raises(CorruptPayload):
        codecs.open(BytesPayload(body))


@FEW
@given(codec=st.integers(0, 9), body=st.binary(max_size=300), raw=st.integers(0, 400), compression=st.integers(0, 3))
def test_random_bodies_are_corrupt_or_a_value(
    codecs: Codecs, codec: int, body: bytes, raw: int, compression: int
) -> None:
    read_or_corrupt(codecs, Header(codec, compression, len(body), raw, 0.0, 0.0).pack() + body)


@FEW
@given(data=st.data())
def test_mutated_payloads_are_corrupt_or_a_value(
    codecs: Codecs, as_bytes: Callable[..., bytes], data: st.DataObject
) -> None:
    body = bytearray(as_bytes(data.draw(st.sampled_from(VALUES))))
    places = st.integers(HEADER.size, len(body) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6)):
        body[place] = byte
    cut = data.draw(st.one_of(st.just(0), st.integers(0, len(body) - HEADER.size)))
    kept = bytes(body[HEADER.size : len(body) - cut])
    header = Header.unpack(memoryview(body)[:64], len(body) - 64)
    read_or_corrupt(codecs, Header(**{**header.__dict__, "body_length": len(kept)}).pack() + kept)


def read_or_corrupt(codecs: Codecs, body: bytes) -> None:
    try:
        frozen = codecs.open(BytesPayload(body)).frozen
    except CorruptPayload:
        return
    frozen.thaw()
    frozen.thaw()


def test_only_one_module_imports_pickle() -> None:
    package = Path(dash_statemanager.__file__).parent
    importing = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if "pickle" in imports_of(path)}
    assert importing == {"codecs/pickle.py"}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found & {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"} and {"pickle"}


def test_plain_values_need_none_of_the_heavy_libraries() -> None:
    program = """
import sys
sys.modules["dash_statemanager"] = __import__("types").ModuleType("dash_statemanager")
sys.modules["dash_statemanager"].__path__ = [sys.argv[1]]
from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.codecs import Codecs
codecs = Codecs()
payload = codecs.payload(codecs.freeze({"a": (1, {2: b"x"})}), created=0.0, ttl=1.0)
assert codecs.open(BytesPayload(b"".join(payload.parts()))).frozen.thaw() == {"a": [1, {"2": b"x"}]}
heavy = {"pandas", "pyarrow", "numpy", "polars", "plotly", "dash_statemanager.codecs.pickle"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program, str(Path(dash_statemanager.__file__).parent)], check=True)


@pytest.mark.parametrize("frame", [pa.table({"a name": [1]}), pl.DataFrame({"a name": [1]})])
def test_a_name_that_is_no_text_is_corrupt(codecs: Codecs, as_bytes: Callable[..., bytes], frame: Any) -> None:
    with pytest.raises(CorruptPayload):
        codecs.open(BytesPayload(as_bytes(frame).replace(b"a name", b"\xd2 name")))
