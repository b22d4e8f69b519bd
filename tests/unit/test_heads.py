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
from dash_statemanager.errors import Conflict, CorruptPayload
from dash_statemanager.heads import SETTLE_AT, Head, Heads


def name(number: object) -> str:
    return f"{number:A>21}A"


def patch(letter: str) -> str:
    return letter * 16


def names(head: Head) -> list[str]:
    return [name.strip("A") for name in reversed(head.versions)]


def filled(*sizes: int, most: int = 64, room: int = 1000) -> tuple[Head, list[str]]:
    """A head after writes of these sizes, named 1, 2, 3..., and all that it pushed out."""
    head, gone = Head("sales"), []
    for number, nbytes in enumerate(sizes, 1):
        head, out = head.with_version(name(number), nbytes).within(most, room)
        gone += out
    return head, [name.strip("A") for name in gone]


def heads_of(memory: MemoryBackend, clock: Any = time.time, **limits: int) -> Heads:
    return Heads(lambda: memory, clock, **{"max_versions": 64, "max_bytes": 1 << 20, **limits})


def test_the_newest_version_is_the_first() -> None:
    assert names(filled(1, 1, 1)[0]) == ["3", "2", "1"]


def test_no_more_than_so_many_versions_are_kept() -> None:
    head, gone = filled(*[1] * 10, most=4)
    assert names(head) == ["10", "9", "8", "7"]
    assert gone == [str(number) for number in range(1, 7)]


def test_no_more_than_so_many_bytes_are_kept() -> None:
    head, gone = filled(400, 400, 400, room=1000)
    assert (names(head), gone) == (["3", "2"], ["1"])


def test_two_are_kept_whatever_their_size() -> None:
    assert names(filled(5000, 6000, 7000, room=1000)[0]) == ["3", "2"]


def test_a_version_that_is_written_again_is_the_newest_again() -> None:
    assert names(filled(1, 1)[0].with_version(name(1), 1)) == ["1", "2"]


def test_a_patch_whose_write_is_repeated_is_there_once() -> None:
    head = filled(1)[0].with_patch("p").with_patch("q")

    assert head.with_patch("p").patches == ("p", "q")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 500)), max_size=40), st.integers(2, 6), st.integers(1, 900))
def test_every_version_is_kept_or_let_go_of_once_and_bounds_hold(
    writes: list[tuple[int, int]], most: int, room: int
) -> None:
    head, stored = Head("sales"), set()
    for number, nbytes in writes:
        head, gone = head.with_version(name(number), nbytes).within(most, room)
        stored |= {name(number)}
        assert set(gone) <= stored
        stored -= set(gone)
        assert sorted(head.versions) == sorted(stored)
        assert head.newest == name(number)
        assert len(stored) <= most
        assert len(stored) <= 2 or sum(head.versions.values()) <= room


def test_patches_are_of_the_newest_version() -> None:
    head = filled(1)[0].with_patch("p").with_patch("q")
    assert head.patches == ("p", "q")
    assert head.with_version(name("new"), 1).patches == ()


def test_a_head_comes_back_as_it_was_put(memory: MemoryBackend) -> None:
    head = replace(filled(1, 2)[0], written_at=1.5, summary={"type": "dict", "length": 2}).with_patch(patch("p"))
    memory.put("head", head.dump())
    entry = memory.get("head")
    assert entry is not None
    assert Head.load(entry) == head


@pytest.mark.parametrize("store", ["s", "sales" * 50, "größe", '{"index": 1, "type": "filters"}'])
@pytest.mark.parametrize("kind", ["dict", "Klasse" * 100])
def test_what_is_appended_is_there_whatever_the_store_and_its_value_are_called(
    store: str, kind: str, memory: MemoryBackend
) -> None:
    heads = heads_of(memory)
    for number in range(1, 4):
        new = Head(store).with_version(name(number), number, written_at=float(number), summary={"type": kind * number})
        memory.put_many([heads.append("k", new, 60)])
    memory.put_many([heads.append("k", Head(store).with_patch(patch("p")), 60)])
    head = heads.read({"it": "k"})["it"]
    assert (names(head), head.patches) == (["3", "2", "1"], (patch("p"),))
    assert (head.store, head.written_at, list(head.versions.values())) == (store, 3.0, [1, 2, 3])
    assert head.summary["type"] in (kind * 3, "other")
    assert (head.summary["type"] == "other") == (kind != "dict")


