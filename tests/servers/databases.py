"""A database of this process's own on PostgreSQL and on MariaDB, dropped at its end.

On the server of STATE_TEST_POSTGRESQL_URL or STATE_TEST_MARIADB_URL, else on one of this machine that lets an
administrator in without a password, else on one that is started for it.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import uuid
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

POSTGRESQL = os.environ.get("STATE_TEST_POSTGRESQL_URL")
MARIADB = os.environ.get("STATE_TEST_MARIADB_URL")
NAME = f"state_test_{uuid.uuid4().hex[:12]}"


@cache
def postgresql() -> str:
    """The URL of a database on PostgreSQL."""
    how = "WITH (FORCE)"
    if POSTGRESQL:
        return _create(POSTGRESQL, how)
    try:
        return _create("postgresql+psycopg://postgres@127.0.0.1:5432/postgres", how)
    except sa.exc.OperationalError:
        return _create(_started(PostgreSQL, "postgres:let-me-in"), how)


@cache
def mariadb() -> str:
    """The URL of a database on MariaDB or MySQL."""
    if MARIADB:
        return _create(MARIADB)
    try:
        return _create("mysql+pymysql://root@127.0.0.1:3306/mysql")
    except sa.exc.OperationalError:
        return _create(_started(MariaDB, "root:"))


def empty(url: str) -> None:
    """Deletes all rows of a database."""
    with _engine(url).begin() as connection:
        for table in sa.inspect(connection).get_table_names():
            if not table.endswith("_schema"):
                connection.exec_driver_sql(f"DELETE FROM {table}")


@cache
def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, pool_pre_ping=True)
    atexit.register(engine.dispose)
    return engine


def _create(url: str, how_to_drop: str = "") -> str:
    administrator = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def drop() -> None:
        with administrator.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {NAME} {how_to_drop}")

    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {NAME}")
    atexit.register(drop)
    return sa.make_url(url).set(database=NAME).render_as_string(hide_password=False)


def _started(kind: type[PostgreSQL] | type[MariaDB], who: str) -> str:
    server = kind(Path(tempfile.mkdtemp()))
    server.start()
    atexit.register(server.stop)
    url = sa.make_url(str(server.settings()["database_url"]))
    user, _, password = who.partition(":")
    return url.set(username=user, password=password or None, database="").render_as_string(hide_password=False)
