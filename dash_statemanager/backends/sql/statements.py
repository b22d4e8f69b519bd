"""Tables and statements, written once with SQLAlchemy and compiled once for the dialect.

The text is then run on the driver's own cursor: a statement that goes through `Connection.execute`
costs three times as much as the statement itself where the database is in the same process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from ..pieces import Piece

__all__ = [
    "SCHEMA_VERSION",
    "ByKeys",
    "Row",
    "Statements",
    "Values",
    "batches",
    "chunks",
    "entries",
    "is_alive",
    "metadata",
    "replaced",
    "schema",
]

SCHEMA_VERSION = 1
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)
BATCH = SIZES[-1]
T = TypeVar("T")

Expire = Callable[[sa.Select[Any]], sa.ClauseElement]
Values = Callable[[sa.Table, Any], Mapping[str, Any]]

_MYSQL = "mysql", "mariadb"


def _ascii(length: int) -> sa.String:
    """A text that every database compares and orders by its bytes."""
    plain = sa.String(length).with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")
    return plain.with_variant(mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), *_MYSQL)


_bytes = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL)
metadata = sa.MetaData()
schema = sa.Table("dash_statemanager_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))
entries = sa.Table(
    "dash_statemanager_entries",
    metadata,
    sa.Column("key", _ascii(200), primary_key=True),
    sa.Column("etag", _ascii(32), nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("nbytes", sa.BigInteger, nullable=False),
    sa.Column("file", sa.String(80)),
    sa.Column("boot", sa.String(40)),
    sa.Column("body", _bytes),
)
chunks = sa.Table(
    "dash_statemanager_chunks",
    metadata,
    sa.Column("key", _ascii(200), primary_key=True),
    sa.Column("etag", _ascii(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", _bytes, nullable=False),
)
_c = entries.c
_k = chunks.c
_some = _c.expires_at.is_not(None)
sa.Index(f"{entries.name}_expires_at", _c.expires_at, sqlite_where=_some, postgresql_where=_some)
for _column in (_c.file, _c.boot):
    sa.Index(f"{entries.name}_{_column.name}", _column, sqlite_where=_column.is_not(None)).ddl_if(dialect="sqlite")


def replaced(table: sa.Table, new: Any) -> Mapping[str, Any]:
    """The values of a row that another takes the place of: for upserts."""
    return {column.name: new[column.name] for column in table.c if not column.primary_key}


class Row(NamedTuple):
    """A row of `entries`; `body` is None where only the rest was asked for.

    Attributes:
        file: Name of the file that holds the payload, where it is not in `body`. With neither it is in `chunks`.
        boot: The run of the machine in which that file was written, until it is safe on the disk.
    """

    key: str
    etag: str
    expires_at: float | None
    nbytes: int
    file: str | None
    boot: str | None
    body: bytes | None

    def is_live(self, now: float, boot_id: str | None) -> bool:
        """Whether it has not expired, and no power cut came between its file and the disk."""
        return (self.expires_at is None or self.expires_at > now) and self.boot in (None, boot_id)


class Statement:
    """One compiled statement.

    Args:
        clause: What to compile; its parameters have names.
        dialect: For which database.
        columns: The columns that an insert sets.
    """

    def __init__(self, clause: sa.ClauseElement, dialect: sa.Dialect, columns: Sequence[str] | None = None) -> None:
        compiled: Any = clause.compile(dialect=dialect, column_keys=columns)
        self._sql = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, cursor: Any, **params: Any) -> Any:
        """Executes it and returns the cursor."""
        cursor.execute(self._sql, self._bind(params))
        return cursor

    def run_many(self, cursor: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        """Executes it for every row; nothing where there is none."""
        bound = [self._bind(row) for row in rows]
        if bound:
            cursor.executemany(self._sql, bound)

    def _bind(self, params: Mapping[str, Any]) -> Any:
        values = {**self._constants, **params}
        return values if self._order is None else [values[name] for name in self._order]


class ByKeys:
    """A statement with a list of keys, compiled for a few lengths of that list.

    Args:
        make: Makes the clause from a condition on the key.
        dialect: For which database.
    """

    def __init__(self, make: Callable[[Any], sa.ClauseElement], dialect: sa.Dialect, column: Any = _c.key) -> None:
        self._make = make
        self._dialect = dialect
        self._column = column
        self._sized = lru_cache(self._compile)

    def run(self, cursor: Any, keys: Sequence[str]) -> Any:
        """Executes it for up to `BATCH` keys, at least one, and returns the cursor."""
        size = next(size for size in SIZES if size >= len(keys))
        padded = [*keys, *[keys[-1]] * (size - len(keys))]
        return self._sized(size).run(cursor, **{f"key_{i}": key for i, key in enumerate(padded)})

    def _compile(self, size: int) -> Statement:
        names = [sa.bindparam(f"key_{i}", type_=sa.String) for i in range(size)]
        return Statement(self._make(self._column.in_(names)), self._dialect)


class Slices:
    """A statement that reads pieces of a payload, compiled for a few numbers of them.

    Args:
        table: `entries` or `chunks`.
        dialect: For which database.
    """

    def __init__(self, table: sa.Table, dialect: sa.Dialect) -> None:
        self._table = table
        self._dialect = dialect
        self._sized = lru_cache(self._compile)

    def run(self, cursor: Any, key: str, etag: str, pieces: Sequence[Piece]) -> Any:
        """Executes it for up to `BATCH` pieces; a row has the place of its piece among them, and the bytes."""
        size = next(size for size in SIZES if size >= len(pieces))
        padded = [*pieces, *[Piece(0, 0, 0)] * (size - len(pieces))]
        numbered = {
            f"{name}_{i}": value
            for i, piece in enumerate(padded)
            for name, value in (("at", piece.number), ("start", piece.start + 1), ("nbytes", piece.nbytes))
        }
        return self._sized(size).run(cursor, of_key=key, of_etag=etag, **numbered)

    def _compile(self, size: int) -> Statement:
        return Statement(sa.union_all(*map(self._one, range(size))), self._dialect)

    def _one(self, i: int) -> sa.Select[Any]:
        start, nbytes, at = (sa.bindparam(f"{name}_{i}", type_=sa.Integer) for name in ("start", "nbytes", "at"))
        of = self._table.c
        found = sa.select(sa.literal_column(str(i)), sa.func.substr(of.body, start, nbytes))
        found = found.where(of.key == sa.bindparam("of_key"), of.etag == sa.bindparam("of_etag"))
        return found.where(of.number == at) if "number" in of else found.where(at == 0)


class Statements:
    """All statements of the backend. Names say what they do; parameters are those of the columns.

    Args:
        dialect: SQLAlchemy's dialect.
        upsert: The dialect's way to insert or replace.
        expire: The dialect's way to delete at once what is selected, where it has one.
    """

    def __init__(self, dialect: sa.Dialect, upsert: sa.Insert, expire: Expire | None) -> None:
        now: Any = sa.bindparam("now", type_=sa.Double)
        limit = sa.literal(BATCH)
        heads = sa.select(*[column for column in _c if column is not _c.body], sa.null().label("body"))
        alive = is_alive()
        same = (_c.key == sa.bindparam("same_key")) & (_c.etag == sa.bindparam("same_etag"))
        prefixed = (_c.key >= sa.bindparam("prefix")) & (_c.key < sa.bindparam("until"))
        names = [column.name for column in _c]
        whole = sa.exists().where(_c.key == _k.key, _c.etag == _k.etag).correlate(chunks)
        counts = sa.func.count(), sa.func.coalesce(sa.func.sum(_c.nbytes), 0), sa.func.count(_c.file)

        def one(clause: sa.ClauseElement, columns: Sequence[str] | None = None) -> Statement:
            return Statement(clause, dialect, columns)

        self.get = ByKeys(lambda keys: sa.select(*_c).where(keys), dialect)
        self.look_up = ByKeys(lambda keys: heads.where(keys), dialect)
        first = sa.select(sa.func.length(_k.body)).where(_k.key == _c.key, _k.etag == _c.etag, _k.number == 0)
        measured = heads.add_columns(first.scalar_subquery())
        self.measure = one(measured.where(_c.key == sa.bindparam("of_key")))
        self.slices, self.chunk_slices = Slices(entries, dialect), Slices(chunks, dialect)
        self.lock = ByKeys(lambda keys: heads.where(keys).with_for_update(), dialect)
        self.lock_whole = ByKeys(lambda keys: sa.select(*_c).where(keys).with_for_update(), dialect)
        self.delete = ByKeys(lambda keys: sa.delete(entries).where(keys), dialect)
        self.files = ByKeys(lambda files: sa.select(_c.file).where(files), dialect, _c.file)
        self.stale_chunks = ByKeys(lambda keys: sa.delete(chunks).where(keys, ~whole), dialect, _k.key)
        self.insert = one(sa.insert(entries), names)
        self.upsert = one(upsert, names)
        self.chunked = one(
            sa.select(_k.key).distinct().where(_k.key > sa.bindparam("after")).order_by(_k.key).limit(limit)
        )
        self.insert_chunk = one(sa.insert(chunks), [column.name for column in _k])
        self.chunk = one(
            sa.select(_k.body).where(
                _k.key == sa.bindparam("of_key"), _k.etag == sa.bindparam("of_etag"), _k.number == sa.bindparam("at")
            )
        )
        self.delete_same = one(sa.delete(entries).where(same))
        self.settle = one(sa.update(entries).where(same).values(boot=sa.null()))
        until: Any = sa.bindparam("until", type_=sa.Double)
        lasts = _c.expires_at.is_(None) | (_c.expires_at >= until)
        later = sa.case((lasts, _c.expires_at), else_=until)
        self.touch = one(sa.update(entries).where(_c.key == sa.bindparam("same_key"), alive).values(expires_at=later))
        self.page = one(heads.where(prefixed, _c.key > sa.bindparam("after"), alive).order_by(_c.key).limit(limit))
        few: Any = sa.bindparam("few", type_=sa.Integer)
        since: Any = sa.bindparam("since", type_=sa.Double)
        expired = sa.select(_c.key, _c.body.is_(None), _c.expires_at, _c.file)
        expired = expired.where(_c.expires_at >= since, _c.expires_at <= now).order_by(_c.expires_at).limit(few)
        expired = expired.with_for_update(skip_locked=True)
        self.expired = one(expired)
        self.expire = None if expire is None else one(expire(expired))
        self.unsettled = one(heads.where(_c.boot.is_not(None)))
        self.counts = one(sa.select(*counts).where(alive))


def is_alive() -> sa.ColumnElement[bool]:
    """The condition that an entry has not expired and is whole; its parameters are `now` and `boot_id`."""
    now: Any = sa.bindparam("now", type_=sa.Double)
    boot: Any = sa.bindparam("boot_id", type_=sa.String)
    return sa.or_(_c.expires_at.is_(None), _c.expires_at > now) & sa.or_(_c.boot.is_(None), _c.boot == boot)


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists of up to `BATCH` items."""
    source = iter(items)
    while batch := list(islice(source, BATCH)):
        yield batch
