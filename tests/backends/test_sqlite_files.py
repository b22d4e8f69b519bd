"""Large payloads beside the database, power cuts, and what a purge clears away."""

from __future__ import annotations

import logging
import mmap
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dash_statemanager.backends.base import ABSENT, BytesPayload, Put
from dash_statemanager.backends.sql import SqlBackend
from dash_statemanager.backends.sql.files import FileStore
from dash_statemanager.errors import BackendFull, BackendUnavailable, CodecError, Conflict, CorruptPayload

LARGE = BytesPayload(bytes(300_000))


def stored(files: Path) -> list[Path]:
    return sorted(files.glob("*.payload"))


@pytest.mark.parametrize(("size", "count"), [(256 << 10, 0), ((256 << 10) + 1, 1)])
def test_payloads_above_256_kib_are_files(backend, files, size, count):
    backend.put("a", BytesPayload(bytes(size)))

    assert len(stored(files)) == backend.stats()["files"] == count


def test_a_file_is_read_through_a_read_only_map(backend):
    backend.put("a", LARGE)

    buffer = backend.get("a").payload.buffer

    assert isinstance(buffer, mmap.mmap)
    assert memoryview(buffer).readonly


def test_state_is_for_its_owner_only(backend, files):
    backend.put("a", LARGE)

    (file,) = stored(files)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, files)] == [0o600, 0o700]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.parent.glob("state.db*") if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    "replace",
    [
        lambda backend: backend.put("a", BytesPayload(b"small")),
        lambda backend: backend.put("a", LARGE),
        lambda backend: backend.delete("a"),
        lambda backend: backend.put_many([], delete=["a"]),
        lambda backend: backend.put_many([Put("a", LARGE), Put("a", LARGE)]),
    ],
    ids=["by a small one", "by a large one", "by nothing", "in a batch", "twice"],
)
def test_a_file_goes_with_its_row(backend, files, replace):
    backend.put("a", LARGE)
    before = stored(files)

    replace(backend)
    backend.close()

    assert not set(before) & set(stored(files))
    assert len(stored(files)) == backend.stats()["files"]


def test_no_write_waits_for_a_file_to_be_removed(backend, files, monkeypatch):
    removed_by = []
    unlink = Path.unlink
    monkeypatch.setattr(
        Path, "unlink", lambda *args, **kwargs: (removed_by.append(threading.current_thread()), unlink(*args, **kwargs))
    )
    backend.put("a", LARGE)
    (before,) = stored(files)

    backend.put("a", LARGE)
    backend.delete("a")

    wait_until(lambda: stored(files) == [])
    assert not before.exists()
    assert threading.current_thread() not in removed_by


def test_files_that_wait_to_be_removed_make_room_for_the_next(backend, files, monkeypatch):
    """The disk has room for two."""
    write = FileStore.write

    def limited(self, parts, **kwargs):
        if len(stored(files)) >= 2:
            raise BackendFull("there is no room left")
        return write(self, parts, **kwargs)

    monkeypatch.setattr(FileStore, "write", limited)
    for _ in range(5):
        backend.put("a", LARGE)

    assert backend.get("a").payload.nbytes == 300_000
    backend.put("b", LARGE)
    with pytest.raises(BackendFull):
        backend.put("c", LARGE)


def test_a_conflict_leaves_no_file(backend, files):
    backend.put("lease", BytesPayload(b""))

    with pytest.raises(Conflict):
        backend.put_many([Put("a", LARGE), Put("b", LARGE), Put("lease", LARGE, expect=ABSENT)])

    assert list(files.glob("*.[pt]*")) == []


class Failing:
    nbytes = 1

    def parts(self) -> list[bytes]:
        raise CodecError("a column can't be kept")


def test_a_payload_that_can_not_be_encoded_leaves_nothing(backend, files):
    with pytest.raises(CodecError):
        backend.put_many([Put("a", LARGE), Put("b", Failing())])

    assert backend.get("a") is None
    assert stored(files) == []


