"""One copy for everybody: the body of a large payload is kept once, however many entries hold it.

    <key of an entry>               a stub: the payload's header, and where its body is
    <namespace>/=<digest>/holders   which entries hold the body, and its name
    <namespace>/=<digest>/<name>    the body

The digest is a keyed hash of the body. Knowing it gives nobody the body: that is read through stubs alone. A body that
was deleted comes back under another name, so that who deletes and who writes at the same time can't meet at one.
"""

from __future__ import annotations

import itertools
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import BackendError, Conflict
from .base import (
    ABSENT,
    ANY,
    Backend,
    Buffer,
    BytesPayload,
    Entry,
    Expect,
    Listing,
    PartsPayload,
    Put,
    Range,
    Ranges,
    size_of,
)
from .stubs import HEADER, MARK, STUB, Body, Holders, Met, Stub, digest_of, split
from .wrapper import Wrapper

__all__ = ["LARGE", "SharedBodies"]

logger = logging.getLogger("dash_statemanager")

LARGE = 64 << 10
"""Payloads of more bytes have a shared body."""
ATTEMPTS = 20
PAUSE = 0.003
"""Seconds, times the attempt: others need as long for a transaction."""
UPLOADS, JOINS = 3, 40
TOGETHER = 8 << 20
"""Larger bodies are put before the rest, which must not wait for them, and others not for that."""
GUESSED = 1 << 20
"""Bodies of up to so many bytes are put without a look whether they are there, if this process never met them."""
PAGE = 500


