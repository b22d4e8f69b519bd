"""Payloads as a file: the same bytes as those of the parts, wherever and in whatever pieces it is read."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dash_statemanager.backends.pieces import PartsFile

PARTS = st.lists(st.binary(max_size=20), max_size=6)


@given(PARTS, st.lists(st.tuples(st.integers(0, 130), st.integers(0, 50)), max_size=6))
def test_a_file_of_parts_reads_like_one_of_their_bytes(parts, reads):
    file, like = io.BufferedReader(PartsFile(parts), buffer_size=8), io.BytesIO(b"".join(parts))
    assert file.read() == like.read()
    for start, nbytes in reads:
        assert file.seek(start) == like.seek(start)
        assert file.read(nbytes) == like.read(nbytes)
        assert file.tell() == like.tell()
    assert file.seek(0, io.SEEK_END) == like.seek(0, io.SEEK_END)


def test_parts_may_be_of_any_type_that_has_bytes():
    numbers = memoryview(b"\x01\x00\x02\x00").cast("H")
    assert PartsFile([numbers, bytearray(b"ab")]).read() == b"\x01\x00\x02\x00ab"


@pytest.mark.parametrize("whence", [io.SEEK_SET, io.SEEK_CUR, io.SEEK_END])
def test_a_place_before_the_start_is_refused_as_in_every_file(whence):
    with pytest.raises(ValueError, match="negative"):
        PartsFile([b"abc"]).seek(-4, whence)
