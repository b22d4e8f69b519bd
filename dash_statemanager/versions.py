"""Versions in the backend: written together with their heads, read through the process cache.

Everything here is named by keys; who may use which key is decided above.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .backends.base import Backend, Entry, Payload, Put
from .cache import Cached, ProcessCache
from .codecs import Codecs
from .codecs.base import Frozen
from .codecs.part import Part
from .config import Settings
from .definitions import StoreDefinition
from .errors import Conflict, StateError, ValueTooLarge
from .heads import Found, Head, Heads
from .locks import PLACE as LOCKS
from .locks import check_held, put_fenced
from .quota import Quota
from .reference import APP, NOBODY, Keys, Scope, content_version, new_patch, random_version, version_in
from .touches import Toucher

logger = logging.getLogger("dash_statemanager")

MAX_ATTEMPTS = 50


@dataclass(frozen=True)
class Write:
    """One value to write.

    Attributes:
        store: The store.
        scope: Whose value it is.
        value: The value; for a patch, its operations.
        patch: Whether it is a patch on the newest version instead of a version.
        listed: Whether the head knows it; initial values are not listed.
    """

    store: StoreDefinition
    scope: Scope
    value: Any = field(repr=False)
    patch: bool = False
    listed: bool = True


@dataclass(frozen=True)
class _Draft:
    """A write whose value has a name; `head` is the key of the head that is to list it, empty where none is."""

    write: Write
    name: str
    key: str
    head: str
    frozen: Frozen = field(repr=False)
    payload: Payload = field(repr=False)
    ttl: float | None
    written_at: float


class naming:  # noqa: N801  # a context, as those of contextlib
    """Errors that pass name the store."""

    def __init__(self, store_id: str) -> None:
        self._store_id = store_id

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, StateError):
            exc.store = exc.store or self._store_id


class Versions:
    """Reads and writes versions and patches.

    Args:
        settings: The settings.
        backend: Gives the backend.
        codecs: Turns values into payloads.
        key: Makes names from content that nobody without it can compute.
        clock: Gives the Unix time.
    """

    def __init__(
        self, settings: Settings, backend: Backend, codecs: Codecs, key: bytes, clock: Callable[[], float]
    ) -> None:
        self._settings, self._backend, self._codecs = settings, backend, codecs
        self._key, self._clock = key, clock
        self.keys = Keys(settings.namespace)
        self.heads = Heads(lambda: self._backend, clock, settings.max_versions, settings.max_store_bytes)
        self.cache = ProcessCache(settings.cache_bytes, clock)
        self.toucher = Toucher(backend, self.cache, clock)
        self._quota = Quota(backend, settings.max_session_bytes)

    def prepare(self, writes: Sequence[Write]) -> tuple[list[str], Callable[[], dict[str, Head]]]:
        """The names of values, and what writes these, as they are now, and returns the heads that it had to look at.

        They are written in one round trip where the backend can.

        Raises:
            CodecError: No codec takes a value.
            ValueTooLarge: A value is over its limit, or when they are written a session.
            BackendError: When they are written: the backend failed.
        """
        drafts = [self._draft(write) for write in writes]
        return [draft.name for draft in drafts], partial(self._write, drafts)

    def _write(self, drafts: Sequence[_Draft]) -> dict[str, Head]:
        self._charge(drafts)
        if self._extend(drafts):
            return {}
        for attempt in range(MAX_ATTEMPTS):
            try:
                return self._commit(drafts, self.heads.look_up(_heads_of(drafts)))
            except Conflict:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.001 * min(attempt, 20)))
        raise AssertionError("unreachable")

    def write_onto(self, write: Write, head_key: str, found: Found) -> bool:
        """Writes a value, but only if the head is still the one that was found; whether it was."""
        draft = self._draft(write)
        self._charge([draft])
        try:
            self._commit([draft], {head_key: found})
        except Conflict:
            return False
        return True

    def read_many(self, keys: Iterable[str]) -> dict[str, Cached]:
        """What exists of the keys; it is soon touched where a tenth of its lifetime is used up."""
        found = self.cache.fetch(keys, self._load)
        self.toucher.see(found)
        return found

    def at_hand(self, keys: Iterable[str], most: float = math.inf) -> dict[str, Cached] | None:
        """As `read_many`, if that needs nothing of the backend, and `thaw` copies at most so many bytes; else None."""
        found = self.cache.all_of(keys, most)
        if found:
            self.toucher.see(found)
        return found

    def delete(self, prefix: str) -> int:
        """Deletes all keys with the prefix but those of locks; returns how many there were."""
        check_held()
        keys = [row.key for row in self._backend.scan(prefix) if LOCKS not in row.key]
        self.cache.discard(prefix)
        return self._backend.delete(*keys) if keys else 0

    def sweep(self) -> None:
        """Lets this process forget what has expired."""
        self.cache.sweep()

    def initial_again(self, write: Write, name: str, read: Callable[[Iterable[str]], object]) -> str | None:
        """The token of the store's initial value, if that is what was written: its readers see no change.

        Args:
            write: What is written.
            name: Its name.
            read: `read_many` or `at_hand`, to see whether the initial value is still there.
        """
        token = write.store.initial
        if token is None or version_in(token) != name:
            return None
        return token if read([self.keys.version(APP, write.store.digest, name)]) else None

    def exists(self, key: str) -> bool:
        """Whether a version is there, without reading it."""
        return bool(self._backend.sizes([key]))

    def ttl(self, store: StoreDefinition) -> float | None:
        """Lifetime of a store's values in seconds after their last use; None for never ending."""
        ttl = self._settings.ttl_default if store.ttl is None else store.ttl
        return None if math.isinf(ttl) else ttl

    def _draft(self, write: Write) -> _Draft:
        with naming(write.store.id):
            frozen = self._codecs.freeze(write.value, write.store.types)
            if frozen.nbytes > self._settings.max_value_bytes:
                raise ValueTooLarge(
                    f"a {type(write.value).__name__} of {frozen.nbytes:,} bytes is over the limit of "
                    f"{self._settings.max_value_bytes:,} bytes",
                    "Store less, or raise STATE_MAX_VALUE_BYTES",
                )
        ttl, now = self.ttl(write.store), self._clock()
        payload = self._codecs.payload(frozen, created=now, ttl=ttl)
        name = self._name(write, frozen)
        listed = write.listed and write.scope != NOBODY
        head = self.keys.head(write.scope, write.store.digest) if listed else ""
        return _Draft(write, name, self._key_of(write, name), head, frozen, payload, ttl, now)

    def _charge(self, drafts: Iterable[_Draft]) -> None:
        for draft in drafts:
            if draft.write.scope not in (APP, NOBODY):
                with naming(draft.write.store.id):
                    self._quota.charge(self.keys.scope(draft.write.scope), draft.payload.nbytes)

    def _name(self, write: Write, frozen: Frozen) -> str:
        if write.patch:
            return new_patch(write.scope)
        if not frozen.deterministic or write.scope == NOBODY:
            return random_version()
        place = f"{write.store.digest}/{frozen.codec.tag}/".encode()
        return content_version(self._key, (place, *frozen.codec.encode(frozen.data)))

    def _key_of(self, write: Write, name: str) -> str:
        if write.patch:
            return self.keys.patch(write.scope, name)
        return self.keys.version(write.scope, write.store.digest, name)

    def _extend(self, drafts: Sequence[_Draft]) -> bool:
        """Writes values and adds them to heads that were not looked at; False where one is full, or may be."""
        heads = self._listed(drafts, {key: Head(store) for key, store in _heads_of(drafts).items()})
        if not all(self.heads.may_append(key, head) for key, head in heads.items()):
            return False
        ttls = {draft.head: draft.ttl for draft in drafts}
        try:
            self._put(drafts, [self.heads.append(key, head, ttls[key]) for key, head in heads.items()])
        except Conflict:
            return False
        return True

    def _commit(self, drafts: Sequence[_Draft], found: Mapping[str, Found]) -> dict[str, Head]:
        """Writes values and enters them into the heads that were found; returns these.

        What is pushed out goes together with that: later another may have written it again. Where `put_many` is no
        transaction, that may still be in between.
        """
        heads, gone = dict[str, Head](), list[str]()
        for key, head in self._listed(drafts, {key: each.head for key, each in found.items()}).items():
            heads[key], names = self.heads.bounded(key, head)
            gone += [key.removesuffix("head") + name for name in names]
        ttls = {draft.head: draft.ttl for draft in drafts}
        puts = [self.heads.replace(key, head, found[key], ttls[key]) for key, head in heads.items()]
        self._put(drafts, puts, delete=gone)
        self.cache.remove(gone)
        return heads

    def _listed(self, drafts: Iterable[_Draft], heads: Mapping[str, Head]) -> dict[str, Head]:
        """Heads with what is written."""
        heads = {**heads}
        for draft in drafts:
            head = heads.get(draft.head)
            if head is not None and draft.write.patch:
                heads[draft.head] = head.with_patch(draft.name)
            elif head is not None:
                told = draft.written_at, draft.frozen.summary
                heads[draft.head] = head.with_version(draft.name, draft.payload.nbytes, *told)
        return heads

    def _put(self, drafts: Sequence[_Draft], heads: Sequence[Put], *, delete: Sequence[str] = ()) -> None:
        puts = [Put(draft.key, draft.payload, draft.ttl) for draft in drafts]
        with naming(drafts[0].write.store.id if drafts else ""):
            put_fenced(self._backend, [*puts, *heads], delete=delete)
        self.toucher.forget(put.key for put in (*puts, *heads))
        for draft in drafts:
            self.cache.put(draft.key, Cached(draft.frozen, draft.ttl, draft.written_at))

    def _load(self, keys: list[str]) -> dict[str, Cached]:
        return {key: self.open(entry) for key, entry in self._backend.get_many(keys).items()}

    def open(self, entry: Entry, part: Part | None = None) -> Cached:
        """What an entry holds, or a part of it."""
        opened = self._codecs.open(entry.payload, part)
        ends = entry.expires_at
        touched = self._clock() if ends is None or opened.ttl is None else ends - opened.ttl
        return Cached(opened.frozen, opened.ttl, touched)


def _heads_of(drafts: Iterable[_Draft]) -> dict[str, str]:
    """Keys of the heads that list what is written, and the ids of their stores."""
    return {draft.head: draft.write.store.id for draft in drafts if draft.head}
