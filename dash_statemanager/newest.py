"""Stores by name: the newest value of each, for Python that holds no reference."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from .chains import Chain, Chains
from .definitions import StoreDefinition
from .errors import LockTimeout
from .heads import SETTLE_AT, Head
from .locks import Locks
from .reference import APP, Scope, version_in
from .session import Access
from .versions import Versions, Write, naming

QUEUE_AFTER = 4
"""Failed updates of a store after which who updates it queues up."""
MAX_UPDATES = 50


class Newest:
    """Reads and writes what the heads say is newest.

    The newest value of a store that was patched is its newest version with all patches since, in the order of their
    writing: what one tab shows, and what several tabs come to together. Before the first version the initial value
    stands for it.

    Args:
        versions: Reads and writes versions.
        chains: Replays patches.
        access: Says whose stores are meant.
        locks: For those who update a store that many update.
    """

    def __init__(self, versions: Versions, chains: Chains, access: Access, locks: Locks) -> None:
        self._versions, self._chains, self._access, self._locks = versions, chains, access, locks

    def read(self, stores: Iterable[StoreDefinition]) -> dict[str, Any]:
        """The newest values of stores, by id; what has none is left out.

        Raises:
            SessionError: A store is a session's, and there is no session.
        """
        scopes = {store: self._scope(store) for store in stores}
        heads = self._versions.heads.read({store: self._head_key(store, scope) for store, scope in scopes.items()})
        found = {store.id: self._chain(head, scopes[store], store) for store, head in heads.items()}
        values = self._chains.read_many(list(found.values()))
        return {store_id: value for store_id, value in zip(found, values, strict=True) if value is not None}

    def writes(self, values: Iterable[tuple[StoreDefinition, Any]]) -> list[Write]:
        """What to write to make values the newest of their stores."""
        return [Write(store, self._scope(store), value) for store, value in values]

    def update(self, store: StoreDefinition, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Makes `function(newest value)` the newest value, and returns it.

        Where another was faster to write, `function` is called again with what the other wrote. After a few times
        all who update the store queue up.

        Raises:
            TypeError: The function returned None.
            LockTimeout: The store was written by others all the time.
        """
        scope = self._scope(store)
        key = self._head_key(store, scope)
        with ExitStack() as queue:
            for attempt in range(MAX_UPDATES):
                if attempt == QUEUE_AFTER:
                    queue.enter_context(self._locks.lock(f"update/{store.id}", scope=scope))
                found = self._versions.heads.look_up({key: store.id})[key]
                value = self._chains.read_many([self._chain(found.head, scope, store)])[0]
                new = function(default if value is None else value)
                if new is None:
                    raise TypeError(f"the function that updates store {store.id!r} returned None, not the new value")
                if self._versions.write_onto(Write(store, scope, new), key, found):
                    return new
                time.sleep(random.uniform(0, 0.001 * (attempt + 1)))
        raise LockTimeout(f"store {store.id!r} was written by others all the time", "Write it less often")

    def exists(self, store: StoreDefinition) -> bool:
        """Whether a store has a value; reads its head, not the value."""
        scope = self._scope(store)
        heads = self._versions.heads.read({store: self._head_key(store, scope)})
        chain = self._chain(heads[store], scope, store) if store in heads else Chain()
        return bool(chain.links) if chain.base is None else self._versions.exists(chain.base)

    def delete(self, store: StoreDefinition) -> bool:
        """Deletes all versions of a store; whether there were any."""
        prefix = self._head_key(store, self._scope(store)).removesuffix("head")
        return self._versions.delete(prefix) > 0

    def settle(self, writes: Sequence[Write], heads: Mapping[str, Head]) -> None:
        """Where many patches wait on a newest version, writes what they come to as a new one.

        Who is faster, another patch or another value, wins: then the next patch settles.

        Args:
            writes: What was written.
            heads: Those that writing it had to look at, which are full, by key.
        """
        for write in writes:
            key = self._head_key(write.store, write.scope) if write.patch and write.listed and heads else ""
            if key in heads and len(heads[key].patches) >= SETTLE_AT:
                found = self._versions.heads.look_up({key: write.store.id})[key]
                value = self._chains.read_many([self._chain(found.head, write.scope, write.store)])[0]
                self._versions.write_onto(Write(write.store, write.scope, value), key, found)

    def _chain(self, head: Head, scope: Scope, store: StoreDefinition) -> Chain:
        keys = self._versions.keys
        base = keys.version(scope, store.digest, head.newest) if head.newest else None
        if base is None and store.initial and head.patches:
            base = keys.version(APP, store.digest, version_in(store.initial))
        return Chain(base, None, tuple(keys.patch(scope, name) for name in head.patches))

    def _head_key(self, store: StoreDefinition, scope: Scope) -> str:
        return self._versions.keys.head(scope, store.digest)

    def _scope(self, store: StoreDefinition) -> Scope:
        with naming(store.id):
            return self._access.by_name(store.scope)
