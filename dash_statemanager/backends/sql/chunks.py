"""Large payloads in pieces, which travel one by one: neither side holds much more than the payload itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import CorruptPayload
from ..base import Buffer, Range, Room
from ..pieces import by_range, cut, grouped, split
from .change import Change
from .database import Database
from .statements import Row, batches

__all__ = ["read", "read_ranges", "write"]

AT_ONCE = 16
"""Pieces that one statement reads."""


def write(database: Database, cursor: Any, change: Change) -> None:
    """Writes the chunks of a change and deletes those that it leaves behind.

    To be called after its rows were written, in the same transaction: whoever has the row of a key has its chunks.

    Args:
        database: Where.
        cursor: In the transaction.
        change: Whose rows are written.
    """
    sql = database.statements
    for key, (etag, parts) in change.large.items():
        for number, body in enumerate(split(parts, database.dialect.chunk)):
            sql.insert_chunk.run(cursor, key=key, etag=etag, number=number, body=body)
    touched = [*(row["key"] for row in change.upserts), *change.deletes]
    for batch in batches(touched):
        sql.stale_chunks.run(cursor, batch)


def read(database: Database, row: Row, make_room: Callable[[int], Room]) -> Buffer:
    """The payload of a row, read-only, in a room of its size.

    Raises:
        FileNotFoundError: Chunks of it are gone: the row was replaced or deleted meanwhile.
        CorruptPayload: There are more bytes than the row says.
    """
    room = make_room(row.nbytes)
    filled = number = 0
    while filled < row.nbytes:
        found = database.fetch(database.statements.chunk.run, of_key=row.key, of_etag=row.etag, at=number)
        if not found:
            raise FileNotFoundError(row.key)
        body = found[0][0]
        if filled + len(body) > row.nbytes:
            raise CorruptPayload(f"the chunks of {row.key!r} have more than {row.nbytes} bytes")
        room.put(filled, body)
        filled += len(body)
        number += 1
    return room.whole()


def read_ranges(database: Database, row: Row, chunk: int | None, ranges: Sequence[Range]) -> Sequence[Buffer]:
    """Some bytes of the payload of a row, read-only.

    Args:
        database: Where.
        row: The row.
        chunk: Size of its chunks; None where it has none.
        ranges: Which bytes.

    Raises:
        FileNotFoundError: They are gone: the row was replaced or deleted meanwhile.
    """
    statement = database.statements.chunk_slices if chunk else database.statements.slices
    size = chunk or max(1, row.nbytes)
    found: list[Buffer] = []
    for batch in grouped(cut(ranges, row.nbytes, size), AT_ONCE, database.dialect.chunk):
        bodies: dict[int, Buffer] = dict(map(tuple, database.fetch(statement.run, row.key, row.etag, batch)))
        if any(len(bodies.get(place) or b"") != piece.nbytes for place, piece in enumerate(batch)):
            raise FileNotFoundError(row.key)
        found += [bodies[place] for place in range(len(batch))]
    return by_range(found, ranges, row.nbytes, size)
