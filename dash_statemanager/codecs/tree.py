"""Values that hold, at any depth, parts which keep their type: a JSON skeleton, and the parts beside it.

In the skeleton such a part is a node: `{marker: [kind, ...]}`. The marker is a key that occurs nowhere else
in the skeleton. Large parts (frames, arrays, bytes) are frozen by their own codecs and only numbered in it.

    body = lengths of manifest and skeleton, manifest, skeleton, then the bodies of the parts, each at a multiple of 64
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, ClassVar

import orjson

from ..errors import CodecError, CorruptPayload
from .base import Buffer, Codec, Frozen
from .compression import length
from .json import JSON, WIDE, loads

ALIGNMENT = 64
FIRST_MARKER = "__dsm__"
_LENGTHS = struct.Struct("<QQ")

Node = dict[str, Any]
Reader = Callable[..., Any]


class Marks:
    """The nodes and parts of one skeleton.

    Args:
        marker: The key of all nodes.

    Attributes:
        parts: The frozen parts, in the order of their numbers.
        deterministic: Whether equal values would have equal skeletons and parts.
    """

    def __init__(self, marker: str) -> None:
        self.marker = marker
        self.parts: list[Frozen] = []
        self.deterministic = True
        self._count = 0

    def node(self, kind: str, *content: Any) -> Node:
        """A node of the skeleton."""
        self._count += 1
        return {self.marker: [kind, *content]}

    def part(self, frozen: Frozen) -> Node:
        """The node of a part that has a body of its own."""
        self.parts.append(frozen)
        self.deterministic &= frozen.deterministic
        return self.node("part", len(self.parts) - 1)

    def __len__(self) -> int:
        return self._count


@dataclass(frozen=True)
class Skeleton:
    """A written skeleton: its JSON, whether only Python's json reads it, and its marks."""

    text: bytes
    wide: bool
    marks: Marks

    def is_clear(self) -> bool:
        """Whether the marker is surely only where a node is: nothing that the user wrote can be taken for one."""
        return not self.marks or self.text.count(self.marks.marker.encode()) == len(self.marks)


Attempt = Callable[[Any, str], Skeleton]
"""Writes the skeleton of a value with this marker. Raises `CodecError`."""


def write(value: Any, attempt: Attempt) -> Skeleton:
    """Writes a skeleton; again with another marker where the user's own data may have the first.

    The second marker is a digest of a text that has the user's data in it, so that the data can't have it too.
    """
    skeleton = attempt(value, FIRST_MARKER)
    return skeleton if skeleton.is_clear() else attempt(value, sha256(skeleton.text).hexdigest())


@dataclass(frozen=True)
class TreeData:
    """A skeleton and its parts; `spare` has what it was read to, until the first receiver takes that."""

    text: Buffer
    wide: bool
    marker: str
    parts: tuple[Frozen, ...]
    spare: list[Any] = field(default_factory=list, compare=False)


class Revive:
    """Makes values of the nodes of a skeleton that was just parsed, which it uses up.

    Args:
        data: The frozen tree.
        readers: For each kind of node, what makes a value of its content: `reader(revive, *content)`.
    """

    def __init__(self, data: TreeData, readers: Mapping[str, Reader]) -> None:
        self._marker = data.marker
        self._parts = data.parts
        self._readers = readers

    def __call__(self, node: Any) -> Any:
        kind = type(node)
        if kind is list:
            node[:] = map(self, node)
        elif kind is dict:
            if self._marker in node:
                return self._marked(*node[self._marker])
            for key, item in node.items():
                node[key] = self(item)
        return node

    def _marked(self, kind: str, *content: Any) -> Any:
        return self._readers[kind](self, *content)

    def part(self, number: int) -> Any:
        """A part, for its receiver to change."""
        return self._parts[number].thaw()

    def raw(self, number: int) -> Frozen:
        """A part as it is frozen."""
        return self._parts[number]


