"""Small changes in one statement, which is a transaction by itself: one round trip, and others wait for no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ..base import ABSENT, ANY, Buffer, Put
from .statements import Statement, chunks, entries, is_alive

__all__ = ["SmallChanges"]

PUTS, DELETES = 40, 16
"""Most of one statement."""
NBYTES = 16 << 10
"""Most bytes of a payload in it."""
_c = entries.c
_TYPES: Mapping[str, Any] = {
    "key": sa.Text(),
    "etag": sa.Text(),
    "expires_at": sa.Double(),
    "nbytes": sa.BigInteger(),
    "file": sa.Text(),
    "boot": sa.Text(),
    "body": sa.LargeBinary(),
}


class SmallChanges:
    """Statements that put and delete only if all that is expected holds.

    Args:
        dialect: SQLAlchemy's dialect.
        upsert: The dialect's way to insert or replace.
        server: Whether the database is a server, which deletes in the same statement; else payloads may be files.
    """

    def __init__(self, dialect: sa.Dialect, upsert: sa.Insert, *, server: bool) -> None:
        self._dialect, self._upsert, self._server = dialect, upsert, server
        self._shaped = lru_cache(64)(self._compile)

    def take(self, puts: Sequence[Put], parts: Iterable[Sequence[Buffer]], delete: Sequence[str]) -> bool:
        """Whether such a change can be one statement: what must be absent needs a lock."""
        keys = {put.key for put in puts} | {*delete}
        return (
            0 < len(puts) <= PUTS
            and len(delete) <= (DELETES if self._server else 0)
            and len(keys) == len(puts) + len(delete)
            and all(put.expect is not ABSENT for put in puts)
            and all(sum(memoryview(part).nbytes for part in pieces) <= NBYTES for pieces in parts)
        )

    def run(
        self,
        cursor: Any,
        puts: Sequence[Put],
        rows: Sequence[Mapping[str, Any]],
        delete: Sequence[str],
        now: float,
        boot_id: str | None,
    ) -> bool:
        """Does it, and says whether all was as expected; else nothing was done.

        It may be repeated where the answer was lost: what was put is then as expected, too.
        """
        params: dict[str, Any] = {"now": now, "boot_id": boot_id}
        for number, (put, row) in enumerate(zip(puts, rows, strict=True)):
            params |= {f"{name}_{number}": value for name, value in row.items()}
            if put.expect is not ANY:
                params[f"same_{number}"] = put.expect
        params |= {f"gone_{number}": key for number, key in enumerate(delete)}
        statement = self._shaped(tuple(put.expect is not ANY for put in puts), len(delete))
        return int(statement.run(cursor, **params).rowcount) == len(puts)

    def _compile(self, expected: tuple[bool, ...], deletes: int) -> Statement:
        keys = [_text(f"key_{number}") for number in range(len(expected))]
        gone = [_text(f"gone_{number}") for number in range(deletes)]
        same = [
            (_c.key == key) & _c.etag.in_([_text(f"same_{number}"), _text(f"etag_{number}")])
            for number, key in enumerate(keys)
            if expected[number]
        ]
        holds: sa.ColumnElement[bool] = sa.true()
        if same:
            found = sa.select(_c.key).where(sa.or_(*same), is_alive()).with_for_update()
            held = found.cte("held") if self._server else found.subquery()  # sqlite3 counts no rows after a WITH
            holds = sa.select(sa.func.count()).select_from(held).scalar_subquery() == len(same)
        if not self._server:
            holds &= ~sa.exists().where(_c.key.in_(keys), _c.file.is_not(None))
        data = sa.union_all(*map(_row, range(len(expected)))).subquery("data")
        change = self._upsert.from_select(list(_TYPES), sa.select(data).where(holds))
        if self._server:
            change = change.add_cte(sa.delete(chunks).where(chunks.c.key.in_([*keys, *gone]), holds).cte("stale"))
            if gone:
                change = change.add_cte(sa.delete(entries).where(_c.key.in_(gone), holds).cte("gone"))
        return Statement(change, self._dialect)


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text())


def _row(number: int) -> sa.Select[Any]:
    columns = (sa.cast(sa.bindparam(f"{name}_{number}", type_=kind), kind) for name, kind in _TYPES.items())
    return sa.select(*(column.label(name) for name, column in zip(_TYPES, columns, strict=True)))
