"""Attributes that are made at first use."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from dash_statemanager.lazy import lazy


class House:
    def __init__(self) -> None:
        self.lazy_lock = threading.RLock()
        self.built = 0

    @lazy
    def door(self) -> object:
        """The way in."""
        self.built += 1
        started.wait(0.05)  # lets the others come, too
        return object()

    @lazy
    def key(self) -> tuple[object, str]:
        return self.door, "key"


started = threading.Event()


def test_threads_that_come_together_get_the_same_one() -> None:
    house, together = House(), threading.Barrier(16)

    def enter(_: int) -> object:
        together.wait()
        return house.door

    with ThreadPoolExecutor(16) as pool:
        doors = set(pool.map(enter, range(16)))
    assert (len(doors), house.built) == (1, 1)


def test_one_may_need_another() -> None:
    house = House()
    assert house.key[0] is house.door


def test_the_class_tells_what_it_is_for() -> None:
    assert House.door.__doc__ == "The way in."
