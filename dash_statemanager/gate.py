"""The gate: which references the current session may read, and as what."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .carrier import CarriedPatch, Carrier
from .chains import Chain, Link
from .definitions import StoreDefinition
from .reference import BASE, CARRIED, CHAIN, PATCH_NAME, Keys, References, Scope, Token, base_of

logger = logging.getLogger("dash_statemanager")

QUIET = 10.0
"""Seconds between two log lines about the same kind of refusal."""
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

    def admit(self, value: Mapping[str, Any], store: StoreDefinition | None, scopes: Scopes) -> Chain:
        """What a reference stands for.

        Args:
            value: A reference, or patches on raw JSON.
            store: The store at which it arrived, where that is known.
            scopes: What the session may read, by kind.
        """
        sealed = store.digest if store is not None and store.sealed else None
        initial = self._token(store.initial, scopes, None) if store is not None else None
        fallback = self._key(initial, scopes) if initial else None
        links = self._links(value.get(CHAIN), sealed, scopes)
        if BASE not in value:
            return self._raw(base_of(value), links, sealed, fallback)
        if value is RAW:
            self.refuse("what code in the browser wrote to a sealed store")
            return Chain(fallback)
        token = self._token(value[BASE], scopes, sealed)
        if token is None:
            self.refuse("a reference that this session may not read")
            return Chain(fallback)
        raw = self._carrier.receive(token, value[CARRIED]) if CARRIED in value else None
        if CARRIED in value and raw is None:
            self.refuse("a value that was changed on its way to the browser and back, or has expired")
            return Chain(fallback)
        return Chain(self._key(token, scopes), raw, links, sealed, fallback)

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

    def _token(self, token: object, scopes: Scopes, sealed: str | None) -> Token | None:
        found = None if token is None else self._references.verify(token, scopes)
        return None if found is None or (sealed is not None and found.store != sealed) else found

    def _key(self, token: Token, scopes: Scopes) -> str:
        return self._keys.version(scopes[token.kind][0], token.store, token.version)

    def _links(self, names: object, sealed: str | None, scopes: Scopes) -> tuple[Link, ...]:
        if not isinstance(names, list):
            return ()
        links = (self._link(name, sealed, scopes) for name in names)
        return tuple(link for link in links if link is not None)

    def _link(self, name: object, sealed: str | None, scopes: Scopes) -> Link | None:
        if isinstance(name, dict) and CARRIED in name:
            token = self._token(name.get(BASE), scopes, sealed)
            patch = self._carrier.receive(token, name[CARRIED]) if token else None
            if token and isinstance(patch, dict):
                return CarriedPatch(token.version, patch)
        elif isinstance(name, dict) and sealed is None:
            return name
        if isinstance(name, str) and PATCH_NAME.fullmatch(name) and scopes.get(name[0]):
            return self._keys.patch(scopes[name[0]][0], name)
        self.refuse("a patch that this session may not read")
        return None
