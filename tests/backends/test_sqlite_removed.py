"""What is acknowledged is where others find it, even after somebody removed or replaced the database file."""

import shutil
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from dash_statemanager.backends.base import BytesPayload, Put
from dash_statemanager.backends.sql import SqlBackend
from tests.servers.base import wait_until

SMALL, LARGE = BytesPayload(b"small"), BytesPayload(bytes(300_000))
ALL = ["-wal", "-shm", ""]
WRITER = """
backend, name, lock = SqlBackend(sys.argv[1]), sys.argv[2], threading.Lock()

def write(thread):
    number = 0
    while True:
        key = f"{name}/{thread}/{number}"
        number += 1
        try:
            backend.put(key, large if number % 5 == 0 else small)
        except BackendUnavailable:  # the file was removed once more while it was made
            continue
        with lock:
            print(key, flush=True)

for thread in range(2):
    threading.Thread(target=write, args=(thread,), daemon=True).start()
sys.stdin.readline()
lock.acquire()
os._exit(0)
"""


@pytest.fixture
def remove(tmp_path):
    """Removes the database: the file alone, or with what stands beside it."""

    def remove(names):
        for name in names:
            (tmp_path / f"state.db{name}").unlink(missing_ok=True)

    return remove


def keys(url):
    with closing(SqlBackend(url)) as backend:
        return {listing.key for listing in backend.scan("")}


@pytest.mark.parametrize("names", [[""], ALL], ids=["the file", "all files"])
@pytest.mark.parametrize("payload", [SMALL, LARGE])
def test_what_is_written_after_the_file_was_removed_is_found(backend, url, remove, names, payload, caplog):
    backend.put_many([Put("before", SMALL)])
    remove(names)

    backend.put("after", payload)

    assert keys(url) == {"after"}
    assert backend.get("before") is None
    assert "state.db was removed or replaced" in caplog.text
    remove(names)
    assert backend.get("after") is None


def test_a_file_that_is_put_in_its_place_is_read(backend, tmp_path, remove):
    backend.put("both", SMALL)
    backend.close()
    shutil.copy(tmp_path / "state.db", tmp_path / "copy.db")
    backend.put("later", SMALL)

    remove(ALL)
    (tmp_path / "copy.db").replace(tmp_path / "state.db")

    assert list(backend.get_many(["both", "later"])) == ["both"]


def test_a_connection_that_is_in_use_is_left_alone_and_then_closed(backend, url, remove):
    backend.put("before", SMALL)
    inside, removed = threading.Event(), threading.Event()

    def hold(cursor):
        inside.set()
        assert removed.wait(20)
        return cursor.execute("SELECT count(*) FROM dash_statemanager_entries").fetchone()

    counts = []
    thread = threading.Thread(target=lambda: counts.append(backend._database.read(hold)))
    thread.start()
    assert inside.wait(20)
    remove(ALL)
    backend.put("after", SMALL)
    removed.set()
    thread.join()

    assert counts == [(1,)]
    assert keys(url) == {"after"}
    assert backend.get("before") is None


def of_all_threads(found):
    """The keys, once each thread of each process has written one."""
    return found if len({key.rpartition("/")[0] for key in found}) == 6 else None


@pytest.mark.parametrize("names", [[""], ALL], ids=["the file", "all files"])
def test_processes_at_work_all_go_on_with_the_same_new_file(start, url, tmp_path, remove, names):
    writers = [start(WRITER, url, name) for name in ("one", "two", "three")]
    for writer in writers:
        assert writer.stdout.readline()
    for pause in (0.3, 0.01, 0.2, 0.05, 0.4, 0.1):
        time.sleep(pause)
        remove(names)
    before = wait_until(lambda: of_all_threads(keys(url)), 30)
    time.sleep(0.5)
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    written = [writer.communicate(timeout=20) for writer in writers]
    after = keys(url)

    for output, errors in written:
        assert "Traceback" not in errors, errors
        for thread in ("/0/", "/1/"):
            acknowledged = [key for key in output.split() if thread in key]
            first = next(place for place, key in enumerate(acknowledged) if key in before)
            assert after >= set(acknowledged[first:])
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
