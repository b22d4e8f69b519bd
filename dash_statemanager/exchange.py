"""The exchange: values for browsers' references, and references for values."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
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
Later = Callable[[], None]


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
        prepare: Names values; gives beside the names what writes them and keeps house.
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
        prepare: Callable[[Sequence[Write]], tuple[list[str], Later]],
    ) -> None:
        self._access, self._gate, self._references, self._versions = access, gate, references, versions
        self._chains, self._carrier, self._carries, self._prepare = chains, carrier, carries, prepare

    def write_many(self, writes: Iterable[tuple[StoreDefinition, Any]]) -> list[Any]:
        """What browsers are to hold for values, and a `PatchLink` for `Operations` and `Settlement`; None for None."""
        pairs = list(writes)
        return _beside_none(pairs, self._send(self._drafts(pairs)))

    def prepare_many(self, writes: Iterable[tuple[StoreDefinition, Any]]) -> tuple[list[Any], Later]:
        """What `write_many` returns, and what writes the values as they are now.

        Where they may travel to the browser, they are written already: only then is it known whether they do.
        """
        pairs = list(writes)
        sent, write = self._later(self._drafts(pairs))
        return _beside_none(pairs, sent), write

    def prepare_initial(self, store: StoreDefinition, value: Any) -> tuple[Any, Later]:
        """As `prepare_many`, for an initial value, which has no head; equal content has an equal reference."""
        sent, write = self._later([Write(store, APP, value, listed=False)])
        return sent[0], write

    def read_many(self, wanted: Wanted) -> list[Any]:
        """The values of references."""
        return self._chains.read_many(self._admit(wanted))

    def read_at_hand(self, wanted: Wanted) -> tuple[list[Any] | None, Callable[[], list[Any]]]:
        """As `read_many`, where that takes no time: None, and what reads them, where it may wait for the backend."""
        chains = self._admit(wanted)
        return self._chains.at_hand(chains), partial(self._chains.read_many, chains)

    def open_many(self, wanted: Wanted) -> list[Stored[Any] | None]:
        """As `read_many`, but handles: rights are checked now, values are read when they are used."""
        return self._chains.open_many(self._admit(wanted))

    def settle(self, reference: Mapping[str, Any], store: StoreDefinition) -> Settlement:
        """What the patches of a reference come to, for `write_many`: one link that stands for all of them."""
        return self._chains.settle(self._admit([(reference, store)])[0])

    def _admit(self, wanted: Wanted) -> list[Chain]:
        scopes = self._access.to_read()
        return [self._gate.admit(reference, store, scopes) for reference, store in wanted]

    def _drafts(self, pairs: Iterable[tuple[StoreDefinition, Any]]) -> list[Write]:
        return [self._draft(store, value) for store, value in pairs if value is not None]

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
            sent, write = self._named(drafts, self._versions.read_many)
            write()
            return sent
        except BackendUnavailable as exc:
            if self._carries == "never":
                raise
            logger.debug("values travel to the browser while the backend is away: %s", exc)
            return self._carry(drafts)

    def _later(self, drafts: Sequence[Write]) -> tuple[list[Any], Later]:
        if self._carries != "never":
            return self._send(drafts), lambda: None
        return self._named(drafts, self._versions.at_hand)

    def _named(self, drafts: Sequence[Write], read: Callable[[Iterable[str]], object]) -> tuple[list[Any], Later]:
        names, write = self._prepare(drafts)
        return [self._reference(draft, name, read) for draft, name in zip(drafts, names, strict=True)], write

    def _carry(self, drafts: Sequence[Write]) -> list[Any]:
        return [self._carrier.send(draft, self._versions.ttl(draft.store)) for draft in drafts]

    def _reference(
        self, write: Write, name: str, read: Callable[[Iterable[str]], object]
    ) -> dict[str, str] | PatchLink:
        if write.patch:
            return PatchLink(name)
        initial = self._versions.initial_again(write, name, read) if write.listed else None
        return {BASE: initial} if initial else self._references.mint(write.scope, write.store.digest, name)


def _beside_none(pairs: Iterable[tuple[StoreDefinition, Any]], sent: Iterable[Any]) -> list[Any]:
    """What is sent for each pair: nothing for None."""
    rest = iter(sent)
    return [None if value is None else next(rest) for _, value in pairs]