class TreeCodec(Codec):
    """Skeletons with their parts.

    Args:
        attempt: Writes skeletons, by the rules of one `types`.
        codecs: The codecs of parts, by tag.
        readers: For each kind of node, what reads it.
    """

    name: ClassVar[str] = "tree"
    tag: ClassVar[int] = 4
    compressible: ClassVar[bool] = False

    def __init__(
        self, attempt: Attempt, codecs: Callable[[int], Codec], readers: Callable[[], Mapping[str, Reader]]
    ) -> None:
        self._attempt = attempt
        self._codecs = codecs
        self._readers = readers

    def can_encode(self, value: Any) -> bool:
        """True: what can't be kept shows only on the way through the value."""
        return True

    def freeze(self, value: Any) -> Frozen:
        """A snapshot: plain JSON where no part keeps its type, else a tree."""
        skeleton = write(value, self._attempt)
        marks = skeleton.marks
        if not marks:
            return (WIDE if skeleton.wide else JSON).wrap(skeleton.text, value)
        data = TreeData(skeleton.text, skeleton.wide, marks.marker, tuple(marks.parts))
        return self._frozen(data, value, marks.deterministic)

    def _frozen(self, data: TreeData, value: Any, deterministic: bool) -> Frozen:
        nbytes = memoryview(data.text).nbytes + sum(part.nbytes for part in data.parts)
        overhead = sum(part.overhead for part in data.parts)
        return Frozen(self, data, nbytes, summary(value), deterministic=deterministic, overhead=overhead)

    def encode(self, data: TreeData) -> Sequence[Buffer]:
        """The body; the pieces of the parts are passed on as their codecs made them."""
        bodies = [part.codec.encode(part.data) for part in data.parts]
        parts = [[part.codec.tag, length(body)] for part, body in zip(data.parts, bodies, strict=True)]
        manifest = orjson.dumps({"marker": data.marker, "wide": data.wide, "parts": parts})
        lengths = _LENGTHS.pack(len(manifest), memoryview(data.text).nbytes)
        return list(aligned([[lengths, manifest, data.text], *bodies]))

    def decode(self, body: Buffer) -> Frozen:
        """Reads at once, so that what is corrupt is found here; the first `thaw` hands that out."""
        try:
            data = self._parse(memoryview(body))
            value = self._revive(data)
        except CodecError:
            raise
        except Exception as exc:
            raise CorruptPayload(f"the body is not a tree ({type(exc).__name__}: {exc})") from exc
        data.spare.append(value)
        return self._frozen(data, value, all(part.deterministic for part in data.parts))

    def _parse(self, body: memoryview) -> TreeData:
        manifest_length, text_length = _LENGTHS.unpack_from(body)
        start = _LENGTHS.size + manifest_length
        end = start + text_length
        manifest = orjson.loads(body[_LENGTHS.size : start])
        parts = tuple(self._parts(body, end, manifest["parts"]))
        return TreeData(body[start:end], bool(manifest["wide"]), str(manifest["marker"]), parts)

    def _parts(self, body: memoryview, position: int, listed: Sequence[Sequence[int]]) -> Iterator[Frozen]:
        for tag, nbytes in listed:
            position += -position % ALIGNMENT
            if not 0 <= position <= position + nbytes <= len(body):
                raise CorruptPayload("a part of the body is missing")
            yield self._codecs(tag).decode(body[position : position + nbytes])
            position += nbytes

    def thaw(self, data: TreeData) -> Any:
        """A value of the receiver's own, with parts of its own."""
        try:
            return data.spare.pop()
        except IndexError:
            return self._revive(data)

    def _revive(self, data: TreeData) -> Any:
        return Revive(data, self._readers())(loads(data.text, data.wide))


def aligned(bodies: Sequence[Sequence[Buffer]]) -> Iterator[Buffer]:
    """The pieces of all bodies, with padding so that each body starts at a multiple of 64."""
    position = 0
    for body in bodies:
        padding = -position % ALIGNMENT
        if padding:
            yield bytes(padding)
        yield from body
        position += padding + length(body)


def summary(value: Any) -> dict[str, Any]:
    """For people: the type of a value, and its length where it has one."""
    described: dict[str, Any] = {"type": type(value).__name__}
    if isinstance(value, (dict, list, tuple, str, set, frozenset, bytes, bytearray)):
        described["length"] = len(value)
    return described
