"""The local tier: what one worker fetched is a memory map for the others, and never more than a copy."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from mmap import mmap
from pathlib import Path

import pytest

from dash_statemanager.backends.base import Backend, BytesPayload, Entry, MemoryRoom, Room
from dash_statemanager.backends.local import OLD, LocalFiles, LocalTier
from dash_statemanager.backends.memory import MemoryBackend
from dash_statemanager.backends.redis import RedisBackend
from dash_statemanager.backends.shared import SharedBodies
from dash_statemanager.backends.wrapper import Wrapper
from tests.servers import redis as redis_servers

KEYS = ["app/s.1/store/a", "app/s.1/store/b", "app/s.1/store/c"]
MB = 1 << 20
EARLIER = "01234567-89ab-cdef-0123-456789abcdef"
"""The boot id of an earlier run of the machine."""


class Far(Wrapper):
    """Notes what is read from a backend."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self.read: list[str] = []

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        found = self.inner.get_many(keys)
        self.read += [key for key, entry in found.items() if entry.payload.nbytes > MB // 2]
        return found


@pytest.fixture
def far() -> Far:
    return Far(MemoryBackend())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tier"


def worker(far: Far, folder: Path, max_bytes: int = 100 * MB) -> SharedBodies:
    """What another process of the machine has."""
    return SharedBodies(LocalTier(far, LocalFiles(folder, max_bytes)), lambda: b"key")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def data(key: str) -> bytes:
    return key.encode() * (MB // len(key)) + bytes(64)


def body(backend: Backend, key: str) -> memoryview:
    entry = backend.get(key)
    assert entry is not None
    return memoryview(entry.payload.parts()[-1])


def write_all(backend: Backend) -> None:
    for key in KEYS:
        backend.put(key, BytesPayload(data(key)))


def test_what_one_worker_fetched_the_others_map_without_asking(far, folder):
    write_all(worker(far, folder))
    first, second = worker(far, folder), worker(far, folder)

    assert body(first, KEYS[0]) == data(KEYS[0])[64:]
    assert len(far.read) == 1
    mapped = body(second, KEYS[0])

    assert mapped == data(KEYS[0])[64:]
    assert isinstance(mapped.obj, mmap)
    assert len(far.read) == 1


def test_only_bodies_are_kept_and_nobody_else_may_read_them(far, folder):
    backend = worker(far, folder)
    write_all(backend)
    backend.put("app/s.1/store/head", BytesPayload(b"small"))
    backend.get_many([*KEYS, "app/s.1/store/head"])

    assert {path.stat().st_size for path in files(folder)} == {len(data(key)) - 64 for key in KEYS}
    assert {path.stat().st_mode & 0o777 for path in files(folder)} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())} == {0o700}


def test_what_was_not_read_for_longest_goes_first_and_stays_whole_for_who_reads_it(far, folder):
    backend = worker(far, folder, max_bytes=2 * MB + MB // 2)
    write_all(backend)
    first = body(backend, KEYS[0])
    body(backend, KEYS[1])
    for path in files(folder):
        os.utime(path, (time.time() - 100,) * 2)
    body(backend, KEYS[0])

    body(backend, KEYS[2])
    del far.read[:]

    assert len(files(folder)) == 2
    assert first == data(KEYS[0])[64:]
    assert body(backend, KEYS[0]) == first
    assert not far.read
    assert body(backend, KEYS[1]) == data(KEYS[1])[64:]
    assert far.read


def test_a_folder_with_many_files_is_looked_through_only_now_and_then_and_stays_within_its_bound(folder, monkeypatch):
    tier, looks = LocalFiles(folder, 8 * MB), []
    list_files = LocalFiles._list
    monkeypatch.setattr(LocalFiles, "_list", lambda self: looks.append(1) or list_files(self))

    for number in range(1_000):
        assert tier.add(f"key-{number}", [bytes(16 << 10)])

    assert 7 * MB < sum(path.stat().st_size for path in files(folder)) <= 8 * MB
    assert len(looks) < 1_000 / 7


def test_a_worker_that_died_while_it_wrote_does_no_harm(far, folder):
    backend = worker(far, folder, max_bytes=8 * MB)
    write_all(backend)
    body(backend, KEYS[0])
    unfinished = files(folder)[0].with_name("0123456789abcdef.tmp")
    unfinished.write_bytes(b"half")

    assert body(worker(far, folder), KEYS[1]) == data(KEYS[1])[64:]
    assert unfinished.exists()
    os.utime(unfinished, (time.time() - OLD - 1,) * 2)
    body(backend, KEYS[2])

    assert not unfinished.exists()


def test_those_who_fetch_the_same_at_the_same_time_end_with_one_file(far, folder):
    write_all(worker(far, folder))
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: body(worker(far, folder), KEYS[0]), range(8)))

    assert all(found == data(KEYS[0])[64:] for found in bodies)
    assert len(files(folder)) == 1


def test_what_an_earlier_run_of_the_machine_left_is_not_trusted(far, folder):
    backend = SharedBodies(LocalTier(far, LocalFiles(folder, 100 * MB, EARLIER)), lambda: b"key")
    write_all(backend)
    body(backend, KEYS[0])
    (left,) = files(folder)
    left.write_bytes(b"half")

    assert body(worker(far, folder), KEYS[0]) == data(KEYS[0])[64:]
    assert not left.parent.exists()


