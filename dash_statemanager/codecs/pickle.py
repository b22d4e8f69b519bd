"""Values that no other codec takes, where the app asks for it: signed pickles.

The signature is checked before a byte is loaded, and nothing else in this package imports pickle.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, ClassVar

from ..errors import CodecError, CorruptPayload
from .base import Buffer, Codec, Frozen
from .tree import summary

_SALT = b"dash_statemanager.codecs.pickle"
_DIGEST = hashlib.sha256().digest_size


class PickleCodec(Codec):
    """Pickles behind an HMAC-SHA256.

    Args:
        keys: The first signs, all verify. At least one.
    """

    name: ClassVar[str] = "pickle"
    tag: ClassVar[int] = 6

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise CodecError("pickles are signed, and there is no key to sign them with", "Set STATE_SECRET_KEY")
        self._keys = tuple(keys)

    def can_encode(self, value: Any) -> bool:
        """True: whether it can be pickled shows only on trying."""
        return True

    def freeze(self, value: Any) -> Frozen:
        """The pickle of a value. Raises `CodecError` where it has none."""
        import pickle

        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as exc:
            raise CodecError(
                f"{type(value).__name__} can't be pickled ({type(exc).__name__}: {exc})",
                "Return something that can be rebuilt from plain data",
            ) from exc
        return Frozen(self, data, len(data), summary(value))

    def encode(self, data: Buffer) -> Sequence[Buffer]:
        """The signature, then the pickle."""
        return [_sign(self._keys[0], data), data]

    def decode(self, body: Buffer) -> Frozen:
        """Checks the signature. Raises `CorruptPayload` where no key made it."""
        view = memoryview(body)
        signature, data = bytes(view[:_DIGEST]), view[_DIGEST:]
        if not any(hmac.compare_digest(signature, _sign(key, data)) for key in self._keys):
            raise CorruptPayload("the signature of a pickle is wrong", "Check that STATE_SECRET_KEY lists its key")
        return Frozen(self, data, len(data), {"type": "pickle"})

    def thaw(self, data: Buffer) -> Any:
        """Loads what was pickled here, or signed by one of the keys."""
        import pickle

        try:
            return pickle.loads(data)
        except Exception as exc:
            raise CodecError(
                f"a pickle can't be loaded ({type(exc).__name__}: {exc})", "Store the value again"
            ) from exc


def _sign(key: bytes, data: Buffer) -> bytes:
    derived = hmac.digest(key, _SALT, "sha256")
    return hmac.digest(derived, data, "sha256")
