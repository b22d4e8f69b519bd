"""Bad places: every one is a typed error that says what to do, and what was stored stays."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dash_statemanager.backends.base import BytesPayload, Put
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.backends.sql.database import Database
from dash_statemanager.backends.sql.dialects import dialect_for
from dash_statemanager.errors import BackendError, BackendFormatError, BackendFull, BackendUnavailable, Conflict

SMALL, LARGE = BytesPayload(b"small"), BytesPayload(bytes(300_000))
OPERATIONS = [
    lambda backend: backend.get("a"),
    lambda backend: backend.put("a", LARGE),
    lambda backend: backend.delete("a"),
    lambda backend: backend.touch("a", 1),
    lambda backend: list(backend.scan("")),
    lambda backend: backend.purge(),
    lambda backend: backend.stats(),
    lambda backend: backend.ping(),
]


def assert_all_fail(url: str, error: type[BackendError], *words: str) -> None:
    """Every operation raises the error, caused by the driver's or the system's, and names the remedy."""
    backend = SqlBackend(url)
    for operation in OPERATIONS:
        with pytest.raises(error) as caught:
            operation(backend)
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert caught.value.remedy
    backend.close()


def test_a_missing_folder(tmp_path):
    path = tmp_path / "missing" / "state.db"

    assert_all_fail(f"sqlite:///{path}", BackendUnavailable, str(path), f"Create {path.parent}")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_the_file_should_be(tmp_path):
    assert_all_fail(f"sqlite:///{tmp_path}", BackendUnavailable, str(tmp_path), "it is a folder")


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"Dear diary, " * 500)

    assert_all_fail(
        f"sqlite:///{path}", BackendFormatError, str(path), "is not a SQLite database", "move this one away"
    )

    assert path.read_bytes() == b"Dear diary, " * 500
    assert list(tmp_path.iterdir()) == [path]


def test_the_database_of_another_program(tmp_path):
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE invoices (number INTEGER)")
    other.close()
    before = path.read_bytes()

    assert_all_fail(f"sqlite:///{path}", BackendFormatError, "another program", "'invoices'", "Name another file")

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_database_is_taken(tmp_path):
    path = tmp_path / "state.db"
    path.touch()
    backend = SqlBackend(f"sqlite:///{path}")

    backend.put("a", SMALL)

    assert backend.get("a").payload.nbytes == 5
    backend.close()


@pytest.mark.parametrize("statement", ["UPDATE {} SET version = 99", "DELETE FROM {}"])
def test_a_database_of_a_newer_format(backend, url, tmp_path, statement):
    backend.put("a", SMALL)
    backend.close()
    with sqlite3.connect(tmp_path / "state.db") as newer:
        newer.execute(statement.format("dash_statemanager_schema"))
    newer.close()

    assert_all_fail(url, BackendFormatError, "has format", "Upgrade dash-statemanager")


def test_a_damaged_database(backend, url, tmp_path):
    backend.put_many([Put(f"k/{number}", BytesPayload(os.urandom(20_000))) for number in range(50)])
    backend.close()
    with (tmp_path / "state.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096 * 20))
    damaged = SqlBackend(url)

    with pytest.raises(BackendFormatError, match="damaged"):
        damaged.get("k/1")

    damaged.close()


def test_a_database_that_another_process_locks(backend, url, tmp_path):
    backend.put("a", SMALL)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    impatient = SqlBackend(url + "?timeout=0.1")

    for operation in (lambda: impatient.put("a", LARGE), lambda: impatient.delete("a"), impatient.ping):
        with pytest.raises(BackendUnavailable, match="stayed locked by another process"):
            operation()
    assert impatient.get("a").payload.nbytes == 5

    other.execute("COMMIT")
    impatient.put("a", LARGE)
    assert impatient.get("a").payload.nbytes == 300_000
    other.close()
    impatient.close()


LOCKS = {
    "the next write": ["BEGIN IMMEDIATE"],
    "everything": ["PRAGMA journal_mode = DELETE", "BEGIN EXCLUSIVE"],
}


@pytest.mark.parametrize("statements", LOCKS.values(), ids=LOCKS)
def test_a_ping_takes_two_seconds_at_most(backend, tmp_path, statements):
    backend.put("a", SMALL)
    backend.close()
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    for statement in statements:
        other.execute(statement)

    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match="stayed locked"):
        backend.ping()

    assert time.monotonic() - began < 2
    other.close()
    backend.ping()


def test_a_connection_that_opens_waits_for_who_locks_everything(url, tmp_path):
    """As one that closes last does, which then removes the log."""
    dialect = dialect_for(url)
    engine = dialect.create_engine()
    dialect.prepare(engine, time.monotonic() + 5)
    engine.dispose()
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None, check_same_thread=False)
    for statement in LOCKS["everything"]:
        other.execute(statement)
    closing = threading.Timer(0.2, other.close)
    closing.start()

    connection = engine.raw_connection()

    assert connection.cursor().execute("SELECT count(*) FROM dash_statemanager_entries").fetchone() == (0,)
    closing.join()
    connection.close()
    engine.dispose()


def test_a_database_that_lost_its_tables_while_in_use(backend, url, tmp_path):
    backend.put("a", SMALL)
    with sqlite3.connect(tmp_path / "state.db") as other:
        other.execute("DROP TABLE dash_statemanager_entries")
    other.close()

    with pytest.raises(BackendUnavailable, match=r"lost its tables while in use\. Restart the server"):
        backend.get("a")


def test_the_same_key_inserted_twice_is_a_conflict(url):
    """Where a database can't lock a row that doesn't exist yet, this is how the slower one learns of it."""
    database = Database(dialect_for(url))
    row = {"key": "a", "etag": "1", "expires_at": None, "nbytes": 1, "file": None, "boot": None, "body": b"1"}

    with pytest.raises(Conflict):
        database.write(lambda cursor: database.statements.insert.run_many(cursor, [row, row]))

    database.close()


UNPRIVILEGED = """
if os.geteuid() == 0:
    os.setuid(65534)