def test_a_version_that_is_appended_takes_the_place_of_patches(memory: MemoryBackend) -> None:
    heads = heads_of(memory)
    for new in (
        Head("sales").with_patch(patch("p")),
        Head("sales").with_version(name(1), 1),
        Head("sales").with_patch(patch("q")),
        Head("sales").with_patch(patch("q")),
        Head("sales").with_version(name(2), 1),
        Head("sales").with_version(name(1), 1).with_patch(patch("r")),
    ):
        memory.put_many([heads.append("k", new, 60)])
    head = heads.read({"it": "k"})["it"]
    assert (names(head), head.patches) == (["1", "2"], (patch("r"),))


def test_there_is_room_for_so_many_versions_and_after_them_for_patches(memory: MemoryBackend) -> None:
    heads = heads_of(memory, max_versions=10)
    for number in range(1, 11):
        memory.put_many([heads.append("k", Head("sales").with_version(name(number), 1), 60)])
    with pytest.raises(Conflict):
        memory.put_many([heads.append("k", Head("sales").with_version(name(11), 1), 60)])
    for number in range(SETTLE_AT):
        memory.put_many([heads.append("k", Head("sales").with_patch(f"{number:016}"), 60)])
    with pytest.raises(Conflict):
        memory.put_many([heads.append("k", Head("sales").with_patch(patch("p")), 60)])
    assert len(heads.read({"it": "k"})["it"].patches) == SETTLE_AT


def test_a_head_that_takes_the_place_of_another_lives_no_shorter(memory: MemoryBackend, clock: Any) -> None:
    heads, head = heads_of(memory, clock), filled(1)[0]
    memory.put_many([heads.append("k", head, 100)])
    for ttl, expires_in in ((60, 100), (200, 200), (None, None), (60, None)):
        memory.put_many([heads.replace("k", head, heads.look_up({"k": "sales"})["k"], ttl)])
        entry = memory.get("k")
        assert entry is not None
        assert entry.expires_at == (expires_in and clock() + expires_in)


def test_what_is_large_is_written_after_a_look(memory: MemoryBackend) -> None:
    heads = heads_of(memory, max_bytes=1600)
    assert heads.may_append("k", filled(60)[0])
    assert not heads.may_append("k", filled(60)[0]), "a sixteenth of the limit was written without a look"
    heads.bounded("k", filled(60, 60)[0])
    assert heads.may_append("k", filled(100)[0])
    assert not heads.may_append("k", filled(1)[0])


def test_few_versions_are_counted_with_every_write(memory: MemoryBackend) -> None:
    assert not heads_of(memory, max_versions=3).may_append("k", filled(1)[0])


@pytest.mark.parametrize(
    "content",
    [b"", b"[]\n", b"{}\n", b'{"store": "s"}', b'{"store": "s", "else": 1}\n', b'{"store": "s"}\nxyz', b"\x00\xff"],
)
def test_a_head_that_can_not_be_read_is_corrupt_not_missing(memory: MemoryBackend, content: bytes) -> None:
    memory.put("head", BytesPayload(content))
    with pytest.raises(CorruptPayload, match="Delete the store"):
        heads_of(memory).read({"it": "head"})


def test_a_head_that_is_not_there_is_empty(memory: MemoryBackend) -> None:
    assert heads_of(memory).look_up({"k": "sales"}) == {"k": (Head("sales"), ABSENT, 0.0)}
    assert heads_of(memory).read({"it": "k"}) == {}
