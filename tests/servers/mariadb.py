"""MariaDB, as the system has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pymysql

from .base import Server

PASSWORD = "let-me-in"
SETTINGS = {
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "64M",
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-flush-method": "nosync",
    "max-connections": "60",
    "max-allowed-packet": "16M",
    "bind-address": "127.0.0.1",
}
BLOBS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'state' AND data_type = 'longblob'
"""
FULL = """
CREATE TRIGGER state.full_{table} BEFORE INSERT ON state.{table} FOR EACH ROW
IF LENGTH(NEW.{column}) > 500000 THEN
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table ''{table}'' is full';
END IF
"""


class MariaDB(Server):
    """A MariaDB server with a database `state` for an unprivileged account of that name.

    Attributes:
        socket: Its Unix socket.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._home = Path(tempfile.mkdtemp(prefix="my"))
        weakref.finalize(self, shutil.rmtree, self._home, True)
        self._data = self._home / "data"
        self.socket = self._home / "s"

    def command(self) -> Sequence[str]:
        if not self._data.exists():
            self._create()
        return [_find("mariadbd", "mysqld"), *self._options()]

    def ready(self) -> bool:
        with self.administer() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS state")
            cursor.execute(f"CREATE USER IF NOT EXISTS state@'%' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute("GRANT ALL ON state.* TO state@'%'")
        return True

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        where = f"state:{password or PASSWORD}@127.0.0.1:{port or self.port}/state"
        return {"backend": "database", "database_url": f"mysql+pymysql://{where}"}

    def administer(self) -> pymysql.Connection[Any]:
        """A connection of the administrator's."""
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)

    def set_read_only(self, on: bool) -> None:
        with self.administer() as connection, connection.cursor() as cursor:
            cursor.execute(f"SET GLOBAL read_only = {int(on)}")

    def set_full(self, on: bool) -> None:
        """Has the server answer as it does when a table is full, for all tables that there are.

        By triggers: a MariaDB that really has no room left aborts while it takes a large value back.
        """
        with self.administer() as connection, connection.cursor() as cursor:
            cursor.execute(BLOBS)
            for table, column in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER IF EXISTS state.full_{table}")
                if on:
                    cursor.execute(FULL.format(table=table, column=column))

    def _options(self) -> list[str]:
        settings = {**SETTINGS, "datadir": self._data, "socket": self.socket, "port": self.port}
        user = ["--user=root"] if os.geteuid() == 0 else []
        return ["--no-defaults", *user, *(f"--{name}={value}" for name, value in settings.items())]

    def _create(self) -> None:
        program = _find("mariadb-install-db", "mysql_install_db")
        options = "--auth-root-authentication-method=normal", "--skip-test-db"
        subprocess.run([program, *self._options(), *options], check=True, stdout=subprocess.DEVNULL)


def _find(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise FileNotFoundError(f"{names[0]} is not installed: apt-get install mariadb-server")
    return found
