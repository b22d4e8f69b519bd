"""Background callbacks wherever their jobs run: in processes of each start method, and in a real Celery worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.jobs import BROKER, FOLDER
from tests.servers.base import wait_until
from tests.servers.redis import RedisServer

Script = Callable[..., str]

VISIT = """
import json, sys
import multiprocess
from dash_statemanager import ensure_session_context, get_store
from tests.integration import jobs
from tests.integration.conftest import session_of
from tests.integration.page import Page

def seen(page, n):
    return lambda: f" [{n}]" in (page.get("out", "children") or "")

if __name__ == "__main__":
    if sys.argv[1] != "celery":
        multiprocess.set_start_method(sys.argv[1])
    page = Page(jobs.app.server.test_client()).open()
    shown = []
    for n in (1, 2):
        page.change("go", n_clicks=n).finish_jobs(seen(page, n))
        shown.append(page.get("out", "children"))
        (jobs.folder() / f"seen-{n}").touch()
        page.finish_jobs()
        shown.append(page.get("out", "children"))
    page.change("one", n_clicks=1).change("two", n_clicks=2).finish_jobs()
    page.change("fail", n_clicks=1).finish_jobs()
    page.change("endless", n_clicks=1).finish_jobs((jobs.folder() / "endless").exists)
    page.change("cancel", n_clicks=1).finish_jobs()
    other = Page(jobs.app.server.test_client()).open()
    for visitor, n in ((page, 1), (page, 2), (other, 3), (other, 4)):
        visitor.change("cached", n_clicks=n).finish_jobs()
        shown.append(visitor.get("kept-out", "children"))
    page.change("make", n_clicks=1).finish_jobs().change("next", n_clicks=1)
    me = session_of(page.client)
    with ensure_session_context(me):
        second, first = get_store("by name")
        shown.append([second == me, first[0] == me, get_store("failed"), get_store("met-one"), get_store("met-two")])
        shown.append(get_store("made"))
    shown.append(sorted({key for name in ("frame", "failed", "met-one", "kept", "made") for key in page.get(name)}))
    print(json.dumps(shown))
"""
SEEN = [
    "None [1]",  # progress arrives while the job runs
    "[1] [1]",
    "[1] [2]",
    "[1, 2] [2]",
    "{'first': 1}",
    "{'first': 1}",  # from the cache
    "{'first': 3}",  # another visitor has a cache of their own
    "{'first': 3}",
    [True, True, {"rescued": True}, {"one": 1}, {"two": 2}],
    {"before": {"made": 1}},  # a store that a job made
    ["__store__"],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_jobs_in_processes_of_each_start_method(method: str, script: Script, folder: Path) -> None:
    assert json.loads(script(VISIT, method, **{FOLDER: str(folder)})) == SEEN


def test_jobs_in_a_celery_worker(script: Script, tmp_path: Path, folder: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        environment = {FOLDER: str(folder), BROKER: server.settings()["redis_url"]}
        with worker("tests.integration.jobs:celery", tmp_path / "worker.log", environment):
            assert json.loads(script(VISIT, "celery", **environment)) == SEEN
    finally:
        server.stop()


@contextmanager
def worker(module: str, log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A Celery worker in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", module, "worker"]
    options = ["--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "info"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: " ready." in log.read_text(), 60)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
