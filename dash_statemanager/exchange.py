"""The exchange: values for browsers' references, and references for values."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from .carrier import Carrier
from .chains import Chain, Chains, Settlement
from .definitions import StoreDefinition
from .errors import BackendUnavailable
from .gate import Gate
from .handles import Stored
from .patches import Operations
from .reference import APP, BASE, PatchLink, References
from .session import Access
from .versions import Versions, Write

logger = logging.getLogger("dash_statemanager")

Wanted = Sequence[tuple[Mapping[str, Any], StoreDefinition | None]]
Carries = Literal["always", "when away", "never"]


class Exchange:
    """What goes between browsers and stores, with the rights of the current session.

    Args:
        access: Says whose values are written and read.
        gate: Admits references.
        references: Mints them.
        versions: Names what is written.
        chains: Reads.
        carrier: Makes values travel.
        carries: When values themselves travel to the browser: `when away` is while the backend is.
        write: Writes and keeps house; returns the names.
    """

    def __init__(
        self,
        access: Access,
        gate: Gate,
        references: References,
        versions: Versions,
        chains: Chains,
        carrier: Carrier,
        carries: Carries,
        write: Callable[[Sequence[Write]], list[str]],
    ) -> None:
        self._access, self._gate, self._references, self._versions = access, gate, references, versions
        self._chains, self._carrier, self._carries, self._write = chains, carrier, carries, write

    def write_many(self, writes: Iterable[tuple[StoreDefinition, Any]]) -> list[Any]:
        """What browsers are to hold for values, and a `PatchLink` for `Operations` and `Settlement`; None for None."""
        pairs = list(writes)
        sent = iter(self._send([self._draft(store, value) for store, value in pairs if value is not None]))
        return [None if value is None else next(sent) for _, value in pairs]

    def write_initial(self, store: StoreDefinition, value: Any) -> Any:
        """What browsers are to hold for an initial value: in the app's scope, without a head, by its content."""
        return self._send([Write(store, APP, value, listed=False)])[0]

    def name_initial(self, store: StoreDefinition, value: Any) -> Any:
        """What `write_initial` will return, without writing."""
        write = Write(store, APP, value, listed=False)
        return self._reference(write, self._versions.name(write))

    def read_many(self, wanted: Wanted) -> list[Any]:
        """The values of references."""
        return self._chains.read_many(self._admit(wanted))

    def open_many(self, wanted: Wanted) -> list[Stored[Any] | None]:
        """Handles of them."""
        return self._chains.open_many(self._admit(wanted))

    def settle(self, reference: Mapping[str, Any], store: StoreDefinition) -> Settlement:
        """What the patches of a reference come to."""
        return self._chains.settle(self._admit([(reference, store)])[0])

    def _admit(self, wanted: Wanted) -> list[Chain]:
        scopes = self._access.to_read()
        return [self._gate.admit(reference, store, scopes) for reference, store in wanted]

    def _draft(self, store: StoreDefinition, value: Any) -> Write:
        scope = self._access.to_write(store.scope)
        if isinstance(value, Operations):
            return Write(store, scope, {"store": store.digest, "operations": list(value)}, patch=True)
        if isinstance(value, Settlement):
            return Write(store, scope, {"store": store.digest, **value}, patch=True, listed=False)
        return Write(store, scope, value)

    def _send(self, drafts: Sequence[Write]) -> list[Any]:
        if self._carries == "always":
            return self._carry(drafts)
        try:
            return [self._reference(draft, name) for draft, name in zip(drafts, self._write(drafts), strict=True)]
        except BackendUnavailable as exc:
            if self._carries == "never":
                raise
            logger.debug("values travel to the browser while the backend is away: %s", exc)
            return self._carry(drafts)

    def _carry(self, drafts: Sequence[Write]) -> list[Any]:
        return [self._carrier.send(draft, self._versions.ttl(draft.store)) for draft in drafts]

    def _reference(self, write: Write, name: str) -> dict[str, str] | PatchLink:
        if write.patch:
            return PatchLink(name)
        initial = self._versions.initial_again(write, name)
        return {BASE: initial} if initial else self._references.mint(write.scope, write.store.digest, name)