def test_a_file_that_somebody_removed_is_missing_and_logged(backend, files, caplog):
    backend.put("a", LARGE)
    stored(files)[0].unlink()

    with caplog.at_level(logging.WARNING, "dash_statemanager"):
        assert backend.get("a") is None

    assert "is gone: its value is taken for missing" in caplog.text
    backend.put("a", LARGE, expect=ABSENT)
    assert backend.get("a").payload.nbytes == 300_000


def test_a_folder_that_somebody_removed_is_made_again(backend, files):
    backend.put("a", LARGE)
    stored(files)[0].unlink()
    for lock in files.iterdir():
        lock.unlink()
    files.rmdir()

    backend.put("b", LARGE)

    assert backend.get("b").payload.nbytes == 300_000


@pytest.mark.parametrize("size", [0, 299_999, 300_001])
def test_a_file_of_another_size_is_corrupt(backend, files, size):
    backend.put("a", LARGE)
    os.truncate(stored(files)[0], size)

    with pytest.raises(CorruptPayload, match=f"has {size} of 300000 bytes"):
        backend.get("a")


def test_a_database_is_the_same_through_a_symbolic_link(backend, tmp_path):
    backend.put("a", LARGE)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(tmp_path / "state.db")

    other = SqlBackend(f"sqlite:///{link}")

    assert other.get("a").payload.nbytes == 300_000
    other.close()


def test_a_name_may_have_any_characters(tmp_path):
    path = tmp_path / "ä #1 & c=d; 'e'.db"
    backend = SqlBackend(f"sqlite:///{path}")
    backend.put("a", BytesPayload(b"value"))
    backend.close()

    assert path.stat().st_size > 0
    assert sorted(tmp_path.iterdir()) == [path]


def test_without_descriptors_for_a_map_the_file_is_read(run, url):
    code = """
import resource
backend = SqlBackend(sys.argv[1])
backend.put("a", large)
kept = [os.dup(0) for _ in range(50)]
highest = kept[-1]
resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, highest + 2))
entry = backend.get("a")
print(bytes(entry.payload.buffer) == bytes(300_000))
"""
    assert run(code, url) == "True\n"


# power cuts


def restarted(url: str, boot_id: str | None) -> SqlBackend:
    return SqlBackend(url, boot_id=boot_id)


def test_after_a_power_cut_a_file_that_was_not_on_the_disk_is_missing(start, url):
    """The writer is killed before it brought its file to the disk; then the machine starts anew."""
    code = """
backend = SqlBackend(sys.argv[1], boot_id="first")
backend.put("small", small)
backend.put("large", large)
print("written", flush=True)
os.kill(os.getpid(), 9)
"""
    program = start(code, url)
    assert program.stdout.readline() == "written\n"
    program.wait()
    same = restarted(url, "first")
    assert same.get("large").payload.nbytes == 300_000
    etag = same.get("large").etag
    same.close()

    backend = restarted(url, "second")

    assert backend.get("small").payload.nbytes == 5
    assert backend.get("large") is None
    assert [listing.key for listing in backend.scan("")] == ["small"]
    assert backend.touch("large", 9) is False
    with pytest.raises(Conflict):
        backend.put("large", LARGE, expect=etag)
    backend.put("large", LARGE, expect=ABSENT)
    assert backend.get("large").payload.nbytes == 300_000
    backend.close()


def test_purge_removes_what_a_power_cut_broke(url, files):
    first = restarted(url, "first")
    first.put("a", LARGE)
    second = restarted(url, "second")

    assert second.purge() == 1

    assert stored(files) == []
    first.close()
    second.close()


def test_close_brings_files_to_the_disk(url):
    first = restarted(url, "first")
    first.put("a", LARGE)
    first.close()

    second = restarted(url, "second")

    assert second.get("a").payload.nbytes == 300_000
    second.close()


def test_purge_brings_the_files_of_killed_processes_to_the_disk(url):
    writer = restarted(url, "first")
    writer.put("a", LARGE)
    purger = restarted(url, "first")
    purger.purge()

    second = restarted(url, "second")

    assert second.get("a").payload.nbytes == 300_000
    for backend in (writer, purger, second):
        backend.close()


def test_files_come_to_the_disk_by_themselves(url):
    first = restarted(url, "first")
    first.put("a", LARGE)
    second = restarted(url, "second")

    wait_until(lambda: second.get("a") is not None)

    first.close()
    second.close()


