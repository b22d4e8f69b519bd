"""Chains: a version and the patches made to it since, as one tab knows them.

The base that a patch applies to is the tab's own value, which the server can't know. So a patch is stored, its name is
appended to a list in the tab's reference, and reading replays the list. That is exact with several tabs and with
parallel answers.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any

from .cache import Cached
from .carrier import CarriedPatch
from .codecs import Codecs
from .codecs.part import Part
from .errors import CodecError
from .handles import Stored
from .patches import Gaps, replay
from .peek import Peek
from .versions import Versions

logger = logging.getLogger("dash_statemanager")

LONG_CHAIN = 1_000
SETTLE_AT = 64
"""Links after which a callback that reads and patches a store settles its chain."""
LIGHT = 1 << 15
"""Bytes that are copied or parsed in about the time that it takes to go on in another thread."""
LOOK_BACK = 16
"""How many steps back a cached result is looked for."""

Link = str | Mapping[str, Any] | CarriedPatch
"""The key of a patch, or `{"ops": [...]}` as code in the browser writes it, or a patch that came along."""


class Settlement(dict[str, Any]):
    """What a chain comes to: `base` names what it was built on, `count` its patches, `value` the result."""


@dataclass(frozen=True)
class Chain:
    """What a reference stands for, once it is verified.

    Attributes:
        base: Key of the version, or None.
        raw: JSON that stands in place of a version, or the version itself where it came along.
        links: The patches, oldest first.
        store: Digest of the only store whose patches count, or None for any (sealed stores).
        fallback: Key of the version that stands in, without patches, where the base is gone: the initial value.

    A settlement is a patch that was written by `Chains.settle`.
    """

    base: str | None = None
    raw: Any = field(default=None, repr=False)
    links: tuple[Link, ...] = ()
    store: str | None = None
    fallback: str | None = None

    @property
    def key(self) -> str | None:
        """Key of the version, if it is to be read."""
        return self.base if self.raw is None else None

    def needed(self) -> list[str]:
        """The keys that reading it needs."""
        base = [] if (key := self.key) is None else [key]
        return base + [link for link in self.links if isinstance(link, str)] if self.links else base

    def digests(self) -> list[str]:
        """A name for the result after each link, that of the base first; it outlives `rotate_session`."""
        base = (self.base or "").split("/")[-2:]
        state = blake2b(_fingerprint([base, None if self.base else self.raw]), digest_size=16)
        names = [state.hexdigest()]
        for link in self.links:
            state.update(_fingerprint(link.name if isinstance(link, CarriedPatch) else link))
            names.append(state.hexdigest())
        return names


class Chains:
    """Reads chains, and keeps results in the process cache.

    Args:
        versions: Reads versions and patches.
        peek: Looks at those that are not read whole.
        codecs: Freezes results.
        clock: Gives the Unix time.
        counters: Counts under `missing` what is not there.
    """

    def __init__(
        self,
        versions: Versions,
        peek: Peek,
        codecs: Codecs,
        clock: Callable[[], float],
        counters: Counter[str],
    ) -> None:
        self._versions, self._peek, self._codecs, self._clock = versions, peek, codecs, clock
        self._counters = counters

    def read_many(self, chains: Sequence[Chain]) -> list[Any]:
        """The values, None for what is not there; all from the backend in one round trip."""
        found = self._versions.read_many(key for chain in chains for key in chain.needed())
        self._read_fallbacks(chains, found)
        return [self._value(chain, found) for chain in chains]

    def at_hand(self, chains: Sequence[Chain]) -> list[Any] | None:
        """As `read_many`, if that needs nothing of the backend, and less time than it takes to change threads."""
        found = self._versions.at_hand([key for chain in chains for key in chain.needed()], LIGHT)
        return None if found is None else [self._value(chain, found) for chain in chains]

    def open_many(self, chains: Sequence[Chain]) -> list[Stored[Any] | None]:
        """Handles of the values, None for what is not there; nothing is read before they are used."""
        keys = [key for chain in chains for key in (*chain.needed(), chain.fallback) if key is not None]
        sizes = self._peek.sizes(keys)
        return [self._open(chain, sizes) for chain in chains]

    def settle(self, chain: Chain) -> Settlement:
        """What a chain comes to, to be written as one link that stands for all its links.

        It counts only on the same base, and of several the one that settles most counts. So it does not matter in
        which order a browser gets settlements, patches and whole values that were under way at the same time.
        """
        found = self._versions.read_many(chain.needed())
        links = [self._patch(link, chain.store, found) for link in chain.links]
        count = sum("operations" in patch for patch in links) + max((int(p.get("count", 0)) for p in links), default=0)
        name = chain.digests()[0]
        known = _has_base(chain, found) or _settled(links, name)
        return Settlement(base=name if known else "", count=count, value=self._value(chain, found))

    def _open(self, chain: Chain, sizes: Mapping[str, int]) -> Stored[Any] | None:
        is_gone = chain.key is not None and chain.key not in sizes
        if is_gone and chain.links and self.read_many([chain])[0] is None:  # a settlement may stand in
            return None
        if is_gone and not chain.links:
            self._note_missing()
            chain = Chain(chain.fallback if chain.fallback in sizes else None)
        if not chain.links and chain.key is None:
            return None if chain.raw is None else Stored.of(chain.raw)
        nbytes = sum(sizes.get(key, 0) for key in chain.needed())
        return Stored(lambda: self.read_many([chain])[0], partial(self._read_part, chain), lambda: nbytes)

    def _note_missing(self) -> None:
        if not self._counters["missing"]:
            logger.info("a version is gone or has expired; its readers get the initial value or None")
        self._counters["missing"] += 1

    def _read_part(self, chain: Chain, part: Part) -> Any:
        if chain.key is None or chain.links:
            return part.of(self.read_many([chain])[0])
        return self._peek.part(chain.key, part)

    def _read_fallbacks(self, chains: Iterable[Chain], found: dict[str, Cached]) -> None:
        wanted = [c.fallback for c in chains if c.fallback and c.key is not None and c.key not in found]
        if wanted:
            found.update(self._versions.read_many(wanted))

    def _value(self, chain: Chain, found: Mapping[str, Cached]) -> Any:
        for key in chain.needed():
            if key not in found:
                self._note_missing()
        if not chain.links:
            return self._base(chain, found)
        if len(chain.links) % LONG_CHAIN == 0:
            logger.warning("a store has %d pending patches: return a whole value now and then", len(chain.links))
        return self._replay(chain, found)

    def _base(self, chain: Chain, found: Mapping[str, Cached]) -> Any:
        if (key := chain.key) is None:
            return chain.raw
        cached = found.get(key) or found.get(chain.fallback or "")
        return None if cached is None else cached.frozen.thaw()

    def _replay(self, chain: Chain, found: Mapping[str, Cached]) -> Any:
        names = chain.digests()
        kept_as = f"~chain/{chain.base}/{chain.store}/"
        done, value = self._start(chain, names, kept_as, found)
        if done == len(chain.links):
            return value
        gaps = Gaps()
        for link in chain.links[done:]:
            value = replay(value, self._patch(link, chain.store, found).get("operations", ()), gaps)
        if value is None or gaps.opened or not _complete(chain, found):
            return value  # gaps count from the base on: what goes on from here would open more than others do
        lifetimes = [cached.ttl for key in chain.needed() if (cached := found[key]).ttl is not None]
        return self._keep(kept_as + names[-1], value, min(lifetimes, default=None))

    def _start(self, chain: Chain, names: Sequence[str], kept_as: str, found: Mapping[str, Cached]) -> tuple[int, Any]:
        """How many links need no replay, and the value after them."""
        look_back = LOOK_BACK if _complete(chain, found) else 0
        for done in range(len(chain.links), max(0, len(chain.links) - look_back), -1):
            cached = self._versions.cache.get(kept_as + names[done])
            if cached is not None:
                return done, cached.frozen.thaw()
        settled = _settled([self._patch(link, chain.store, found) for link in chain.links], names[0])
        if settled:
            return 0, max(settled, key=lambda patch: int(patch["count"]))["value"]
        return 0 if _has_base(chain, found) else len(chain.links), self._base(chain, found)

    def _keep(self, name: str, value: Any, ttl: float | None) -> Any:
        try:
            frozen = self._codecs.freeze(value, "pickle")  # takes whatever the store took
        except CodecError:
            return value  # grown too deep to be kept
        self._versions.cache.put(name, Cached(frozen, ttl, self._clock()))
        return frozen.thaw()

    def _patch(self, link: Link, store: str | None, found: Mapping[str, Cached]) -> Mapping[str, Any]:
        if isinstance(link, CarriedPatch):
            return link.patch
        if not isinstance(link, str):
            operations = link.get("ops")
            return {"operations": operations if isinstance(operations, list) else []}
        patch = found[link].frozen.thaw() if link in found else {}
        return {} if store is not None and patch.get("store") != store else patch


def _settled(patches: Iterable[Mapping[str, Any]], base: str) -> list[Mapping[str, Any]]:
    """The settlements among patches that were built on this base."""
    return [patch for patch in patches if patch.get("base") == base]


def _has_base(chain: Chain, found: Mapping[str, Cached]) -> bool:
    """Whether patches have what they apply to: without it they would pass off a part of a value as the whole."""
    return chain.key is None or chain.key in found


def _complete(chain: Chain, found: Mapping[str, Cached]) -> bool:
    """Whether nothing is missing: only then is a result worth keeping, or one that was kept still true."""
    return all(key in found for key in chain.needed())


def _fingerprint(value: Any) -> bytes:
    """Takes any JSON that a browser can send: large numbers and lone surrogates, too."""
    try:
        return json.dumps(value).encode("ascii")
    except RecursionError:
        return "\n".join(_flat(value)).encode("ascii")


def _flat(value: Any) -> Iterator[str]:
    """The scalars of JSON however deep it is, and before those of each dict and list how many they are."""
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            yield f"{{{len(part)}"
            rest += [each for item in part.items() for each in item]
        elif isinstance(part, list):
            yield f"[{len(part)}"
            rest += part
        else:
            yield json.dumps(part)
