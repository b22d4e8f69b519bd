"""Several processes on one database: at once, and as parent and child."""

from __future__ import annotations

from pathlib import Path

from dash_statemanager.backends.base import BytesPayload
from dash_statemanager.backends.sql import SqlBackend

AT_ONCE = r"""
ready, go = os.pipe(), os.pipe()
pids = []
for number in range(10):
    pid = os.fork()
    if pid == 0:
        os.write(ready[1], b"x")
        os.close(go[1])
        os.read(go[0], 1)
        backend = SqlBackend(sys.argv[1])
        backend.put_many([Put(f"small/{number}", small), Put(f"large/{number}", large)])
        won = 0
        for race in range(50):
            try:
                backend.put(f"race/{race:02}", BytesPayload(str(number).encode()), expect=ABSENT)
                won += 1
            except Conflict:
                pass
        counted = 0
        while counted < 20:
            entry = backend.get("counter")
            count = int(bytes(entry.payload.buffer)) if entry else 0
            try:
                put = BytesPayload(str(count + 1).encode())
                backend.put("counter", put, expect=entry.etag if entry else ABSENT)
                counted += 1
            except Conflict:
                pass
        os.write(1, f"{number} {won}\n".encode())
        backend.close()
        os._exit(0)
    pids.append(pid)
for _ in pids:
    os.read(ready[0], 1)
os.close(go[1])
codes = [os.waitpid(pid, 0)[1] for pid in pids]
assert codes == [0] * 10, codes
"""


def test_ten_processes_start_at_once_on_a_new_database(run, url):
    """They create it together, race for the same fifty keys, and count to 200 together."""
    output = run(AT_ONCE, url)

    backend = SqlBackend(url)
    won = dict(line.split() for line in output.splitlines())
    owners = [backend.get(f"race/{race:02}").payload.buffer.decode() for race in range(50)]
    assert {number: str(owners.count(number)) for number in won} == won
    assert bytes(backend.get("counter").payload.buffer) == b"200"
    assert len(list(backend.scan("small/"))) == len(list(backend.scan("large/"))) == 10
    assert bytes(backend.get("large/9").payload.buffer) == bytes(300_000)
    backend.close()


FORKS = """
backend = SqlBackend(sys.argv[1])
backend.put("before", large)
stop = threading.Event()

def work(name):
    number = 0
    while not stop.is_set():
        backend.put_many([Put(f"thread/{name}", BytesPayload(str(number).encode())), Put(f"large/{name}", large)])
        assert backend.get(f"thread/{name}").payload.nbytes
        number += 1

threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
for thread in threads:
    thread.start()
for number in range(40):
    pid = os.fork()
    if pid == 0:
        try:
            assert bytes(backend.get("before").payload.buffer) == bytes(300_000)
            backend.put_many([Put(f"child/{number:02}", large), Put(f"note/{number:02}", small)])
            backend.close()
        except BaseException as exc:
            print(repr(exc), flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0, number
stop.set()
for thread in threads:
    thread.join()
assert backend.purge() == 0
print(len(list(backend.scan("child/"))), len(list(backend.scan("note/"))), backend.stats()["files"])
backend.close()
"""


def test_children_that_are_forked_from_busy_threads_have_their_own_connections(run, url, files):
    assert run(FORKS, url) == f"40 40 {1 + 3 + 40}\n"

    writers = {path.name.split("-")[0] for path in files.glob("*.payload")}
    assert len(writers) == 41
    backend = SqlBackend(url)
    assert bytes(backend.get("child/39").payload.buffer) == bytes(300_000)
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


def test_a_child_that_ends_normally_leaves_the_parents_connections_alone(run, url):
    code = """
backend = SqlBackend(sys.argv[1])
backend.put("a", small)
if os.fork() == 0:
    sys.exit(0)
os.wait()
backend.put("b", small)
if os.fork() == 0:
    backend.put("c", small)
    backend.close()
    sys.exit(0)
os.wait()
backend.put("d", small)
print([listing.key for listing in backend.scan("")])
"""
    assert run(code, url) == "['a', 'b', 'c', 'd']\n"


def test_nothing_is_open_before_the_first_operation(run, url):
    code = """
before = set(os.listdir("/proc/self/fd")), threading.active_count()
backend = SqlBackend(sys.argv[1])
print((set(os.listdir("/proc/self/fd")), threading.active_count()) == before)
backend.put("a", small)
print(len(os.listdir("/proc/self/fd")) > len(before[0]))
backend.close()
print(len(os.listdir("/proc/self/fd")) == len(before[0]), threading.active_count() == before[1])
"""
    assert run(code, url).split() == ["True", "True", "True", "True"]


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
