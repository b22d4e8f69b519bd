"""The gate: which references the current session may read, and as what."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from .carrier import CarriedPatch, Carrier
from .chains import Chain, Link
from .definitions import StoreDefinition
from .reference import BASE, CARRIED, CHAIN, PATCH_NAME, Keys, References, Scope, base_of, version_in

logger = logging.getLogger("dash_statemanager")

QUIET = 10.0
"""Seconds between two log lines about the same kind of refusal."""
KNOWN = 10_000
"""References that a process remembers: a browser sends the same one with every callback."""
RAW: Mapping[str, Any] = {BASE: None}
"""Stands for raw JSON that arrived at a sealed store."""

Scopes = Mapping[str, Sequence[Scope]]


class Gate:
    """Turns what arrives from a browser into chains of keys.

    What the session may not read, what is forged or truncated, and what a sealed store must not take is counted and
    logged, without the reference in the message, and reads as nothing.

    Args:
        references: Verifies tokens.
        carrier: Takes values that came along.
        keys: Builds keys.
        counters: Counts under `refused`.
    """

    def __init__(self, references: References, carrier: Carrier, keys: Keys, counters: Counter[str]) -> None:
        self._references, self._carrier, self._keys, self._counters = references, carrier, keys, counters
        self._unlogged: Counter[str] = Counter()
        self._quiet_until: dict[str, float] = {}
        self._key_of = lru_cache(KNOWN)(self._verify)

    def admit(self, value: Mapping[str, Any], store: StoreDefinition | None, scopes: Scopes) -> Chain:
        """What a reference stands for.

        Args:
            value: A reference, or patches on raw JSON.
            store: The store at which it arrived, where that is known.
            scopes: What the session may read, by kind.
        """
        sealed = store.digest if store is not None and store.sealed else None
        fallback = self._key(store.initial, scopes, None) if store is not None and store.initial else None
        links = self._links(value[CHAIN], sealed, scopes) if CHAIN in value else ()
        if BASE not in value:
            return self._raw(base_of(value), links, sealed, fallback)
        if value is RAW:
            self.refuse("what code in the browser wrote to a sealed store")
            return Chain(fallback)
        if (key := self._key(value[BASE], scopes, sealed)) is None:
            self.refuse("a reference that this session may not read")
            return Chain(fallback)
        raw = None
        if CARRIED in value and (raw := self._carrier.receive(version_in(value[BASE]), value[CARRIED])) is None:
            self.refuse("a value that was changed on its way to the browser and back, or has expired")
            return Chain(fallback)
        return Chain(key, raw, links, sealed, fallback)

    def refuse(self, what: str) -> None:
        """Counts what was refused, and logs it: at once, then once in a while, since anybody can send anything."""
        self._counters["refused"] += 1
        self._unlogged[what] += 1
        if self._quiet_until.get(what, 0.0) <= time.monotonic():
            self._quiet_until[what] = time.monotonic() + QUIET
            logger.warning("%s was refused (%d times)", what, self._unlogged.pop(what, 1))

    def _raw(self, raw: Any, links: tuple[Link, ...], sealed: str | None, fallback: str | None) -> Chain:
        if sealed and raw is not None:
            self.refuse("what code in the browser wrote to a sealed store")
            return Chain(fallback)
        return Chain(None, raw, links, sealed)

    def _key(self, token: object, scopes: Scopes, sealed: str | None) -> str | None:
        """Key of the version that a token names, if it may be read."""
        if not isinstance(token, str):
            return None
        try:
            return self._key_of(token, tuple(scopes.get(token[:1], ())), sealed)
        except LookupError:
            return None

    def _verify(self, token: str, scopes: Sequence[Scope], sealed: str | None) -> str:
        """As `_key`; raises LookupError for what may not be read, so that only what may be is remembered."""
        found = self._references.verify(token, scopes)
        if found is None or (sealed is not None and found.store != sealed):
            raise LookupError(token)
        return self._keys.version(scopes[0], found.store, found.version)

    def _links(self, names: object, sealed: str | None, scopes: Scopes) -> tuple[Link, ...]:
        if not isinstance(names, list):
            return ()
        links = (self._link(name, sealed, scopes) for name in names)
        return tuple(link for link in links if link is not None)

    def _link(self, name: object, sealed: str | None, scopes: Scopes) -> Link | None:
        if isinstance(name, dict) and CARRIED in name:
            token: Any = name.get(BASE)
            if self._key(token, scopes, sealed) is not None:
                patch = self._carrier.receive(version_in(token), name[CARRIED])
                if isinstance(patch, dict):
                    return CarriedPatch(version_in(token), patch)
        elif isinstance(name, dict) and sealed is None:
            return name
        if isinstance(name, str) and PATCH_NAME.fullmatch(name) and scopes.get(name[0]):
            return self._keys.patch(scopes[name[0]][0], name)
        self.refuse("a patch that this session may not read")
        return None
