"""What the programs have that tests of backends start: payloads, backends that others share, and children."""

from __future__ import annotations

import os
from collections.abc import Callable

from dash_statemanager.backends.base import Backend, BytesPayload
from dash_statemanager.backends.sql import SqlBackend

small, large = BytesPayload(b"small"), BytesPayload(bytes(300_000))


def opened(url: str, prefix: str = "") -> Backend:
    """A backend on a database, on Redis, or on the tests' own server of Google Cloud Storage."""
    if url.startswith("redis"):
        from dash_statemanager.backends.redis import RedisBackend

        return RedisBackend(url, prefix=prefix)
    if url.startswith("http"):
        from dash_statemanager.backends.gcs import GcsBackend

        return GcsBackend("bucket", endpoint=url)
    return SqlBackend(url)


def at_once(number: int, work: Callable[[int], object]) -> list[int]:
    """Does the work in so many children, which begin together; the statuses with which they end."""
    (ready, say_ready), (go, say_go) = os.pipe(), os.pipe()
    pids = []
    for child in range(number):
        pid = os.fork()
        if pid == 0:
            os.write(say_ready, b"x")
            os.close(say_go)
            os.read(go, 1)
            work(child)
            os._exit(0)
        pids.append(pid)
    for _ in pids:
        os.read(ready, 1)
    os.close(say_go)
    return [os.waitpid(pid, 0)[1] for pid in pids]


COUNT = """
backend = opened(*sys.argv[1:])
sys.stdin.readline()
for _ in range(500):
    while True:
        entry = backend.get("counter")
        count = int(bytes(entry.payload.buffer)) if entry else 0
        try:
            put = BytesPayload(str(count + 1).encode())
            backend.put("counter", put, expect=entry.etag if entry else ABSENT)
            break
        except Conflict:
            pass
print(bytes(backend.get("counter").payload.buffer).decode())
backend.close()
"""
CHILDREN = 20
FORKS = f"""
backend = opened(*sys.argv[1:])
backend.put("dash/before", large)
stop = threading.Event()

def work(name):
    while not stop.is_set():
        backend.put_many([Put(f"thread/{{name}}", small), Put(f"large/{{name}}", large)])
        assert backend.get(f"thread/{{name}}").payload.nbytes

threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
for thread in threads:
    thread.start()
for number in range({CHILDREN}):
    pid = os.fork()
    if pid == 0:
        try:
            assert bytes(backend.get("dash/before").payload.buffer) == bytes(300_000)
            backend.put_many([Put(f"child/{{number:02}}", large), Put(f"note/{{number:02}}", small)])
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
print(len(list(backend.scan("child/"))), len(list(backend.scan("note/"))))
backend.close()
"""
"""Forks from threads that are writing."""
