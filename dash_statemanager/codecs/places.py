"""Where in a body the metadata of an Arrow stream lies, and the values of its arrays."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from typing import Any

from .base import Buffer
from .sparse import BLOCK, Fetch, ReadWhole

_PREFIX = struct.Struct("<II")  # a mark, size of the metadata
_MARK = 0xFFFFFFFF
_TEXTS = {"string", "binary", "large_string", "large_binary"}
_VIEWS = {"string_view", "binary_view"}
Places = list[memoryview]


def fetch_metadata(body: Buffer, fetch: Fetch) -> None:
    """Fetches all of an IPC stream but the values. Raises `ReadWhole` where it seems to be none."""
    import pyarrow as pa

    stream, at = memoryview(body), 0
    while at + _PREFIX.size < len(stream):  # no more than that is the end
        fetch([stream[at : at + _PREFIX.size]])
        start = at + _PREFIX.size
        try:
            mark, nbytes = _PREFIX.unpack_from(stream, at)
            if mark != _MARK or not nbytes:
                return
            fetch([stream[start : start + nbytes]])
            message = pa.ipc.read_message(stream[at:])
        except (pa.ArrowException, OSError, ValueError, EOFError, struct.error) as exc:
            raise ReadWhole from exc
        at = start + nbytes + (message.body.size if message.body else 0)


def fetch_values(arrays: Iterable[Any], fetch: Fetch) -> None:
    """Fetches the values of arrays, and of those that are cut out of others nothing else, with few reads.

    Raises:
        ReadWhole: An array is of a type that is not known here, or has impossible places.
    """
    import pyarrow as pa

    try:
        for places in _together(arrays):
            fetch(places)
    except (pa.ArrowException, ValueError, TypeError, IndexError, OverflowError) as exc:
        raise ReadWhole from exc


def _together(arrays: Iterable[Any]) -> Iterator[Places]:
    for places in zip_longest(*map(_places, arrays), fillvalue=()):
        yield [*chain.from_iterable(places)]


def _places(array: Any) -> Iterator[Places]:
    """The places of an array; where some are known only from the values of others, those come first.

    Of lists, structs and the like these are the places of all rows, since all of them are checked.
    """
    import pyarrow as pa
    import pyarrow.types as is_

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _places(array.storage)
    elif is_.is_dictionary(kind):
        yield from _together([array.indices, array.dictionary])
    elif is_.is_nested(kind):
        if "dictionary" in str(kind):
            raise ReadWhole
        yield [memoryview(buffer) for buffer in array.buffers() if buffer]
    elif len(array) and not is_.is_null(kind):
        validity, values, *data = array.buffers()
        missing = _cut(validity, array, 1)
        if str(kind) in _TEXTS:
            yield from _texts(array, missing, values, *data)
        elif str(kind) in _VIEWS:
            yield from _views(array, missing, values, *data)
        else:
            yield [missing, _cut(values, array, kind.bit_width)]


def _texts(array: Any, missing: memoryview, offsets: Any, data: Any) -> Iterator[Places]:
    """The texts of all rows come along with their offsets, those of some rows after them."""
    import numpy as np

    large = str(array.type).startswith("large")
    ends, texts = _cut(offsets, array, 64 if large else 32, more=1), memoryview(data or b"")
    if array.offset == 0 and memoryview(offsets or b"").nbytes - len(ends) < BLOCK:
        yield [missing, ends, texts]
    else:
        yield [missing, ends]
        found = np.frombuffer(ends, "<i8" if large else "<i4")
        yield [texts[max(int(found[0]), 0) : max(int(found[-1]), 0)]]


def _views(array: Any, missing: memoryview, views: Any, *data: Any) -> Iterator[Places]:
    """A text is in its view, or the view tells in which buffer it is, and where."""
    import numpy as np

    mine = _cut(views, array, 128)
    yield [missing, mine]
    table = np.frombuffer(mine, "<i4").reshape(-1, 4).astype("i8")  # length, start of the text, buffer, place
    far = table[table[:, 0] > 12]
    buffers = ((far[far[:, 2] == number], buffer) for number, buffer in enumerate(data))
    yield [
        memoryview(buffer)[max(int(rows[:, 3].min()), 0) : max(int((rows[:, 3] + rows[:, 0]).max()), 0)]
        for rows, buffer in buffers
        if len(rows)
    ]


def _cut(buffer: Any, array: Any, bits: int, more: int = 0) -> memoryview:
    """The rows of an array in a buffer that has so many bits a row; nothing where there is no buffer."""
    first, end = array.offset * bits // 8, -(-(array.offset + len(array) + more) * bits // 8)
    return memoryview(buffer or b"")[first:end]
