"""Which keys there are: a cache can't be asked that, so a list is kept for each scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from .shelf import Shelf

__all__ = ["Index"]

INDEX = "~index"
PRUNED = 256
"""A list is freed of keys that are gone each time it has grown by so many."""


class Index:
    """Lists of keys, by the first two parts of the keys (their room), and one list of the rooms.

    Two processes that change a list at the same moment may lose a key of it: its entry is then found by its key
    until it expires, but not listed.

    Args:
        shelf: Where the lists are kept, too.
        clock: Unix time in seconds.
    """

    def __init__(self, shelf: Shelf, clock: Callable[[], float]) -> None:
        self._shelf, self._clock = shelf, clock

    def enter(self, keys: Iterable[str], ttl: float | None) -> None:
        """Lists keys whose entries live for `ttl` seconds from now, or for ever."""
        for room, names in _by_room(keys).items():
            known, until = self._read(room)
            new = [name for name in names if name not in known]
            lasts = until is None or (ttl is not None and until >= self._clock() + ttl)
            if lasts and not new:
                continue
            if not lasts:
                until = None if ttl is None else self._clock() + 2 * ttl
                if room:
                    self.enter([room], ttl)
            self._write(room, [*self._pruned(known, len(new)), *new], until)

    def remove(self, keys: Iterable[str]) -> None:
        """Takes keys off their lists."""
        for room, names in _by_room(keys).items():
            known, until = self._read(room)
            left = [name for name in known if name not in set(names)]
            if len(left) < len(known):
                self._write(room, left, until)

    def find(self, prefix: str) -> list[str]:
        """The listed keys that start with the prefix, in order."""
        room = _room(prefix)
        rooms = [room] if room else ["", *self._rooms(prefix)]
        names = [name for room in rooms for name in self._read(room)[0] if not name.endswith("/")]
        return sorted(name for name in names if name.startswith(prefix))

    def _rooms(self, prefix: str) -> list[str]:
        rooms = [name for name in self._read("")[0] if name.endswith("/")]
        return [room for room in rooms if room.startswith(prefix)]

    def _read(self, room: str) -> tuple[list[str], float | None]:
        key = room + INDEX
        row, data = self._shelf.load([key]).get(key, (None, b"[]"))
        return orjson.loads(data), row.expires_at if row else 0.0

    def _write(self, room: str, names: list[str], until: float | None) -> None:
        key = room + INDEX
        old = self._shelf.row(key)
        self._shelf.store(key, [orjson.dumps(names)], until)
        self._shelf.drop(old.names() if old else ())

    def _pruned(self, known: list[str], more: int) -> list[str]:
        if (len(known) + more) // PRUNED == len(known) // PRUNED:
            return known
        keys: dict[str, Any] = {name: name + INDEX if name.endswith("/") else name for name in known}
        rows = self._shelf.rows(keys.values())
        return [name for name, key in keys.items() if key in rows and rows[key].alive(self._clock())]


def _by_room(keys: Iterable[str]) -> dict[str, list[str]]:
    rooms = defaultdict(list)
    for key in dict.fromkeys(keys):
        rooms["" if key.endswith("/") else _room(key)].append(key)
    return rooms


def _room(key: str) -> str:
    parts = key.split("/", 2)
    return f"{parts[0]}/{parts[1]}/" if len(parts) == 3 else ""
