"""What every test gets: a fresh manager, a place of its own for state, and Chromium where there is one."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dash.testing import application_runners
from dash.testing.application_runners import ThreadedRunner
from hypothesis import HealthCheck, settings

import dash_statemanager

REQUIRE_ALL = os.environ.get("STATEMANAGER_REQUIRE_ALL") == "1"
ROOT = Path(__file__).parent.parent
BROWSER_FIXTURES = {"chromium", "dash_br", "dash_duo", "dash_duo_mp"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
GET_CHROMIUM = "apt-get install -y chromium chromium-driver"

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / ".hypothesis"))
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    max_examples=10_000,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_configure() -> None:
    """Processes that tests start find demo_app and the tests as the tests themselves do."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def pytest_itemcollected(item: pytest.Item) -> None:
    """What drives Chromium is marked as a browser test."""
    if BROWSER_FIXTURES & set(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.browser)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without Chromium a browser test is skipped, with the command to get it."""
    if item.get_closest_marker("browser") and not (chromium() and shutil.which("chromedriver")):
        missing(f"needs Chromium and chromedriver: {GET_CHROMIUM}")


def missing(what: str) -> None:
    """Skips a test for want of something; with STATEMANAGER_REQUIRE_ALL=1 that is a failure."""
    if REQUIRE_ALL:
        pytest.fail(f"STATEMANAGER_REQUIRE_ALL=1, but the test {what}", pytrace=False)
    pytest.skip(what)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """What a test skips itself for is held to `missing`, too. A `skipif` says where it has no meaning: that stays."""
    report: Any = yield
    if not any(item.iter_markers("skipif")):
        hold(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """The same for a module that skips itself while it is imported."""
    report: Any = yield
    hold(report)
    return report


def hold(report: Any) -> None:
    """With STATEMANAGER_REQUIRE_ALL=1 a skip becomes a failure."""
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"STATEMANAGER_REQUIRE_ALL=1, but {report.longrepr[-1]}"


def pytest_setup_options() -> Any:
    """How dash[testing] starts Chromium: headless, as any user, and without calls to the outside."""
    from selenium.webdriver.chrome.options import Options

    options = Options()
    options.binary_location = chromium() or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1280,900",
    ):
        options.add_argument(argument)
    return options


@cache
def chromium() -> str | None:
    """The path of a Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


class ServerThread(application_runners.KillerThread):  # type: ignore[misc]
    """Ends with its app. That of dash[testing] also ends all other threads that were started meanwhile."""

    def kill(self) -> None:
        """Raises SystemExit in this thread."""
        if self.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_long(self.ident), ctypes.py_object(SystemExit))


application_runners.KillerThread = ServerThread


class Runner(ThreadedRunner):
    """As dash[testing] starts apps in a thread, each with a port of its own, in all workers of pytest-xdist."""

    _worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = itertools.count(20_000 + 1_000 * _worker)

    def start(self, app: Any, start_timeout: float = 10, **options: Any) -> None:
        """Starts the app and waits until it answers."""
        super().start(app, start_timeout, **{"port": next(self.ports), **options})


@pytest.fixture
def dash_thread_server() -> Iterator[Runner]:
    """Takes the place of the fixture of dash[testing] below `dash_duo`."""
    with Runner() as runner:
        yield runner


class Clock:
    """Gives a time that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def fresh_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has its own working directory, its own database and no manager from the test before."""
    for name in [name for name in os.environ if name.startswith(("STATE_", "SESSION_", "CLOUD_RUN_SESSION_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STATE_DATABASE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    monkeypatch.setattr(dash_statemanager.api, "_server_secrets", [])
    monkeypatch.chdir(tmp_path)
    dash_statemanager.reset()
    yield
    dash_statemanager.reset()
