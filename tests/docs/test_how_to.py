"""What the pages on jobs, notebooks and other libraries show does what they say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import dash
import pytest

from tests.docs.conftest import EXAMPLES
from tests.integration.jobs import Manager, WorkersManager
from tests.integration.page import Page
from tests.integration.test_background_workers import worker
from tests.servers.redis import RedisServer

Load = Callable[[str], ModuleType]


def test_a_background_callback_takes_and_gives_a_table(example: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dash, "DiskcacheManager", Manager)
    page = Page(example("background").server.test_client()).open()
    page.change("load", n_clicks=1).change("sum-up", n_clicks=1).finish_jobs()
    assert page.get("result", "children") == "4,498,500 minutes in 3 months"
    assert page.get("totals").keys() == {"__store__"}


def test_a_background_callback_runs_in_a_celery_worker(
    example: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dash, "CeleryManager", WorkersManager)
    server = RedisServer(tmp_path)
    server.start()
    try:
        monkeypatch.setenv("REDIS_URL", server.settings()["redis_url"])
        environment = {"PYTHONPATH": f"{EXAMPLES}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        with worker("background_celery:celery", tmp_path / "worker.log", environment):
            page = Page(example("background_celery").server.test_client()).open()
            page.change("count", n_clicks=1).finish_jobs().change("count", n_clicks=2).finish_jobs()
            assert page.get("result", "children") == "[1, 2]"
    finally:
        server.stop()


def test_a_notebooks_cells_may_run_again_and_read_what_the_app_chose(example: Load) -> None:
    for airport in ("LGA", "JFK"):
        notebook = example("notebook")
        Page(notebook.server.test_client()).open().change("airport", value=airport)
        assert list(notebook.chosen()["origin"]) == [airport] * 3


def test_the_app_without_dash_extensions_counts_flights(example: Load) -> None:
    page = Page(example("extensions_after").server.test_client()).open()
    assert page.change("load", n_clicks=2).get("rows", "children") == "2,000 flights"
