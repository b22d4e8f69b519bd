"""Small changes in one statement, which is a transaction by itself: one round trip, and others wait for no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import sqlalchemy as sa

from ..base import ABSENT, ANY, Buffer, Put, size_of
from .statements import Statement, Values, chunks, entries, is_alive, replaced

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


_REPLACED, _EXPECTED, _EXTENDED = "replaced", "replaced if it is what is expected", "extended if there is room"
"""What becomes of a row that is there."""


class SmallChanges:
    """Statements that put, append and delete only if all that is expected holds.

    Args:
        dialect: SQLAlchemy's dialect.
        upsert: The dialect's way to insert or change.
        server: Whether the database is a server, which deletes in the same statement; else payloads may be files.
    """

    def __init__(self, dialect: sa.Dialect, upsert: Callable[[sa.Table, Values], sa.Insert], *, server: bool) -> None:
        self._dialect, self._upsert, self._server = dialect, upsert, server
        self._shaped = lru_cache(64)(self._compile)

    def take(self, puts: Sequence[Put], parts: Iterable[Sequence[Buffer]], delete: Sequence[str]) -> bool:
        """Whether such a change can be one statement: what must be absent needs a lock."""
        keys = {put.key for put in puts} | {*delete}
        sizes = [*map(size_of, parts)]
        appends = {(put.append, nbytes) for put, nbytes in zip(puts, sizes, strict=True) if put.append}
        return (
            0 < len(puts) <= PUTS
            and len(delete) <= (DELETES if self._server else 0)
            and len(keys) == len(puts) + len(delete)
            and max(sizes) <= NBYTES
            and ABSENT not in [put.expect for put in puts]
            and len(appends) <= 1
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

        It may be repeated where the answer was lost: what was put is then as expected, too; an append is there twice.
        """
        params: dict[str, Any] = {"now": now, "boot_id": boot_id}
        append = None
        for number, (put, row) in enumerate(zip(puts, rows, strict=True)):
            params |= {f"{name}_{number}": value for name, value in row.items()}
            if put.expect is not ANY:
                params[f"same_{number}"] = put.expect
            if put.append:
                append, params["room"] = put.append, put.append.most + put.append.start - row["nbytes"]
        params |= {f"gone_{number}": key for number, key in enumerate(delete)}
        extension = (append.start, append.renew) if append else None
        statement = self._shaped(tuple(map(_kind, puts)), extension, len(delete))
        return int(statement.run(cursor, **params).rowcount) == len(puts)

    def _compile(self, kinds: tuple[str, ...], extension: tuple[int, bool] | None, deletes: int) -> Statement:
        keys = [_text(f"key_{number}") for number in range(len(kinds))]
        gone = [_text(f"gone_{number}") for number in range(deletes)]
        same = [
            (_c.key == key) & _c.etag.in_([_text(f"same_{number}"), _text(f"etag_{number}")])
            for number, key in enumerate(keys)
            if kinds[number] is _EXPECTED
        ]
        extended = [key for key, kind in zip(keys, kinds, strict=True) if kind is _EXTENDED]
        holds: sa.ColumnElement[bool] = sa.true()
        if same:
            held = self._locked(_c.key, sa.or_(*same), "held")
            holds = sa.select(sa.func.count()).select_from(held).scalar_subquery() == len(same)
        if extended:
            too_long = _c.body.is_(None) | (_c.nbytes > sa.bindparam("room", type_=sa.Integer))
            lengths = self._locked(too_long.label("too_long"), _c.key.in_(extended), "lengths")
            holds &= ~sa.exists().where(lengths.c.too_long)
        if not self._server:
            holds &= ~sa.exists().where(_c.key.in_(keys), _c.file.is_not(None))
        data = sa.union_all(*map(_row, range(len(kinds)))).subquery("data")
        upsert = self._upsert(entries, partial(_extended, extended, *extension) if extension else replaced)
        change = upsert.from_select(list(_TYPES), sa.select(data).where(holds))
        if self._server:
            whole = [key for key, kind in zip(keys, kinds, strict=True) if kind is not _EXTENDED]
            if whole or gone:
                change = change.add_cte(sa.delete(chunks).where(chunks.c.key.in_([*whole, *gone]), holds).cte("stale"))
            if gone:
                change = change.add_cte(sa.delete(entries).where(_c.key.in_(gone), holds).cte("gone"))
        return Statement(change, self._dialect)

    def _locked(self, what: sa.ColumnElement[Any], which: sa.ColumnElement[bool], name: str) -> Any:
        """Of entries that are there, as they are when the statement has locked them."""
        found = sa.select(what).where(which, is_alive()).with_for_update()
        return found.cte(name) if self._server else found.subquery(name)  # sqlite3 counts no rows after a WITH


def _kind(put: Put) -> str:
    if put.append:
        return _EXTENDED
    return _REPLACED if put.expect is ANY else _EXPECTED


def _extended(keys: Sequence[Any], start_bytes: int, renew: bool, table: sa.Table, new: Any) -> Mapping[str, Any]:
    """The values of a row that is there: those of some keys are extended, the others replaced."""
    start: Any = sa.literal_column(str(start_bytes))
    first: Any = sa.literal_column("1")
    rest: Any = sa.literal_column(str(start_bytes + 1))
    body = _part(new.body if renew else _c.body, first, start).op("||")(_part(_c.body, rest))
    body = body.op("||")(_part(new.body, rest))
    extends = new.key.in_(keys) & is_alive()
    earlier = new.key.not_in(keys) | (_c.expires_at < new.expires_at)
    return {
        **replaced(table, new),
        "body": sa.case((extends, sa.cast(body, sa.LargeBinary)), else_=new.body),
        "nbytes": sa.case((extends, _c.nbytes + new.nbytes - start), else_=new.nbytes),
        "expires_at": sa.case((earlier, new.expires_at), (new.expires_at.is_(None), sa.null()), else_=_c.expires_at),
    }


def _part(body: Any, *where: sa.ColumnElement[Any]) -> Any:
    return sa.func.substr(body, *where, type_=sa.LargeBinary)


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text())


def _row(number: int) -> sa.Select[Any]:
    columns = (sa.cast(sa.bindparam(f"{name}_{number}", type_=kind), kind) for name, kind in _TYPES.items())
    return sa.select(*(column.label(name) for name, column in zip(_TYPES, columns, strict=True)))
