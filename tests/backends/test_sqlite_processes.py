"""Several processes on one database: at once, and as parent and child."""

from __future__ import annotations

from pathlib import Path

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
