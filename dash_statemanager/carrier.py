"""Values that travel to the browser and back: with `STATE_BACKEND=client`, and where `STATE_FALLBACK=client` stands in.

What `dcc.Store` could hold travels as it is. Everything else, and whatever a sealed store holds, travels as a payload
beside the token that names its content: nobody can change it on the way, or use it in another's place.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .backends.base import BytesPayload
from .codecs import Codecs
from .codecs.json import JSON
from .errors import CodecError, ValueTooLarge
from .reference import CARRIED, PatchLink, References, Scope, content_version
from .versions import Write, naming

LIMIT = 2 << 20
"""Most bytes of one value: a browser sends it with each callback that reads it."""


@dataclass(frozen=True)
class CarriedPatch:
    """A patch that came along with its chain: its name, and what would have been stored."""

    name: str
    patch: dict[str, Any] = field(repr=False)


class Carrier:
    """Makes what travels, and takes it back.

    Args:
        references: Signs and verifies tokens.
        codecs: Turns values into payloads.
        key: Makes names from content that nobody without it can compute.
        clock: Gives the Unix time.
    """

    def __init__(self, references: References, codecs: Codecs, key: bytes, clock: Callable[[], float]) -> None:
        self._references, self._codecs, self._key, self._clock = references, codecs, key, clock

    def send(self, write: Write, ttl: float | None) -> Any:
        """What a browser is to hold for a value, or to append to its chain for a patch.

        Raises:
            CodecError: No codec takes the value.
            ValueTooLarge: It has more than 2 MiB.
        """
        with naming(write.store.id):
            held = self._hold(write, ttl)
        return PatchLink(held) if write.patch else held

    def receive(self, version: str, carried: object) -> Any:
        """The value that came with a verified token; None where it is not the version named there, or has expired."""
        if not isinstance(carried, str) or len(carried) > 2 * LIMIT:
            return None
        try:
            payload = b64decode(carried, validate=True)
            if content_version(self._key, [payload]) != version:
                return None
            opened = self._codecs.open(BytesPayload(payload))
        except (ValueError, CodecError):
            return None
        if opened.ttl is not None and opened.created + opened.ttl <= self._clock():
            return None
        return opened.frozen.thaw()

    def _hold(self, write: Write, ttl: float | None) -> Any:
        frozen = self._codecs.freeze(write.value, write.store.types)
        _check(frozen.nbytes)
        if frozen.codec is JSON and not write.store.sealed:
            if not write.patch:
                return frozen.thaw()
            if "operations" in write.value:
                return {"ops": frozen.thaw()["operations"]}
        payload = b"".join(self._codecs.payload(frozen, created=self._clock(), ttl=ttl).parts())
        _check(len(payload))
        return self._reference(write.scope, write.store.digest, payload)

    def _reference(self, scope: Scope, store: str, payload: bytes) -> dict[str, str]:
        reference = self._references.mint(scope, store, content_version(self._key, [payload]))
        return {**reference, CARRIED: b64encode(payload).decode("ascii")}


def _check(nbytes: int) -> None:
    if nbytes > LIMIT:
        raise ValueTooLarge(
            f"a value of {nbytes:,} bytes is over the {LIMIT:,} bytes that may travel to the browser",
            'Set STATE_BACKEND = "database", which keeps it on the server',
        )
