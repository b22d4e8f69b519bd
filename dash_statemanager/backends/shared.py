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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from ..errors import Conflict
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
from .stubs import HEADER, MARK, STUB, Holders, Met, Stub, split
from .wrapper import Wrapper

__all__ = ["LARGE", "SharedBodies"]

logger = logging.getLogger("dash_statemanager")

LARGE = 64 << 10
"""Payloads of more bytes have a shared body."""
ATTEMPTS = 20
UPLOADS = 3
TOGETHER = 8 << 20
"""Larger bodies are put before the rest, which must not wait for them, and others not for that."""
GUESSED = 1 << 20
"""Bodies of up to so many bytes are put without a look whether they are there, if this process never met them."""
PAGE = 500


@dataclass
class _New:
    """A body that is not there yet, and the stubs that will hold it."""

    body: Sequence[Buffer]
    ttl: float | None
    stubs: list[Stub]

    @classmethod
    def of(cls, stub: Stub, body: Sequence[Buffer], ttl: float | None, new: dict[str, _New]) -> Stub:
        """The stub with the body's name, and the body among the new ones, once."""
        each = new.setdefault(stub.digest, cls(body, ttl, []))
        name = each.stubs[0].name if each.stubs else secrets.token_urlsafe(8)
        each.stubs.append(replace(stub, name=name))
        each.ttl = None if ttl is None or each.ttl is None else max(ttl, each.ttl)
        return each.stubs[-1]

    def puts(self) -> list[Put]:
        """What writes it; a `Conflict` where another was faster."""
        first = self.stubs[0]
        holders = Holders(first.name, frozenset(stub.holder for stub in self.stubs))
        return [
            Put(first.body, PartsPayload(*self.body), self.ttl),
            Put(first.holders, holders.pack(), self.ttl, ABSENT),
        ]


class SharedBodies(Wrapper):
    """Keeps equal bodies once. Only who has an entry reads its body.

    A body is gone when its last entry is deleted, else when the last one expires. Entries that `put_many` deletes
    leave it to expire.

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
        large = {number: found for number, put in enumerate(puts) if (found := self._take_apart(put))}
        if not large:
            return self.inner.put_many(puts, delete=delete)
        for attempt in itertools.count(1):
            joined: list[Stub] = []
            new: dict[str, _New] = {}
            stubbed = [*puts]
            for number, (stub, body) in large.items():
                if attempt > UPLOADS:  # others write and delete the same all the time: a copy of one's own
                    stub = replace(stub, digest=secrets.token_hex(16))
                guess = attempt == 1 and stub.nbytes <= GUESSED and stub.digest not in self._met
                held = None if guess else self._hold(stub, puts[number].ttl, joined)
                held = held or _New.of(stub, body, puts[number].ttl, new)
                stubbed[number] = replace(puts[number], payload=BytesPayload(held.pack()))
            ahead = [put for each in new.values() for put in each.puts()]
            try:
                if sum(put.payload.nbytes for put in ahead) > TOGETHER:
                    self.inner.put_many(ahead)
                    ahead = []
                etags = self.inner.put_many([*ahead, *stubbed], delete=delete)[len(ahead) :]
                self._met.update(stub.digest for stub, _ in large.values())
                return etags
            except Conflict:
                self._withdraw(joined, new.values())
                if not self._is_as_expected(puts):
                    raise
        raise AssertionError("unreachable")

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
        return Stub(put.key, nbytes, header, self._digest(body)), body

    def _withdraw(self, joined: Iterable[Stub], new: Collection[_New]) -> None:
        """Takes back what a put that came too late did before, or may have done."""
        self._leave([*joined, *(stub for each in new for stub in each.stubs)])
        for stub in (each.stubs[0] for each in new):
            held, _, _ = self._holders(stub)
            if held is None or held.name != stub.name:
                self.inner.delete(stub.body)

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

    def _hold(self, stub: Stub, ttl: float | None, joined: list[Stub] | None = None) -> Stub | None:
        """Sees that a body lives as long as an entry that holds it; None where there is no such body.

        Who is new there is added to `joined`.

        First the holders, then the body; and once more if meanwhile somebody made it live longer, so that of two
        lifetimes the longer one stays.
        """
        for _ in self._attempts():
            held, etag, left = self._holders(stub)
            if held is None or stub.name not in ("", held.name):
                return None
            found = replace(stub, name=held.name)
            longest = max(math.inf if ttl is None else ttl, left)
            lifetime = None if math.isinf(longest) else longest
            try:
                etag = self.inner.put(stub.holders, held.plus(stub.holder).pack(), lifetime, expect=etag)
                if not self.inner.touch(found.body, lifetime):
                    self.inner.put(stub.holders, BytesPayload(b""), 0, expect=etag)
                    return None
            except Conflict:
                continue
            if joined is not None and not held.has(stub.holder):
                joined.append(found)
                joined = None
            if self._holders(stub)[2] <= longest:
                return found
        return None

    def _leave(self, stubs: Iterable[Stub]) -> None:
        """Takes entries from the holders of their bodies, and deletes a body with the last one."""
        for stub in stubs:
            for _ in self._attempts():
                held, etag, left = self._holders(stub)
                if held is None or held.name != stub.name or not held.has(stub.holder):
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

    def _digest(self, body: Iterable[Buffer]) -> str:
        from blake3 import blake3

        digest = blake3(key=blake2b(self._key(), digest_size=32).digest())
        for part in body:
            digest.update(part)
        return digest.hexdigest(length=16)
