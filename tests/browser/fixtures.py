"""Fixtures of the browser tests: one Chromium for all of them, as clean for each as a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from dash.testing.browser import Browser
from dash.testing.composite import DashComposite
from selenium import webdriver

from tests.browser.support import Twins


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, driven by dash[testing]."""
    options = request.config.hook.pytest_setup_options()
    downloads = str(tmp_path_factory.mktemp("downloads"))
    with DashComposite(server=None, browser="Chrome", options=options, download_path=downloads) as browser:
        browser.driver.implicitly_wait(0)
        yield browser


@pytest.fixture
def duo(chromium: Any, dash_thread_server: Any) -> Iterator[Any]:
    """As `dash_duo`, without the time that a new Chromium takes. Each server has its own port: its own storage."""
    chromium.server = dash_thread_server
    yield chromium
    driver = chromium.driver
    for window in driver.window_handles[1:]:
        driver.switch_to.window(window)
        driver.close()
    driver.switch_to.window(driver.window_handles[0])
    driver.get("about:blank")
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    driver.get_log("browser")


@pytest.fixture
def twins(duo: Any) -> Twins:
    """An app with a `dcc.Store` and a `ServerStore` side by side."""
    return Twins(duo, suppress_callback_exceptions=True)


@pytest.fixture
def another_browser(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """Starts further browsers, which know nothing of the first; gives their drivers."""
    options = request.config.hook.pytest_setup_options
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Browser("Chrome", options=options())).driver


@pytest.fixture
def without_cookies(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The driver of a browser that refuses cookies, and with them all storage."""
    (options,) = request.config.hook.pytest_setup_options()
    options.add_experimental_option("prefs", {"profile.default_content_setting_values.cookies": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
    with webdriver.Chrome(options=options) as driver:
        yield driver
