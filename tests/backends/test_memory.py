"""What is particular to the memory of one process."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from dash_statemanager.backends.memory import MemoryBackend


class Unencodable:
    """A payload that must never be asked for its bytes."""

    nbytes = 95_000_000

    def parts(self) -> list[bytes]:
        raise AssertionError("encoded")


def test_the_payload_itself_is_kept():
    backend = MemoryBackend()
    payload = Unencodable()

    backend.put("a", payload)

    assert backend.get("a").payload is payload
    assert backend.stats()["bytes"] == 95_000_000
    backend.close()


FORK = """
backend = MemoryBackend()
{before}
if os.fork() == 0:
    try:
        backend.put("b", small)
        print("child wrote", flush=True)
    except BackendUnavailable as exc:
        print(exc, flush=True)
    os._exit(0)
os.wait()
{after}
"""


def test_data_does_not_follow_into_a_child(run):
    output = run(FORK.format(before="backend.put('a', small)", after="print(backend.get('a') is not None)"))

    assert "STATE_BACKEND=memory keeps its data in process" in output
    assert "background jobs" in output
    assert "Set STATE_BACKEND=database" in output
    assert output.endswith("True\n")


def test_an_instance_that_was_only_read_does_not_follow_either(run):
    assert "Set STATE_BACKEND=database" in run(FORK.format(before="backend.get('a')", after=""))


def test_an_unused_instance_is_the_childs(run):
    assert run(FORK.format(before="", after="")) == "child wrote\n"


SIBLINGS = """
backends = [MemoryBackend(namespace=name) for name in sys.argv[1:]]
for backend in backends:
    ready, done = os.pipe(), os.pipe()
    if os.fork() == 0:
        backend.put("a", small)
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        backend.put("b", small)
        os._exit(0)
    os.read(ready[0], 1)
    backend.{wait} = done
for backend in backends:
    os.write(backend.{wait}[1], b"x")
    os.wait()
""".replace("{wait}", "finished")


def complaints(start, *namespaces: str) -> list[str]:
    program = start(SIBLINGS, *namespaces)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    return errors.splitlines()


def test_workers_beside_each_other_are_told_once_each(start):
    errors = complaints(start, "dash", "dash", "dash")

    assert len(errors) == 2
    assert all("this server runs several workers" in error for error in errors)
    assert all("Set STATE_BACKEND=database" in error for error in errors)


def test_apps_with_namespaces_of_their_own_are_no_workers_of_one_app(start):
    assert complaints(start, "one", "two") == []


def test_a_worker_that_replaces_a_dead_one_is_fine(start):
    code = """
for _ in range(3):
    if os.fork() == 0:
        MemoryBackend().put("a", small)
        os._exit(0)
    os.wait()
"""
    program = start(code)

    assert program.communicate(timeout=60) == ("", "")


def test_two_gunicorn_workers_are_told(tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import os\n"
        "from dash_statemanager.backends.memory import MemoryBackend\n"
        "backend = MemoryBackend()\n"
        "def app(environ, start_response):\n"
        "    backend.get('a')\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [str(os.getpid()).encode()]\n"
    )
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-b", "127.0.0.1:0", "app:app"]
    server = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        address = next(filter(None, (re.search(r"http://\S+", line) for line in server.stderr)))[0]
        ask_both(address)
    finally:
        server.terminate()
        _, log = server.communicate(timeout=30)

    assert log.count("this server runs several workers") == 1


def ask_both(address: str) -> None:
    """Requests until both workers have answered."""
    workers = set()
    deadline = time.monotonic() + 30
    while len(workers) < 2:
        assert time.monotonic() < deadline, "one of the workers never answered"
        with urllib.request.urlopen(address, timeout=10) as answer:
            workers.add(answer.read())
