"""Values that `dcc.Store` can hold, and exactly as it would give them back.

orjson does the work. What it can't represent exactly (integers beyond 64 bits, lone surrogates, deep
nesting) is written and read by Python's own json, under another tag.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from ..errors import CodecError, CorruptPayload
from .base import Buffer, Codec, Frozen
from .judge import REMEDY, Embed, Plain, Refused, default

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
_KINDS = {"{": "dict", "[": "list", '"': "str", "t": "bool", "f": "bool", "n": "None"}


Text = tuple[bytes, bool]
"""A JSON text, and whether only Python's own json reads it."""


def exact_dumps(value: Any) -> bytes | None:
    """The JSON of a value that is JSON through and through, as most are; None for all others."""
    try:
        return fitted(orjson.dumps(value, option=_OPTIONS))
    except TypeError:
        return None


def orjson_dumps(value: Any, embed: Embed) -> Text | None:
    """The JSON of a value, by orjson; None where that gives up.

    Args:
        value: The value.
        embed: Asked about every value that is not plain; returns a plain node for it, or None.
    """
    try:
        return fitted(orjson.dumps(value, default=_hook(embed), option=_OPTIONS)), False
    except TypeError:
        return None


def python_dumps(value: Any, embed: Embed) -> Text | None:
    """As `orjson_dumps`, by Python's own json, as Plotly does it: with keys of other types, or very deep."""
    try:
        text = json.dumps(value, default=_hook(embed))
        return _text(json.loads(text, parse_constant=_nothing))
    except Exception:
        return None


def plain_dumps(value: Any, plain: Callable[[Any], Any]) -> Text:
    """The JSON of the plain copy that `plain` makes of a value.

    Raises:
        CodecError: A part of the value can't be kept. The message has its type and path.
    """
    try:
        return _text(plain(value))
    except (Refused, RecursionError, ValueError) as exc:
        raise Refused.of(exc, value, REMEDY).error() from exc.__cause__


def fitted(text: bytes) -> bytes:
    """A copy as large as the text: orjson may leave the whole buffer to it, 4 kB for 3 bytes, 16 MB for 0.6."""
    return bytes(memoryview(text))


def _hook(embed: Embed) -> Callable[[Any], Any]:
    def hook(part: Any) -> Any:
        node = embed(part)
        return default(part) if node is None else node

    return hook


def _nothing(part: Any) -> None:
    return None


def _text(plain: Any) -> Text:
    """The JSON of a plain value. Raises ValueError or RecursionError where it could not be read again."""
    try:
        return fitted(orjson.dumps(plain)), False
    except TypeError:
        text = json.dumps(plain, separators=(",", ":"), allow_nan=False)
        json.loads(text)
        return text.encode("ascii"), True


def loads(body: Buffer, wide: bool) -> Any:
    """What `dumps` wrote. Raises ValueError for what isn't JSON."""
    return json.loads(bytes(body)) if wide else orjson.loads(body)


@dataclass(frozen=True)
class JsonData:
    """A JSON text; `spare` has what it was parsed to, until the first reader takes that."""

    body: Buffer
    spare: list[Any] = field(default_factory=list, compare=False)


class JsonCodec(Codec):
    """Plain JSON, written and read by orjson."""

    name: ClassVar[str] = "json"
    tag: ClassVar[int] = 1
    deterministic: ClassVar[bool] = True
    wide: ClassVar[bool] = False

    def can_encode(self, value: Any) -> bool:
        """True: what has no other codec is JSON, or refused."""
        return True

    def freeze(self, value: Any) -> Frozen:
        """Freezes a value that is JSON through and through; `Codecs.freeze` takes the others too."""
        written = orjson_dumps(value, _nothing) or python_dumps(value, _nothing)
        body, wide = written or plain_dumps(value, Plain(_nothing))
        return (WIDE if wide else JSON).wrap(body, value)

    def wrap(self, body: Buffer, value: Any, *spare: Any) -> Frozen:
        """The frozen form of a JSON text."""
        kind = _KINDS.get(chr(body[0]), "number")
        summary: dict[str, Any] = {"type": kind}
        if isinstance(value, (dict, list, tuple, str)):
            summary["length"] = len(value)
        return Frozen(self, JsonData(body, list(spare)), memoryview(body).nbytes, summary, deterministic=True)

    def encode(self, data: JsonData) -> Sequence[Buffer]:
        """The text."""
        return [data.body]

    def decode(self, body: Buffer) -> Frozen:
        """Parses at once, so that what is corrupt is found here; the first `thaw` hands that out."""
        view = memoryview(body)
        try:
            value = loads(view, self.wide)
        except (ValueError, RecursionError) as exc:
            raise CorruptPayload(f"the body is not JSON: {exc}") from exc
        return self.wrap(view, value, value)

    def thaw(self, data: JsonData) -> Any:
        """A value of the receiver's own: parsed afresh each time."""
        try:
            if data.spare:
                return data.spare.pop()
        except IndexError:  # another thread was faster
            pass
        try:
            return loads(data.body, self.wide)
        except RecursionError as exc:
            raise CodecError("the value is nested too deeply to be read here", "Store a flatter value") from exc


class WideJsonCodec(JsonCodec):
    """JSON that only Python's own json represents exactly."""

    name: ClassVar[str] = "wide-json"
    tag: ClassVar[int] = 2
    wide: ClassVar[bool] = True


JSON = JsonCodec()
WIDE = WideJsonCodec()