def test_a_process_that_ends_brings_its_files_to_the_disk(run, url):
    run("backend = SqlBackend(sys.argv[1], boot_id='first'); backend.put('a', large)", url)

    second = restarted(url, "second")

    assert second.get("a").payload.nbytes == 300_000
    second.close()


def test_where_the_system_has_no_boot_id_every_file_waits_for_the_disk(url, monkeypatch):
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    first = restarted(url, None)

    first.put("a", LARGE)

    assert 300_000 in synced
    second = restarted(url, "second")
    assert second.get("a").payload.nbytes == 300_000
    first.close()
    second.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


# purge


def unindexed(files: Path) -> list[Path]:
    """Files as the living writer would leave them in the middle of a write, and just before its commit."""
    (lock,) = files.glob("*.lock")
    found = [lock.with_name(f"{lock.stem}-99{suffix}") for suffix in (".tmp", ".payload")]
    for file in found:
        file.write_bytes(b"under way")
    return found


def test_purge_leaves_the_files_of_a_living_writer(backend, files, url):
    backend.put("a", LARGE)
    under_way = unindexed(files)
    other = SqlBackend(url)

    assert other.purge() == backend.purge() == 0

    assert all(file.exists() for file in under_way)
    other.close()


def test_purge_removes_the_old_orphans_of_a_living_writer(backend, files):
    backend.put("a", LARGE)
    an_hour_ago = time.time() - 3601
    for file in [*unindexed(files), *stored(files)]:
        os.utime(file, (an_hour_ago, an_hour_ago))

    assert backend.purge() == 2

    assert len(stored(files)) == 1
    assert backend.get("a").payload.nbytes == 300_000


def test_purge_removes_the_young_orphans_of_a_writer_that_let_go(backend, files, url):
    backend.put("a", LARGE)
    unindexed(files)
    backend.close()
    other = SqlBackend(url)

    assert other.purge() == 2

    assert [path.name for path in files.iterdir()] == [path.name for path in stored(files)]
    assert other.get("a").payload.nbytes == 300_000
    other.close()


def test_purge_leaves_what_is_not_ours(backend, files):
    backend.put("a", LARGE)
    foreign = files / "README.txt"
    foreign.write_text("hello")

    backend.purge()

    assert foreign.exists()


def test_writers_are_not_kept_waiting_by_a_purge(url):
    """They get their turns between its batches, in the purging process and in another."""
    now = [0.0]
    backend, other = (SqlBackend(url, clock=lambda: now[0]) for _ in range(2))
    for batch in range(20):
        backend.put_many([Put(f"{batch}/{number}", BytesPayload(bytes(500)), 5) for number in range(500)])
    now[0] = 10
    purging = threading.Thread(target=backend.purge)

    purging.start()
    written = 0
    while purging.is_alive():
        backend.put("a", BytesPayload(b"1"))
        other.put("b", BytesPayload(b"1"))
        written += 1

    assert written >= 10
    assert sorted(listing.key for listing in other.scan("")) == ["a", "b"]
    backend.close()
    other.close()


def test_the_database_gives_its_room_back(url, tmp_path):
    now = [0.0]
    backend = SqlBackend(url, clock=lambda: now[0])
    backend.put_many([Put(f"k/{number}", BytesPayload(bytes(100_000)), 5) for number in range(300)])
    backend.close()
    full = (tmp_path / "state.db").stat().st_size
    now[0] = 10

    assert backend.purge() == 300

    backend.close()
    assert full > 30_000_000
    assert (tmp_path / "state.db").stat().st_size < 1_000_000


def test_the_log_beside_the_database_stays_small(backend, tmp_path):
    for number in range(300):
        backend.put(f"k/{number % 10}", BytesPayload(os.urandom(200_000)))

    assert (tmp_path / "state.db-wal").stat().st_size < 32 << 20


def test_a_folder_of_files_that_can_not_be_written_is_an_error(backend, files):
    files.write_text("a file where the folder should be")

    with pytest.raises(BackendUnavailable, match=r"state\.db-files"):
        backend.put("a", LARGE)

    assert backend.get("a") is None