@pytest.mark.parametrize("trouble", ["a file is there", "another user's folder", "no room"])
def test_without_a_usable_folder_values_come_from_the_backend(far, folder, trouble, caplog, monkeypatch):
    if trouble == "a file is there":
        folder.write_bytes(b"")
    elif trouble == "another user's folder":
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    backend = worker(far, folder, max_bytes=MB // 2 if trouble == "no room" else 100 * MB)
    write_all(backend)

    assert body(backend, KEYS[0]) == data(KEYS[0])[64:]
    assert body(backend, KEYS[0]) == data(KEYS[0])[64:]
    assert len(far.read) == 2
    assert [record.levelname for record in caplog.records] == ([] if trouble == "no room" else ["WARNING"])


def test_what_others_keep_in_the_folder_stays_as_it_is(far, folder):
    own = [folder / name for name in (f"assets/{'0' * 32}", f"{EARLIER}/upload.csv", "files/readme")]
    for path in own:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"the only copy")
    folder.chmod(0o755)
    (folder / EARLIER.replace("0", "1")).symlink_to(own[0].parent)
    backend = worker(far, folder)
    write_all(backend)

    assert body(backend, KEYS[0]) == data(KEYS[0])[64:]

    assert [path.read_bytes() for path in own] == [b"the only copy"] * 3
    assert folder.stat().st_mode & 0o777 == 0o755
    assert len(files(folder)) == 4


def is_used(folder: Path) -> bool:
    """Whether a tier takes the folder."""
    return LocalFiles(folder, 100 * MB).add("key", [bytes(MB)]) is not None


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path, folder):
    site = tmp_path / "site"
    site.mkdir(mode=0o755)
    folder.symlink_to(site)

    assert not is_used(folder)

    assert site.stat().st_mode & 0o777 == 0o755
    assert list(site.iterdir()) == []


def test_a_folder_where_somebody_else_could_put_another_is_not_used(folder, monkeypatch):
    (folder / "app").mkdir(parents=True)
    if os.getuid() == 0:
        os.chown(folder, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 12345)

    assert not is_used(folder / "app")

    assert list((folder / "app").iterdir()) == []


@pytest.mark.parametrize(("mode", "used"), [(0o755, True), (0o1777, True), (0o777, False), (0o770, False)])
def test_where_others_may_write_it_is_used_only_if_they_can_not_rename_it(folder, mode, used):
    folder.mkdir()
    folder.chmod(mode)

    assert is_used(folder / "app") == used

    assert folder.stat().st_mode & 0o7777 == mode


def test_a_folder_may_be_reached_by_a_link_of_the_users_own(tmp_path, folder):
    folder.symlink_to(tmp_path / "large disk")
    (tmp_path / "large disk").mkdir()

    assert is_used(folder / "app")


def test_all_folders_that_are_missing_are_made_for_this_user_alone(tmp_path):
    assert is_used(tmp_path / "a" / "b" / "app")

    made = [tmp_path / name for name in ("a", "a/b", "a/b/app")]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}


def test_what_comes_from_a_server_is_received_into_its_file(tmp_path, folder):
    tier = LocalTier(
        RedisBackend(redis_servers.url(), prefix=f"{redis_servers.PREFIX}{tmp_path}:"), LocalFiles(folder, 100 * MB)
    )
    backend, large = SharedBodies(tier, lambda: b"key"), os.urandom(20 * MB)
    backend.put(KEYS[0], BytesPayload(large))
    received: list[Room] = []
    tier.inner.room = lambda nbytes: received.append(tier._files.room(nbytes)) or received[-1]

    first = body(backend, KEYS[0])

    assert first == large[64:] == received[0].whole()
    (kept,) = files(folder)
    with kept.open("r+b") as file:
        file.write(b"seen by all")
    assert bytes(first[:11]) == bytes(received[0].whole()[:11]) == b"seen by all"
    backend.close()


def test_what_was_received_for_nothing_leaves_no_file(folder):
    tier = LocalFiles(folder, 100 * MB)
    tier.room(MB).put(0, b"half")
    assert files(folder) == []


def test_without_descriptors_for_a_map_what_was_received_is_read(folder):
    room = LocalFiles(folder, 100 * MB).room(MB)
    room.put(0, b"first")
    assert not isinstance(room, MemoryRoom)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(free := os.dup(0))

    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        whole, again = room.whole(), room.whole()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert isinstance(memoryview(whole).obj, bytes)
    assert bytes(whole) == bytes(again) == b"first".ljust(MB, b"\0")


@pytest.mark.parametrize("nbytes", [5 * MB, 200 * MB])
def test_pieces_come_in_any_order_and_none_goes_beyond_the_end(folder, nbytes):
    room = LocalFiles(folder, 100 * MB).room(nbytes)
    assert isinstance(room, MemoryRoom) == (nbytes == 200 * MB)

    room.put(nbytes - 4, b"last")
    room.put(0, b"first")
    with pytest.raises(ValueError):
        room.put(nbytes - 1, b"more")

    whole = room.whole()
    assert (bytes(whole[:6]), bytes(whole[-5:]), len(whole)) == (b"first\0", b"\0last", nbytes)
    assert memoryview(whole).readonly
