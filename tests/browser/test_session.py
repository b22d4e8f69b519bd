"""Whose data it is, and that it outlives what it should: other browsers, cookies, logins, restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.server import APPS, Server, serving
from tests.browser.support import errors, rest, text

pytest_plugins = ["tests.browser.fixtures"]
pytestmark = pytest.mark.browser

NOTES = APPS / "notes.py"


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Server]:
    with serving(NOTES, tmp_path / "notes.log") as server:
        yield server


class Page:
    """The notes, as one window of a browser shows them."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver, self._url = driver, url
        self.open()

    def open(self) -> None:
        """Opens the page."""
        self.driver.get(self._url)
        rest(self.driver)

    def reload(self) -> None:
        """F5."""
        self.driver.refresh()
        rest(self.driver)

    def click(self, name: str) -> str:
        """Clicks a button; returns what it shows afterwards."""
        self.driver.find_element(By.ID, name).click()
        rest(self.driver)
        return text(self.driver, f"{name}-shown")

    def write(self, note: str) -> None:
        """Writes a note."""
        field = self.driver.find_element(By.ID, "text")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(note)
        rest(self.driver)
        self.click("write")

    def read(self) -> str:
        """What a callback reads from the three stores."""
        return self.click("read").partition(": ")[2]

    def shown(self) -> tuple[str, ...]:
        """What the three stores show."""
        return tuple(text(self.driver, f"{name}-shown") for name in ("notes", "kept", "page"))

    def session_cookies(self) -> list[dict[str, Any]]:
        """The cookies of the library."""
        return [cookie for cookie in self.driver.get_cookies() if cookie["name"].startswith("dash_")]

    def storage(self) -> dict[str, dict[str, str]]:
        """What the browser's storage holds."""
        script = "return {sessionStorage: {...sessionStorage}, localStorage: {...localStorage}}"
        held: dict[str, dict[str, str]] = self.driver.execute_script(script)
        return held

    def put_storage(self, held: dict[str, dict[str, str]]) -> None:
        """Fills the browser's storage, for the next load."""
        script = "for (const [s, all] of Object.entries(arguments[0])) Object.assign(window[s], all)"
        self.driver.execute_script(script, held)


def test_two_browsers_never_see_each_other(duo: Any, another_browser: Callable[[], Any], notes: Server) -> None:
    mine, yours = Page(duo.driver, notes.url), Page(another_browser(), notes.url)
    mine.write("mine")
    yours.write("yours")
    assert mine.shown() == ("['initial', 'mine']", "mine", "mine")
    assert yours.shown() == ("['initial', 'yours']", "yours", "yours")
    assert mine.click("who") != yours.click("who")
    yours.put_storage(mine.storage())
    yours.reload()
    assert yours.shown() == ("['initial']", "None", "None")
    assert mine.read() == "(['initial', 'mine'], 'mine', 'mine')"
    assert errors(yours.driver) == []


def test_four_tabs_at_once_are_one_session(duo: Any, notes: Server) -> None:
    driver = duo.driver
    driver.get(notes.url + "_favicon.ico")
    driver.execute_script("for (let i = 0; i < 4; i++) window.open(arguments[0])", notes.url)
    tabs = driver.window_handles[1:]
    assert len(tabs) == 4
    for tab in tabs:
        driver.switch_to.window(tab)
        rest(driver)
    sessions = set()
    for tab in tabs:
        driver.switch_to.window(tab)
        page = Tab(driver, notes.url)
        sessions.add(page.click("who"))
        page.write(f"tab {tabs.index(tab)}")
    assert len(sessions) == 1
    assert "nobody" not in sessions
    for index, tab in enumerate(tabs):
        driver.switch_to.window(tab)
        page = Tab(driver, notes.url)
        assert len(page.session_cookies()) == 1
        assert page.read() == f"(['initial', 'tab {index}'], 'tab 3', 'tab {index}')"
        page.reload()
        assert page.shown() == (f"['initial', 'tab {index}']", "tab 3", "None")
    assert errors(driver) == []


class Tab(Page):
    """A page that is open already."""

    def open(self) -> None:
        """Nothing to do."""