class SharedBodies(Wrapper):
    """Keeps equal bodies once. Only who has an entry reads its body.

    A body is gone when its last entry is deleted, else when the last one expires. Who takes hold of it rewrites its
    holders together with the entry, on condition that they are what he found; who leaves it looks whether the entry is
    there again, and then rewrites them on the same condition. So nobody leaves for another that has the same key.

    Where `put_many` is no transaction, one that leaves between the two writes of another with the same key may not see
    it. A put that comes too late leaves its holder there if its entry was written, or others took hold under its key:
    the body then ends with the store's entries or its lifetime.

    Args:
        inner: The backend. Its conditional puts must hold among all processes.
        key: Gives the key of the hash.
        clock: Unix time in seconds.
    """

    def __init__(self, inner: Backend, key: Callable[[], bytes], clock: Callable[[], float] = time.time) -> None:
        super().__init__(inner)
        self._key, self._clock = key, clock
        self._met = Met()

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        found = self.inner.get_many(keys)
        stubs = {key: stub for key, entry in found.items() if (stub := Stub.of(key, entry.payload))}
        bodies = self.inner.get_many({stub.body for stub in stubs.values()}) if stubs else {}
        self._met.update(stub.digest for stub in stubs.values())
        for key, stub in stubs.items():
            if stub.body in bodies:
                found[key] = replace(found[key], payload=PartsPayload(stub.header, *bodies[stub.body].payload.parts()))
            else:
                logger.warning("the body of %r is gone: its value is taken for missing", key)
                del found[key]
        return found

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> Ranges | None:
        """The ranges of an entry without a body come along with the look whether it has one."""
        found = self.inner.get_ranges(key, [(0, STUB.size), *ranges])
        if found is None:
            return None
        first, *parts = found.parts
        stub = Stub.of(key, BytesPayload(first)) if found.nbytes == STUB.size else None
        if stub is None:
            return replace(found, parts=parts)
        body = self.inner.get_ranges(stub.body, [(max(0, a - HEADER), max(0, b - HEADER)) for a, b in ranges])
        if body is None:
            logger.warning("the body of %r is gone: its value is taken for missing", key)
            return None
        parts = [
            part if first >= HEADER else stub.header[first:end] + bytes(part)
            for part, (first, end) in zip(body.parts, ranges, strict=True)
        ]
        return replace(found, parts=parts, nbytes=stub.nbytes)

    def sizes(self, keys: Iterable[str]) -> dict[str, int]:
        found = self.inner.sizes(keys)
        return {**found, **{key: stub.nbytes for key, stub in self._stubs(found).items()}}

    def put_many(self, puts: Sequence[Put], *, delete: Sequence[str] = ()) -> list[str]:
        """Bodies that are new, then stubs and all else, as the backend does it: together, where that is quick."""
        gone = self._stubs(self.inner.sizes(delete)) if delete else {}
        large = {number: found for number, put in enumerate(puts) if (found := self._take_apart(put))}
        etags = self._put_apart(puts, large, delete) if large else self.inner.put_many(puts, delete=delete)
        try:
            self._leave(gone.values())
        except BackendError as exc:  # what was put is there
            logger.debug("bodies that nobody holds live until they expire: %s", exc)
        return etags

    def delete(self, *keys: str) -> int:
        stubs = self._stubs(self.inner.sizes(keys)) if keys else {}
        deleted = self.inner.delete(*keys)
        self._leave(stubs.values())
        return deleted

    def touch_many(self, ttls: Mapping[str, float | None]) -> set[str]:
        gone = self.inner.touch_many(ttls)
        there = [key for key in ttls if key not in gone]
        for key, stub in self._stubs(self.inner.sizes(there)).items() if there else ():
            if not (self._hold(stub, ttls[key]) or self.inner.touch(stub.body, ttls[key])):
                gone.add(key)
        return gone

    def scan(self, prefix: str) -> Iterator[Listing]:
        rows = (row for row in self.inner.scan(prefix) if f"/{MARK}" not in row.key)
        while page := list(itertools.islice(rows, PAGE)):
            stubs = self._stubs({row.key: row.nbytes for row in page})
            yield from (replace(row, nbytes=stubs[row.key].nbytes) if row.key in stubs else row for row in page)

    def _stubs(self, sizes: Mapping[str, int]) -> dict[str, Stub]:
        """The stubs among entries; only what has the size of one is read."""
        suspects = [key for key, nbytes in sizes.items() if nbytes == STUB.size]
        entries = self.inner.get_many(suspects) if suspects else {}
        return {key: stub for key, entry in entries.items() if (stub := Stub.of(key, entry.payload))}

    def _take_apart(self, put: Put) -> tuple[Stub, Sequence[Buffer]] | None:
        """The stub and the body of a large payload."""
        parts = put.payload.parts()
        nbytes = size_of(parts)
        if nbytes <= LARGE:
            return None
        header, body = split([memoryview(part).cast("B") for part in parts])
        return Stub(put.key, nbytes, header, digest_of(body, self._key())), body

    def _put_apart(
        self, puts: Sequence[Put], large: Mapping[int, tuple[Stub, Sequence[Buffer]]], delete: Sequence[str]
    ) -> list[str]:
        """Puts of which some are large; whoever meets others at a body joins them."""
        stamp, uploads, alone = secrets.token_urlsafe(4), 0, False
        for attempt in itertools.count():
            bodies = dict[str, Body]()
            for number, (stub, parts) in large.items():
                digest = secrets.token_hex(16) if alone else stub.digest
                bodies.setdefault(digest, Body(digest, parts)).add(number, stub, puts[number].ttl)
            for body in bodies.values():
                if attempt or body.stub.nbytes > GUESSED or body.digest in self._met:
                    self._look_for(body)
            stubs = {number: stub for body in bodies.values() for number, stub in body.named().items()}
            stubbed = [
                replace(put, payload=BytesPayload(stubs[number].pack())) if number in stubs else put
                for number, put in enumerate(puts)
            ]
            try:
                etags = self._put_with(bodies.values(), stamp, stubbed, delete)
                self._met.update(stub.digest for stub, _ in large.values())
                return etags
            except Conflict:
                is_late = not self._is_as_expected(puts)
                uploads += any(body.is_new for body in bodies.values())
                alone = uploads >= UPLOADS or attempt >= JOINS  # others write and delete the same all the time
                self._withdraw(bodies.values(), stamp if is_late or alone else None)
                if is_late:
                    raise
            time.sleep(random.uniform(0, PAUSE * min(attempt, JOINS)))
        raise AssertionError("unreachable")

    def _look_for(self, body: Body) -> None:
        """Sees whether a body is there, and then that it lives as long as whoever holds it."""
        held, body.expect, left = self._holders(body.stub)
        if held is None:
            return
        longest = max(math.inf if body.ttl is None else body.ttl, left)
        lifetime = None if math.isinf(longest) else longest
        if self.inner.touch(replace(body.stub, name=held.name).body, lifetime):
            body.join(held, lifetime)

    def _put_with(self, bodies: Iterable[Body], stamp: str, puts: Sequence[Put], delete: Sequence[str]) -> list[str]:
        """Bodies, and the puts of those that hold them."""
        ahead = [put for body in bodies for put in body.puts(stamp)]
        if sum(put.payload.nbytes for put in ahead) > TOGETHER:
            etags = {put.key: etag for put, etag in zip(ahead, self.inner.put_many(ahead), strict=True)}
            for body in bodies:
                body.was_put(stamp, etags[body.stub.holders])
            ahead = [put for body in bodies for put in body.puts(stamp)]
        return self.inner.put_many([*ahead, *puts], delete=delete)[len(ahead) :]

    def _withdraw(self, bodies: Iterable[Body], stamp: str | None) -> None:
        """Takes back what a put that came too late did; without a stamp only what is of no use to another attempt."""
        for body in bodies:
            if stamp is not None:
                self._leave(body.named().values(), stamp)
            held, _, left = self._holders(body.stub)
            is_held = held is not None and held.name == body.name
            if body.is_new and not is_held:
                self.inner.delete(body.stub.body)
            elif is_held and body.ttl is not None and left > body.ttl:  # who made it live longer may have been first
                self.inner.touch(body.stub.body, None if math.isinf(left) else left)

    def _is_as_expected(self, puts: Iterable[Put]) -> bool:
        """Whether none of the puts themselves came too late."""
        conditional = [put for put in puts if put.expect is not ANY or put.append]
        found = self.inner.get_many(put.key for put in conditional) if conditional else {}
        etags = {key: entry.etag for key, entry in found.items()}
        try:
            expected = [put.onto(found.get(put.key), self._clock()).expect for put in conditional]
        except Conflict:
            return False
        return expected == [etags.get(put.key, ABSENT) for put in conditional]

    def _hold(self, stub: Stub, ttl: float | None) -> bool:
        """Sees that a body lives as long as an entry that holds it; whether it is there.

        First the holders, then the body; and once more if meanwhile somebody made it live longer, so that of two
        lifetimes the longer one stays.
        """
        for _ in self._attempts():
            held, etag, left = self._holders(stub)
            if held is None or stub.name != held.name:
                return False
            longest = max(math.inf if ttl is None else ttl, left)
            lifetime = None if math.isinf(longest) else longest
            try:
                self.inner.put(stub.holders, held.plus(stub.holder).pack(), lifetime, expect=etag)
            except Conflict:
                continue
            if not self.inner.touch(stub.body, lifetime):
                return False
            if self._holders(stub)[2] <= longest:
                return True
        return False

    def _leave(self, stubs: Iterable[Stub], stamp: str | None = None) -> None:
        """Takes entries that are gone from the holders of their bodies, and deletes a body with the last one.

        With a stamp only where that is still theirs.
        """
        for stub in stubs:
            for _ in self._attempts():
                held, etag, left = self._holders(stub)
                if held is None or held.name != stub.name or not held.has(stub.holder, stamp) or self._is_held(stub):
                    break
                rest = held.minus(stub.holder)
                try:
                    if rest.is_empty():
                        self.inner.put(stub.holders, BytesPayload(b""), 0, expect=etag)
                        self.inner.delete(stub.body)
                    else:
                        self.inner.put(stub.holders, rest.pack(), None if math.isinf(left) else left, expect=etag)
                    break
                except Conflict:
                    continue

    def _is_held(self, stub: Stub) -> bool:
        """Whether the entry is there, and has the same body."""
        entry = self.inner.get(stub.key)
        there = Stub.of(stub.key, entry.payload) if entry else None
        return there is not None and there.body == stub.body

    def _attempts(self) -> Iterator[int]:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, 0.001 * attempt))
            yield attempt

    def _holders(self, stub: Stub) -> tuple[Holders | None, Expect, float]:
        """Who holds a body, what to expect when putting that back, and how many seconds the body lives."""
        entry = self.inner.get(stub.holders)
        if entry is None:
            return None, ABSENT, 0.0
        left = math.inf if entry.expires_at is None else entry.expires_at - self._clock()
        return Holders.of(entry.payload), entry.etag, left
