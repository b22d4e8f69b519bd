"""Several processes on one database: at once, and as parent and child."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.backends.sql import SqlBackend
from tests.backends.programs import CHILDREN, FORKS

AT_ONCE = r"""
def work(number):
    backend = SqlBackend(sys.argv[1])
    backend.put_many([Put(f"small/{number}", small), Put(f"large/{number}", large)])
    won = 0
    for race in range(50):
        try:
            backend.put(f"race/{race:02}", BytesPayload(str(number).encode()), expect=ABSENT)
            won += 1
        except Conflict:
            pass
    os.write(1, f"{number} {won}\n".encode())
    backend.close()

codes = at_once(10, work)
assert codes == [0] * 10, codes
"""


def test_ten_processes_start_at_once_on_a_new_database(run, url):
    """They create it together, and race for the same fifty keys."""
    output = run(AT_ONCE, url)

    backend = SqlBackend(url)
    won = dict(line.split() for line in output.splitlines())
    owners = [backend.get(f"race/{race:02}").payload.buffer.decode() for race in range(50)]
    assert {number: str(owners.count(number)) for number in won} == won
    assert len(list(backend.scan("small/"))) == len(list(backend.scan("large/"))) == 10
    assert bytes(backend.get("large/9").payload.buffer) == bytes(300_000)
    backend.close()


def test_each_child_writes_files_of_its_own(run, url, files):
    run(FORKS, url)

    writers = {path.name.split("-")[0] for path in files.glob("*.payload")}
    assert len(writers) == 1 + CHILDREN
    backend = SqlBackend(url)
    assert backend.purge() == 0
    assert backend.stats()["files"] == 1 + 3 + CHILDREN
    assert bytes(backend.get(f"child/{CHILDREN - 1}").payload.buffer) == bytes(300_000)
    backend.close()


ORPHANED_CHILD = """
backend = SqlBackend(sys.argv[1])
backend.put("a", large)
pid = os.fork()
if pid == 0:
    sys.stdin.read()
    os._exit(0)
print("forked", flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_child_that_outlives_its_parent_does_not_stand_in_for_it(start, url, files: Path):
    """What the dead parent was writing is an orphan, though a child of it still lives."""
    parent = start(ORPHANED_CHILD, url)
    assert parent.stdout.readline() == "forked\n"
    parent.wait()
    (lock,) = files.glob("*.lock")
    half = lock.with_name(f"{lock.stem}-99.tmp")
    half.write_bytes(b"half")
    backend = SqlBackend(url)

    assert backend.purge() == 1

    assert not half.exists()
    assert bytes(backend.get("a").payload.buffer) == bytes(300_000)
    backend.close()


HEIR = """
backend = SqlBackend(sys.argv[1])
backend.put("parent", small)
(ready, say_ready), (gone, alive) = os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(alive)
    backend.put("early", small)
    os.write(say_ready, b"x")
    os.read(gone, 1)
    print("alone", flush=True)
    sys.stdin.readline()
    backend.put("late", small)
    print("late", flush=True)
    sys.stdin.readline()
    os._exit(0)
os.read(ready, 1)
"""


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), 9)", "backend.close(); os.close(alive); os.wait()"], ids=["killed", "closed"]
)
def test_what_a_child_writes_is_kept_when_its_parent_is_gone_and_others_come_and_go(start, url, end):
    child = start(HEIR + end, url)
    assert child.stdout.readline() == "alone\n"
    assert keys(url) == ["early", "parent"]
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "late\n"

    assert keys(url) == ["early", "late", "parent"]

    child.stdin.write("\n")
    child.stdin.flush()
    child.communicate(timeout=10)
    assert keys(url) == ["early", "late", "parent"]


BUSY = """
backend = SqlBackend(sys.argv[1])
backend.put("parent", small)
print("written", flush=True)
sys.stdin.readline()
thread = threading.Thread(target=backend.put, args=("thread", small))
thread.start()
pid = os.fork()
if pid == 0:
    print("forked", flush=True)
    backend.put("child", small)
    os._exit(0)
os.waitpid(pid, 0)
thread.join()
"""


def test_a_child_does_not_wait_for_a_thread_of_its_parent_that_waits_for_another_process(start, url):
    parent = start(BUSY, url)
    assert parent.stdout.readline() == "written\n"
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "forked\n"
    _, errors = parent.communicate(timeout=10)

    assert errors == ""
    assert keys(url) == ["child", "parent", "thread"]


def keys(url: str) -> list[str]:
    """As another process sees them that comes and goes."""
    with closing(SqlBackend(url)) as backend:
        return [listing.key for listing in backend.scan("")]


def test_readers_in_another_process_see_a_value_as_soon_as_it_is_acknowledged(start, url):
    code = """
backend = SqlBackend(sys.argv[1])
for line in sys.stdin:
    print(bytes(backend.get(line.strip()).payload.buffer) == bytes(300_000), flush=True)
"""
    reader = start(code, url)
    backend = SqlBackend(url)
    for key in ("a", "b", "c"):
        backend.put(key, BytesPayload(bytes(300_000)))
        reader.stdin.write(key + "\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "True\n"
    backend.close()