def test_cleared_cookies(duo: Any, notes: Server) -> None:
    page = Page(duo.driver, notes.url)
    page.write("before")
    before = page.click("who")
    duo.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    assert page.read() == "(['initial'], None, None)"
    page.write("after")
    assert page.shown() == ("['initial', 'after']", "after", "after")
    page.reload()
    assert page.shown() == ("['initial', 'after']", "after", "None")
    assert page.click("who") not in (before, "nobody")
    assert errors(duo.driver) == []


def test_the_cookie_is_out_of_reach_of_scripts(duo: Any, notes: Server) -> None:
    page = Page(duo.driver, notes.url)
    (cookie,) = page.session_cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert cookie["path"] == "/"
    assert duo.driver.execute_script("return document.cookie") == ""
    page.write("something")
    page.reload()
    assert page.session_cookies() == [cookie]


def test_a_browser_that_refuses_cookies(without_cookies: Any, tmp_path: Path) -> None:
    script = tmp_path / "memory.py"
    script.write_text(
        NOTES.read_text().replace('id="notes"', 'id="notes", storage_type="memory"').replace("local", "memory")
    )
    with serving(script, tmp_path / "memory.log") as server:
        page = Page(without_cookies, server.url)
        assert page.click("who") == "nobody"
        page.write("one")
        page.write("two")
        assert page.shown() == ("['initial', 'one', 'two']", "two", "two")
        assert page.read() == "(['initial', 'one', 'two'], 'two', 'two')"
        assert page.session_cookies() == []
        page.reload()
        assert page.shown() == ("['initial']", "None", "None")
        assert errors(without_cookies) == []


def test_a_restart_keeps_values(duo: Any, notes: Server) -> None:
    page = Page(duo.driver, notes.url)
    page.write("before")
    session = page.click("who")
    notes.kill()
    notes.start()
    assert page.read() == "(['initial', 'before'], 'before', 'before')"
    page.write("after")
    page.reload()
    assert page.shown() == ("['initial', 'before', 'after']", "after", "None")
    assert page.click("who") == session
    assert errors(duo.driver) == []


def test_a_restart_that_loses_the_data(duo: Any, tmp_path: Path) -> None:
    with serving(NOTES, tmp_path / "notes.log", STATE_BACKEND="memory") as server:
        page = Page(duo.driver, server.url)
        page.write("lost")
        server.kill()
        server.start()
        assert page.read() == "(['initial'], None, None)"
        page.reload()
        assert page.shown() == ("['initial']", "None", "None")
        page.write("again")
        page.reload()
        assert page.shown() == ("['initial', 'again']", "again", "None")
        assert "Traceback" not in server.output()
    assert errors(duo.driver) == []


def test_rotate_session(duo: Any, another_browser: Callable[[], Any], notes: Server) -> None:
    page = Page(duo.driver, notes.url)
    page.write("mine")
    held, before, (old,) = page.storage(), page.click("who"), page.session_cookies()
    assert page.click("rotate") == "rotate 1"
    assert page.session_cookies()[0]["value"] != old["value"]
    assert page.read() == "(['initial', 'mine'], 'mine', 'mine')"
    page.write("later")
    page.reload()
    assert page.shown() == ("['initial', 'mine', 'later']", "later", "None")
    assert page.click("who") != before

    thief = Page(another_browser(), notes.url)
    thief.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    thief.driver.add_cookie({"name": old["name"], "value": old["value"]})
    for stolen in (held, page.storage()):
        thief.put_storage(stolen)
        thief.reload()
        assert thief.shown() == ("['initial']", "None", "None")
    assert page.read() == "(['initial', 'mine', 'later'], 'later', None)"


def test_a_tab_that_was_open_at_a_login_goes_on(duo: Any, notes: Server) -> None:
    page = Page(duo.driver, notes.url)
    page.write("first tab")
    duo.driver.switch_to.new_window("tab")
    second = Page(duo.driver, notes.url)
    second.click("rotate")
    first, _ = duo.driver.window_handles
    duo.driver.switch_to.window(first)
    assert page.read() == "(['initial', 'first tab'], 'first tab', 'first tab')"
    page.write("and on")
    assert page.shown()[0] == "['initial', 'first tab', 'and on']"
    assert errors(duo.driver) == []
