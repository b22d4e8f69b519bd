"""Payloads in Redis or Valkey."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ...errors import BackendFormatError, BackendUnavailable, Conflict, CorruptPayload
from ..base import Backend, Buffer, BytesPayload, Entry, Listing, Put, Range, Ranges
from ..pieces import by_range, cut, grouped
from .layout import CHUNK, HEAD, Head, Names, Upload, lifetime, milliseconds, pack_time
from .scripts import CHANGE, TOUCH
from .servers import Command, Servers
from .url import parse

if TYPE_CHECKING:
    from ...config import Settings

__all__ = ["RedisBackend"]

log = logging.getLogger("dash_statemanager")

UPLOAD = 600_000
"""Milliseconds after which the chunks of an upload that was given up are gone."""
AT_ONCE = 4
"""Chunks that are read in one round trip: the server holds a copy of them until they are sent."""
PAGE = 1000
ATTEMPTS = 10


class RedisBackend(Backend):
    """Keeps payloads in Redis or Valkey, which forgets by itself what has expired.

    A write is one round trip and one script, atomic for one scope (the first two segments of a key), and without
    a cluster for all keys. Payloads over 8 MiB travel in chunks; a reader sees all of them or none.

    Args:
        url: As `STATE_REDIS_URL`.
        clock: Unix time in seconds.
        pool_size: Most connections in use at once.
        timeout: Seconds that a server may stay silent.
        prefix: First part of all names in Redis.

    Raises:
        ConfigError: The URL is malformed.
    """

    name = "redis"
    range_bytes = 4 << 20

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        clock: Callable[[], float] = time.time,
        *,
        pool_size: int = 16,
        timeout: float = 1.5,
        prefix: str = "",
    ) -> None:
        self._clock = clock
        self._names = Names(prefix)
        self._servers = Servers(parse(url), pool_size, timeout)

    @classmethod
    def from_settings(cls, settings: Settings, clock: Callable[[], float] = time.time) -> RedisBackend:
        """The backend of `redis_url`, `pool_size` and `timeout`."""
        return cls(settings.redis_url, clock, pool_size=settings.pool_size, timeout=settings.timeout)

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries that are there; those of one scope as they were at one moment.

        One round trip for each scope, and one more for each 32 MiB of a large payload.

        Raises:
            BackendFormatError: Redis holds something else there.
        """
        found: dict[str, Entry] = {}
        for place, names in self._by_place(keys).items():
            found |= {names[name]: entry for name, entry in self._read(place, list(names)).items()}
        return found

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        """The ranges, in two round trips, and one more for each 32 MiB."""
        name = self._names.name(key)
        place, torn = self._servers.place(name), ""
        for _ in range(ATTEMPTS):
            head = self._heads(place, [name]).get(name)
            if head is None or head.etag == torn:
                return None
            found = self._ranges(place, name, head, ranges)
            if found is not None:
                return Ranges(found, head.nbytes, head.etag, head.expires_at)
            torn = head.etag
        raise _restless(name)

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        """Sizes of the payloads that are there, in bytes by key, without reading them."""
        return {
            keys_[name]: head.nbytes
            for place, keys_ in self._by_place(keys).items()
            for name, head in self._heads(place, list(keys_)).items()
        }

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """All puts and deletes of one scope at once, one scope after the other; without a cluster all at once.

        A `Conflict` leaves its scope as it was, and those that come later in `puts`.
        """
        now = self._clock()
        uploads = [Upload(self._names.name(put.key), put, now) for put in puts]
        mine, gone = dict[int, list[Upload]](), self._by_place(delete)
        for upload in uploads:
            mine.setdefault(self._servers.place(upload.name), []).append(upload)
        for place in {**mine, **gone}:
            self._change(place, mine.get(place, ()), list(gone.get(place, ())), now)
        return [upload.etag for upload in uploads]

    def delete(self, *keys: str) -> int:
        """Deletes the keys, one round trip a scope, and returns how many were there."""
        now = self._clock()
        return sum(
            self._change(place, (), page, now)
            for place, names in self._by_place(keys).items()
            for page in _pages(list(names), PAGE)
        )

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        """All of one scope at once; without a cluster all in one round trip."""
        now = self._clock()
        gone: set[str] = set()
        for place, names in self._by_place(ttls).items():
            lives = [lifetime(ttls[key]) for key in names.values()]
            arguments = [word for ttl in lives for word in (milliseconds(ttl), pack_time(ttl and now + ttl))]
            there = self._servers.run(place, [TOUCH.call(self._with_indexes(names), now, *arguments)])[-1]
            gone |= {key for key, is_there in zip(names.values(), there, strict=True) if not is_there}
        return gone

    def scan(self, prefix: str) -> Iterator[Listing]:
        """The entries as they were when the first one was asked for, in the order of their keys.

        Of a scope, or a store in it, nothing else is looked at; a shorter prefix is looked for among all names.
        """
        yield from sorted(self._list(prefix), key=lambda listing: listing.key)

    def ping(self) -> None:
        """Raises `BackendUnavailable` within 2 seconds where nothing can be written."""
        for place in self._servers.places():
            self._servers.run(place, [("UNLINK", self._servers.some_name(place))])

    def close(self) -> None:
        """Closes all connections. A later operation opens them again."""
        self._servers.close()

    def stats(self) -> Mapping[str, object]:
        """Location without credentials, entries and bytes of payload; looks at every entry."""
        sizes = [listing.nbytes for listing in self._list("")]
        return {"location": self._servers.location, "entries": len(sizes), "bytes": sum(sizes)}

    def _by_place(self, keys: Iterable[str]) -> dict[int, dict[str, str]]:
        """Keys by their names, by place."""
        found: dict[int, dict[str, str]] = {}
        for key in keys:
            name = self._names.name(key)
            found.setdefault(self._servers.place(name), {})[name] = key
        return found

    def _change(self, place: int, uploads: Sequence[Upload], delete: Sequence[str], now: float) -> int:
        commands: list[Command] = [
            ("SET", name, piece, "PX", UPLOAD) for upload in uploads for name, piece in upload.uploads.items()
        ]
        names = [*(upload.name for upload in uploads), *delete]
        arguments = [argument for upload in uploads for argument in upload.arguments]
        change = CHANGE.call(self._with_indexes(names), now, len(delete), *arguments)
        done: int = self._servers.run(place, [*commands, change])[-1]
        if done < 0:
            raise Conflict(f"another was faster to write {uploads[-done - 1].key!r}", "Read it again and repeat")
        return done

    def _with_indexes(self, names: Iterable[str]) -> list[str]:
        indexes = dict.fromkeys(map(self._names.index, names))
        return [*names, *filter(None, indexes)]

    def _read(self, place: int, names: Sequence[str]) -> dict[str, Entry]:
        """The entries; once more where one was replaced before all its chunks were read."""
        torn: dict[str, str] = {}
        for _ in range(ATTEMPTS):
            found: dict[str, Entry] = {}
            torn_before, torn = torn, {}
            for name, head, value in self._values(place, names):
                body = self._chunks(place, name, head) if head.chunks else memoryview(value)[HEAD:]
                if body is None:
                    torn[name] = head.etag
                else:
                    found[name] = Entry(BytesPayload(body), head.etag, head.expires_at)
            for name in [name for name, etag in torn.items() if torn_before.get(name) == etag]:
                log.warning("chunks of %r are gone: its value is taken for missing", name)
                del torn[name]
            if not torn:
                return found
        raise _restless(next(iter(torn)))

    def _values(self, place: int, names: Sequence[str]) -> Iterator[tuple[str, Head, bytes]]:
        now = self._clock()
        values = self._servers.run(place, [("MGET", *names)])[-1]
        for name, value in zip(names, values, strict=True):
            if value is None:
                continue
            head = Head.unpack(value)
            if head is None:
                raise BackendFormatError(f"{name!r} holds something else", "Give the app a STATE_NAMESPACE of its own")
            if head.is_live(now):
                yield name, head, value

    def _chunks(self, place: int, name: str, head: Head) -> Buffer | None:
        room, end = self.room(head.nbytes), 0
        for names in _pages(head.chunk_names(name), AT_ONCE):
            try:
                sizes = self._servers.run(place, [("MGET", *names)], into=(room, end))[-1]
            except ValueError as exc:
                raise CorruptPayload(f"the chunks of {name!r} have more than {head.nbytes} bytes") from exc
            if None in sizes:
                return None
            end += sum(sizes)
        if end < head.nbytes:
            raise CorruptPayload(f"the chunks of {name!r} have {end} of {head.nbytes} bytes")
        return room.whole()

    def _ranges(self, place: int, name: str, head: Head, ranges: Sequence[Range]) -> Sequence[Buffer] | None:
        """The bytes of the ranges; None where the entry was replaced meanwhile."""
        names, before = (head.chunk_names(name), 0) if head.chunks else ([name], HEAD)
        chunk = CHUNK if head.chunks else max(1, head.nbytes)
        found: list[Buffer] = []
        for batch in grouped(cut(ranges, head.nbytes, chunk), PAGE, AT_ONCE * CHUNK):
            commands: list[Command] = []
            for number, start, nbytes in batch:
                commands.append(("GETRANGE", names[number], before + start, before + start + nbytes - 1))
            *bodies, again = self._servers.run(place, [*commands, ("GETRANGE", name, 0, HEAD - 1)])
            there = Head.unpack(again)
            whole = [len(body) for body in bodies] == [piece.nbytes for piece in batch]
            if not whole or there is None or there.etag != head.etag:
                return None
            found += bodies
        return by_range(found, ranges, head.nbytes, chunk)

    def _heads(self, place: int, names: Sequence[str]) -> dict[str, Head]:
        now = self._clock()
        texts = self._servers.run(place, [("GETRANGE", name, 0, HEAD - 1) for name in names]) if names else ()
        heads = zip(names, map(Head.unpack, texts), strict=True)
        return {name: head for name, head in heads if head is not None and head.is_live(now)}

    def _list(self, prefix: str) -> Iterator[Listing]:
        """All entries with the prefix, in any order."""
        start = self._names.name(prefix)
        index = self._names.index(start)
        heads = self._indexed(index, start) if index else self._found(self._names.pattern(prefix))
        for name, head in heads.items():
            if (key := self._names.key(name)) is not None:
                yield Listing(key, head.nbytes, head.expires_at)

    def _indexed(self, index: str, start: str) -> dict[str, Head]:
        place = self._servers.place(index)
        rests = self._servers.run(place, [("ZRANGE", index, 0, -1)])[-1]
        names = [name for rest in rests if (name := index[1:] + rest.decode()).startswith(start)]
        return {name: head for page in _pages(names, PAGE) for name, head in self._heads(place, page).items()}

    def _found(self, pattern: str) -> dict[str, Head]:
        """From the start again where a server was replaced meanwhile."""
        for _ in range(ATTEMPTS):
            changes = self._servers.changes
            heads: dict[str, Head] = {}
            for place in self._servers.places():
                for names in self._pages(place, pattern):
                    heads |= self._heads(place, names)
            if changes == self._servers.changes:
                break
        return heads

    def _pages(self, place: int, pattern: str) -> Iterator[list[str]]:
        cursor = b""
        while cursor != b"0":
            command = ("SCAN", cursor or 0, "MATCH", pattern, "COUNT", PAGE, "TYPE", "string")
            cursor, found = self._servers.run(place, [command])[-1]
            yield [name.decode() for name in found]


def _pages(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _restless(name: str) -> BackendUnavailable:
    return BackendUnavailable(f"{name!r} was replaced each time while it was read", "Try again later")
