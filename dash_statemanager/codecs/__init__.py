"""Codecs: values to payloads and back.

Light: pandas, numpy, pyarrow and polars are imported only when a value, or a payload, needs them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from ..backends.base import Payload
from ..errors import CodecError, CorruptPayload
from .base import HEADER, Buffer, Codec, Frozen, Header
from .compression import decompress
from .json import JSON, WIDE, exact_dumps, orjson_dumps, plain_dumps, python_dumps
from .judge import Embed, Plain
from .part import Part
from .payload import FrozenPayload, Opened
from .raw import BYTES
from .rules import FRAME, FRAMES, PICKLE, POLARS, TABLE, Leaf, Walk, names_of, readers
from .sparse import ReadWhole, SparsePayload
from .tree import Attempt, Marks, Skeleton, TreeCodec

__all__ = ["Codec", "Codecs", "Frozen", "FrozenPayload", "Opened"]

_KEPT = {*FRAMES, "builtins.bytes", "builtins.bytearray", "builtins.set", "builtins.frozenset"}


@functools.lru_cache(maxsize=4096)
def _is_kept(kind: Any) -> bool:
    """Whether values of a type keep it, wherever they are: `dcc.Store` refuses them."""
    return not _KEPT.isdisjoint(names_of(kind))


@functools.lru_cache(maxsize=4096)
def _whole(kind: Any) -> int | None:
    """The tag of the codec that takes values of a type without a skeleton around them."""
    names = names_of(kind)
    return BYTES.tag if kind is bytes else next((FRAMES[name] for name in names if name in FRAMES), None)


class Codecs:
    """All codecs, and the payloads made with them. Safe for threads.

    Args:
        compression: `auto`, `none`, `lz4` or `zstd`.
        keys: For signed pickles: the first signs, all verify. Without keys there are no pickles.
    """

    def __init__(self, *, compression: str = "auto", keys: Sequence[bytes] = ()) -> None:
        self._compression = compression
        self._keys = tuple(keys)
        attempts: dict[str, Attempt] = {
            "json": self._json_attempt,
            "python": functools.partial(self._python_attempt, None),
            "pickle": functools.partial(self._python_attempt, self._pickled),
        }
        self._trees = {types: TreeCodec(attempt, self._codec, readers) for types, attempt in attempts.items()}
        self._by_tag: dict[int, Codec] = {codec.tag: codec for codec in (JSON, WIDE, BYTES, self._trees["json"])}

    def freeze(self, value: Any, types: str = "json") -> Frozen:
        """A snapshot of a value, which later changes to the value can't reach.

        Args:
            value: Any value.
            types: `json` gives back what `dcc.Store` would, and keeps only what that refuses; `python` keeps
                every type; `pickle` pickles what `python` refuses.

        Raises:
            CodecError: A part of it can't be kept. The message has its type, its path and the way out.
        """
        if types not in self._trees:
            raise CodecError(f"there are no types={types!r}", "Use 'json', 'python' or 'pickle'")
        kind: Any = type(value)
        whole = _whole(kind)
        if whole is not None and types != "pickle":
            return self._codec(whole).freeze(value)
        text = exact_dumps(value) if types == "json" else None
        return self._trees[types].freeze(value) if text is None else JSON.wrap(text, value)

    def payload(self, frozen: Frozen, *, created: float, ttl: float | None, compress: bool = True) -> FrozenPayload:
        """The payload of a frozen value; nothing is encoded before its `parts` are asked for.

        Args:
            frozen: The value.
            created: When it is written, in Unix seconds.
            ttl: Its lifetime in seconds, or None for ever.
            compress: False for backends where bytes cost nothing.
        """
        compression = self._compression if compress else "none"
        return FrozenPayload(frozen, created=created, ttl=ttl, compression=compression)

    def open(self, payload: Payload, part: Part | None = None) -> Opened:
        """What a payload holds. Takes any payload; one of ours that was never bytes is not decoded.

        Args:
            payload: The payload; where its first part is just the header, the others are its body.
            part: Which columns and rows of a table; None for the whole value, whatever it is.

        Raises:
            ReadWhole: Of a `SparsePayload`: it is no table, or should be read whole for another reason.
            CorruptPayload: The bytes are not a whole payload.
            CodecError: They are, but need something that is missing here: a class, a key, a newer version.
            PartError: The value has no such part.
        """
        if isinstance(payload, FrozenPayload):
            frozen = payload.frozen if part is None else payload.frozen.part(part)
            return Opened(frozen, payload.created, payload.ttl)
        header, packed = _apart(payload.parts())
        if not (math.isfinite(header.created) and math.isfinite(header.ttl) and header.ttl >= 0):
            raise CorruptPayload("the payload has impossible times")
        fetch = payload.fetch if isinstance(payload, SparsePayload) else None
        if fetch is not None and header.compression:
            raise ReadWhole
        body = decompress(packed, header.compression, header.raw_length)
        codec = self._codec(header.codec)
        frozen = codec.decode(body) if part is None else codec.decode_part(body, part, fetch)
        return Opened(frozen, header.created, header.ttl or None)

    def _json_attempt(self, value: Any, marker: str) -> Skeleton:
        """The fast way first; the last is slow, but takes odd keys and knows the path of what it refuses."""
        for dumps in (orjson_dumps, python_dumps):
            marks = Marks(marker)
            text = dumps(value, self._embed(marks))
            if text is not None:
                return Skeleton(*text, marks)
        marks = Marks(marker)
        return Skeleton(*plain_dumps(value, Plain(self._embed(marks))), marks)

    def _embed(self, marks: Marks) -> Embed:
        walk = Walk(marks, self._codec)

        def embed(value: Any) -> Any:
            kind: Any = type(value)
            return walk(value) if _is_kept(kind) else None

        return embed

    def _python_attempt(self, leaf: Leaf | None, value: Any, marker: str) -> Skeleton:
        marks = Marks(marker)
        return Skeleton(*plain_dumps(value, Walk(marks, self._codec, leaf)), marks)

    def _codec(self, tag: int) -> Codec:
        codec = self._by_tag.get(tag)
        if codec is None:
            codec = self._by_tag[tag] = self._make(tag)
        return codec

    def _make(self, tag: int) -> Codec:
        """The codecs that are imported on use."""
        if tag == FRAME:
            from .frame import FrameCodec

            return FrameCodec(self._trees["python"], self._codec)
        if tag in (TABLE, POLARS):
            from .arrow import PolarsCodec, TableCodec

            return TableCodec() if tag == TABLE else PolarsCodec()
        if tag == PICKLE:
            from .pickle import PickleCodec

            return PickleCodec(self._keys)
        raise CorruptPayload(f"the payload has the unknown codec {tag}", "Upgrade dash-statemanager")

    def _pickled(self, value: Any) -> Frozen:
        return self._codec(PICKLE).freeze(value)


def _apart(parts: Sequence[Buffer]) -> tuple[Header, memoryview]:
    """Header and body of a payload; not copied where it is one buffer, or both of them."""
    views = [memoryview(part).cast("B") for part in parts]
    if len(views) == 2 and len(views[0]) == HEADER.size:
        return Header.unpack(views[0], len(views[1])), views[1]
    whole = views[0] if len(views) == 1 else memoryview(b"".join(views))
    return Header.unpack(whole[: HEADER.size], len(whole) - HEADER.size), whole[HEADER.size :]
