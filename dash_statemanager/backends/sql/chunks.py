"""Large payloads in pieces, which travel one by one: neither side holds much more than the payload itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import CorruptPayload
from ..base import Buffer
from .change import Change
from .database import Database
from .statements import Row, batches

__all__ = ["read", "write"]


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


def read(database: Database, row: Row) -> Buffer:
    """The payload of a row, read-only.

    Raises:
        FileNotFoundError: Chunks of it are gone: the row was replaced or deleted meanwhile.
        CorruptPayload: There are more bytes than the row says.
    """
    whole = memoryview(bytearray(row.nbytes))
    filled = number = 0
    while filled < row.nbytes:
        found = _read_one(database, {"of_key": row.key, "of_etag": row.etag, "at": number})
        if not found:
            raise FileNotFoundError(row.key)
        body = found[0][0]
        if filled + len(body) > row.nbytes:
            raise CorruptPayload(f"the chunks of {row.key!r} have more than {row.nbytes} bytes")
        whole[filled : filled + len(body)] = body
        filled += len(body)
        number += 1
    return whole.toreadonly()


def split(parts: Sequence[Buffer], size: int) -> Iterator[Buffer]:
    """The bytes of all parts in pieces of `size` bytes; copied only where a piece is of several parts."""
    pieces: list[memoryview] = []
    room = size
    for part in parts:
        view = memoryview(part).cast("B")
        while view.nbytes:
            pieces.append(view[:room])
            room -= pieces[-1].nbytes
            view = view[pieces[-1].nbytes :]
            if not room:
                yield _join(pieces)
                pieces, room = [], size
    if pieces:
        yield _join(pieces)


def _read_one(database: Database, place: Mapping[str, Any]) -> Sequence[Any]:
    rows: Sequence[Any] = database.read(lambda cursor: database.statements.chunk.run(cursor, **place).fetchall())
    return rows


def _join(pieces: Sequence[memoryview]) -> Buffer:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
