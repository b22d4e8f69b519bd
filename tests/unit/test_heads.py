"""Heads: what a store keeps, and what it lets go of."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dash_statemanager.backends.base import ABSENT, BytesPayload
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.errors import CorruptPayload
from dash_statemanager.heads import Head, Heads


def names(head: Head) -> list[str]:
    return list(reversed(head.versions))


def filled(*sizes: int, most: int = 64, room: int = 1000) -> tuple[Head, list[str]]:
    """A head after writes of these sizes, named 0, 1, 2..., and all that it pushed out."""
    head, gone = Head("sales"), []
    for number, nbytes in enumerate(sizes):
        head, out = head.with_version(str(number), nbytes, most, room)
        gone += out
    return head, gone


def test_the_newest_version_is_the_first() -> None:
    assert names(filled(1, 1, 1)[0]) == ["2", "1", "0"]


def test_no_more_than_so_many_versions_are_kept() -> None:
    head, gone = filled(*[1] * 10, most=4)
    assert names(head) == ["9", "8", "7", "6"]
    assert gone == [str(number) for number in range(6)]


def test_no_more_than_so_many_bytes_are_kept() -> None:
    head, gone = filled(400, 400, 400, room=1000)
    assert (names(head), gone) == (["2", "1"], ["0"])


def test_two_are_kept_whatever_their_size() -> None:
    assert names(filled(5000, 6000, 7000, room=1000)[0]) == ["2", "1"]


def test_a_version_that_is_written_again_is_the_newest_again() -> None:
    head, gone = filled(1, 1)[0].with_version("0", 1, 64, 1000)
    assert (names(head), gone) == (["0", "1"], [])


def test_a_patch_whose_write_is_repeated_is_there_once() -> None:
    head = filled(1)[0].with_patch("p").with_patch("q")

    assert head.with_patch("p").patches == ("p", "q")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 500)), max_size=40), st.integers(2, 6), st.integers(1, 900))
def test_every_version_is_kept_or_let_go_of_once_and_bounds_hold(
    writes: list[tuple[int, int]], most: int, room: int
) -> None:
    head, stored = Head("sales"), set()
    for name, nbytes in writes:
        head, gone = head.with_version(str(name), nbytes, most, room)
        stored |= {str(name)}
        assert set(gone) <= stored
        stored -= set(gone)
        assert sorted(names(head)) == sorted(stored)
        assert head.newest == str(name)
        assert len(stored) <= most
        assert len(stored) <= 2 or sum(head.versions.values()) <= room


def test_patches_are_of_the_newest_version() -> None:
    head = filled(1)[0].with_patch("p").with_patch("q")
    assert head.patches == ("p", "q")
    assert head.with_version("new", 1, 64, 1000)[0].patches == ()


def test_a_head_comes_back_as_it_was_put(memory: MemoryBackend) -> None:
    head = filled(1, 2)[0].with_patch("p")
    memory.put("head", head.dump())
    entry = memory.get("head")
    assert entry is not None
    assert Head.load(entry) == head


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"versions": ["a"], "patches": []}', b'{"versions": {"a": "b"}, "patches": []}', b"\x00\xff"],
)
def test_a_head_that_can_not_be_read_is_corrupt_not_missing(memory: MemoryBackend, content: bytes) -> None:
    memory.put("head", BytesPayload(content))
    with pytest.raises(CorruptPayload, match="Delete the store"):
        Heads(lambda: memory, time.time).read({"it": "head"})


def test_what_is_remembered_saves_a_look_until_it_is_forgotten(memory: MemoryBackend) -> None:
    heads = Heads(lambda: memory, time.time)
    assert heads.look_up({"k": "sales"}) == {"k": (Head("sales"), ABSENT)}
    heads.remember("k", filled(1)[0], "etag")
    assert heads.look_up({"k": "sales"}) == {"k": (filled(1)[0], "etag")}
    assert heads.read({"it": "k"}) == {}
    heads.forget(["k", "other"])
    assert heads.look_up({"k": "sales"}) == {"k": (Head("sales"), ABSENT)}


def test_a_sweep_keeps_what_may_still_be_there(memory: MemoryBackend, clock: Any) -> None:
    heads = Heads(lambda: memory, clock)
    lifetimes = {"brief": 10.0, "long": 100.0, "ever": None}
    for key, ttl in lifetimes.items():
        heads.remember(key, replace(filled(1)[0], ttl=ttl), "etag")
    clock.advance(11)
    heads.sweep()
    known = heads.look_up(dict.fromkeys(lifetimes, "sales"))
    assert [key for key, (_, etag) in known.items() if etag == "etag"] == ["long", "ever"]


def test_of_too_many_those_go_that_were_put_first(memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dash_statemanager.heads.KNOWN", 2)
    heads = Heads(lambda: memory, time.time)
    for key in ("a", "b", "a", "c"):
        heads.remember(key, filled(1)[0], "etag")
    known = heads.look_up(dict.fromkeys("abc", "sales"))
    assert [key for key, (_, etag) in known.items() if etag == "etag"] == ["a", "c"]