for path in sys.argv[1:]:
    backend = SqlBackend("sqlite:///" + path)
    for operation in (lambda: backend.put("a", small), lambda: backend.put("a", large), backend.ping):
        try:
            operation()
        except BackendUnavailable as exc:
            print(exc)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that all users reach."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_files_and_folders_without_permission(run, public):
    """Tried as another user if the tests run as root, whom no permission stops."""
    modes = {"file to read": (0o555, 0o444), "no file": (0o555, 0o000), "no folder": (0o000, 0o600)}
    paths = [public / name / "state.db" for name in modes]
    for path, (folder_mode, file_mode) in zip(paths, modes.values(), strict=True):
        path.parent.mkdir()
        backend = SqlBackend(f"sqlite:///{path}")
        backend.put("a", SMALL)
        backend.close()
        path.chmod(file_mode)
        path.parent.chmod(folder_mode)

    complaints = run(UNPRIVILEGED, *paths).splitlines()

    for path in paths:
        path.parent.chmod(0o755)
    assert len(complaints) == 9
    for complaint, path in zip(complaints, [path for path in paths for _ in range(3)], strict=True):
        assert str(path) in complaint
        assert "write permission" in complaint


# full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; tests that want one are only collected where it may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Takes all room but a little."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    (folder / "ballast").write_bytes(bytes(free - 100_000))


def put_for_ever(backend: SqlBackend, stored: list[str]) -> None:
    while True:
        backend.put(f"k/{len(stored)}", BytesPayload(bytes(5_000)))
        stored.append(f"k/{len(stored)}")


def test_a_full_disk_on_a_small_file_system(small_disk):
    backend = SqlBackend(f"sqlite:///{small_disk / 'state.db'}")
    backend.put("small", SMALL)
    backend.put("large", LARGE)
    fill(small_disk)

    for value in (bytes(200_000), bytes(300_000), bytes(1_000_000)):
        with pytest.raises(BackendFull, match="no room left"):
            backend.put("large", BytesPayload(value))
    stored: list[str] = []
    with pytest.raises(BackendFull):
        put_for_ever(backend, stored)

    assert {entry.payload.nbytes for entry in backend.get_many(stored).values()} <= {5_000}
    assert len(backend.get_many(stored)) == len(stored)
    assert bytes(backend.get("large").payload.buffer) == bytes(300_000)
    assert len([path for path in (small_disk / "state.db-files").iterdir() if path.suffix != ".lock"]) == 1
    (small_disk / "ballast").unlink()
    backend.put("large", BytesPayload(bytes(1_000_000)))
    assert backend.get("large").payload.nbytes == 1_000_000
    backend.close()


def test_a_write_that_the_system_refuses_for_want_of_room(backend, run, url, files):
    """The same by a limit on the size of files, which needs no root."""
    code = """
import resource
backend = SqlBackend(sys.argv[1])
backend.put("a", large)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    backend.put("a", BytesPayload(bytes(5_000_000)))
except BackendFull as exc:
    print(exc)
"""
    assert "no room left" in run(code, url)

    assert backend.get("a").payload.nbytes == 300_000
    assert [path.suffix for path in files.iterdir() if path.suffix != ".lock"] == [".payload"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_before_the_file_is_renamed(backend, files, monkeypatch, code):
    backend.put("a", LARGE)

    def refuse(*_: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(BackendFull):
        backend.put("a", BytesPayload(bytes(400_000)))

    assert backend.get("a").payload.nbytes == 300_000
    assert len([path for path in files.iterdir() if path.suffix != ".lock"]) == 1
