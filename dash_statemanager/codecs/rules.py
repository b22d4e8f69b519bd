"""`types="python"`: how each type becomes a node of a skeleton, and is read back.

Types are found by name, so that none of their modules is imported for the sake of a lookup.
"""

from __future__ import annotations

import base64
import functools
import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from ..errors import CodecError
from .base import Codec, Frozen
from .judge import Refused
from .raw import BYTES
from .tree import Marks, Node, Reader, Revive

INLINE = 4 << 10
REMEDY = 'Convert it before you return it, or configure types="pickle" for this store'

FRAME, PICKLE, TABLE, POLARS = 5, 6, 7, 8
FRAMES = {
    "pandas.DataFrame": FRAME,
    "geopandas.GeoDataFrame": FRAME,
    "pyarrow.Table": TABLE,
    "polars.DataFrame": POLARS,
}
"""The tags of the codecs that take frames."""

Writer = Callable[["Walk", Any], Any]
Leaf = Callable[[Any], Frozen]

_FAMILIES = {
    "builtins": "standard",
    "collections": "standard",
    "datetime": "standard",
    "decimal": "standard",
    "enum": "standard",
    "fractions": "standard",
    "pathlib": "standard",
    "uuid": "standard",
    "zoneinfo": "standard",
    "numpy": "scientific",
    "pandas": "scientific",
    "geopandas": "scientific",
    "polars": "scientific",
    "pyarrow": "scientific",
}


def names_of(kind: type) -> list[str]:
    """The names of a type and its bases, as `module.Class` with the outermost module."""
    return [f"{base.__module__.partition('.')[0]}.{base.__qualname__}" for base in kind.__mro__]


@functools.lru_cache(maxsize=4096)
def writer_of(kind: type) -> Writer | None:
    """What writes values of a type; None where only pickle could."""
    from . import classes

    names = names_of(kind)
    writer: Writer | None = _rules(names[0]).WRITERS.get(names[0])
    if writer is not None:
        return writer
    for base in names:
        writer = _rules(base).FAMILY_WRITERS.get(base)
        if writer is not None:
            return writer
    return classes.writer_of(kind)


def _rules(name: str) -> Any:
    module = _FAMILIES.get(name.partition(".")[0], "standard")
    return importlib.import_module(f"{__package__}.{module}")


@functools.lru_cache(maxsize=1)
def readers() -> Mapping[str, Reader]:
    """What reads each kind of node."""
    from . import classes, scientific, standard

    return {"part": Revive.part, **standard.READERS, **scientific.READERS, **classes.READERS}


class Walk:
    """Writes the skeleton of a value with every type kept.

    Args:
        marks: Takes the nodes and parts.
        codec: The codec of a tag, for parts that have bodies of their own.
        leaf: Freezes values that no rule takes; without it they are refused.
    """

    def __init__(self, marks: Marks, codec: Callable[[int], Codec], leaf: Leaf | None = None) -> None:
        self.marks = marks
        self.codec = codec
        self.node = marks.node
        self._leaf = leaf
        self._in_set = 0

    def __call__(self, value: Any) -> Any:
        kind: Any = type(value)
        if kind is bool or value is None:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else self.node("int", hex(value))
        if kind is float:
            return value if math.isfinite(value) else self.node("float", repr(value))
        if kind is str:
            return self.text(value)
        writer = writer_of(kind)
        if writer is None:
            return self._last_resort(value, Refused(f"no codec takes a value of type {kind.__name__}", REMEDY))
        return self._written(writer, value)

    def _written(self, writer: Writer, value: Any) -> Any:
        try:
            return writer(self, value)
        except (Refused, CodecError) as exc:
            if getattr(exc, "path", None):
                raise
            return self._last_resort(value, Refused.of(exc, value, REMEDY))

    def _last_resort(self, value: Any, refused: Refused) -> Any:
        if self._leaf is None:
            raise refused
        return self.part(self._leaf(value))

    def text(self, value: str) -> Any:
        """A string; lone surrogates need a node."""
        return value if is_text(value) else self.node("str", _base64(value.encode("utf-8", "surrogatepass")))

    def part(self, frozen: Frozen) -> Node:
        """The node of a part that has a body of its own."""
        if self._in_set:
            self.marks.deterministic = False
        return self.marks.part(frozen)

    def blob(self, data: bytes) -> Any:
        """Bytes: inside the skeleton while they are few, else a part."""
        inline = self._in_set or len(data) <= INLINE
        return _base64(data) if inline else self.part(BYTES.freeze(data))

    def items(self, values: Any) -> list[Any]:
        """The nodes of a sequence."""
        nodes: list[Any] = []
        try:
            nodes.extend(map(self, values))
        except Exception as exc:
            raise self.placed(exc, values, f"[{len(nodes)}]") from exc.__cause__
        return nodes

    def pairs(self, mapping: Mapping[Any, Any]) -> list[list[Any]]:
        """The nodes of keys and values of a mapping."""
        nodes = []
        key: Any = None
        try:
            for key, value in mapping.items():
                nodes.append([self(key), self(value)])
        except Exception as exc:
            raise self.placed(exc, mapping, f"[{key!r}]") from exc.__cause__
        return nodes

    def members(self, values: Any) -> list[Any]:
        """The nodes of a set, in an order that depends on nothing but them."""
        self._in_set += 1
        try:
            return sorted(map(self, values), key=orjson.dumps)
        finally:
            self._in_set -= 1

    @staticmethod
    def placed(exc: Exception, value: Any, step: str) -> Refused:
        """The refusal, one step of its path further up."""
        refused = Refused.of(exc, value, REMEDY)
        refused.path.append(step)
        return refused


def is_text(value: Any) -> bool:
    """Whether it is a string, and one that JSON can hold: without lone surrogates."""
    if type(value) is not str:
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def read_blob(revive: Revive, content: Any) -> Any:
    """The memory of a blob: bytes, or a view that is only to be read."""
    if isinstance(content, str):
        return base64.b64decode(content, validate=True)
    ((_, number),) = content.values()
    return revive.raw(number).data
