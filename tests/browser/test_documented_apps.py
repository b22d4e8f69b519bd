"""Apps as in Dash's documentation, before and after the swap: nothing but the name `dcc.Store` changes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.server import APPS, serving
from tests.browser.support import PATIENCE, errors, rest

pytest_plugins = ["tests.browser.fixtures"]
pytestmark = pytest.mark.browser

CALLBACKS = "return performance.getEntriesByType('resource').filter(e => e.name.includes('update-component')).length"
TEXT = "return document.getElementById('react-entry-point').innerText.replace(/(Press SPACE|Loading).*\\n/g, '')"
"""What the page says, without what a grid says in passing to those who can't see it."""

DRAWN = """return [...document.querySelectorAll('.dash-graph')].every(
    graph => graph.querySelector('.main-svg') && !graph.classList.contains('dash-graph--pending'))"""


class Visitor:
    """Goes through an app and notes what the page says after each step, and how many callbacks it took.

    Args:
        driver: The browser.
        url: The app.
    """

    def __init__(self, driver: Any, url: str) -> None:
        self._driver, self._url = driver, url
        self.notes: list[tuple[str, int]] = []

    def open(self, new_tab: bool = False) -> None:
        """Opens the app."""
        if new_tab:
            self._driver.switch_to.new_window("tab")
        self._driver.get(self._url)
        self._note()

    def reload(self) -> None:
        """F5."""
        self._driver.refresh()
        self._note()

    def click(self, selector: str, index: int = 0) -> None:
        """Clicks on an element."""
        self._driver.find_elements(By.CSS_SELECTOR, selector)[index].click()
        self._note()

    def type(self, selector: str, text: str) -> None:
        """Types into a field."""
        self._driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)
        self._note()

    def edit(self, selector: str, text: str, index: int = 0) -> None:
        """Opens a cell of a grid, and types into it."""
        cell = self._driver.find_elements(By.CSS_SELECTOR, selector)[index]
        ActionChains(self._driver).double_click(cell).perform()
        field = WebDriverWait(self._driver, PATIENCE).until(lambda driver: cell.find_elements(By.TAG_NAME, "input"))[0]
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.ENTER)
        self._note()

    def _note(self) -> None:
        rest(self._driver)
        WebDriverWait(self._driver, PATIENCE, 0.05).until(lambda driver: driver.execute_script(DRAWN))
        self.notes.append((self._driver.execute_script(TEXT), self._driver.execute_script(CALLBACKS)))


def count(visitor: Visitor) -> None:
    visitor.open()
    for button in ("memory", "memory", "local", "session", "local"):
        visitor.click(f"#{button}-button")
    visitor.reload()
    for button in ("memory", "local", "session"):
        visitor.click(f"#{button}-button")
    visitor.open(new_tab=True)
    visitor.click("#local-button")


def choose(visitor: Visitor) -> None:
    visitor.open()
    for index in (1, 2, 0):
        visitor.click("#city input", index)
    visitor.reload()


def work(visitor: Visitor) -> None:
    visitor.open()
    for text in ("one", "two", "three"):
        visitor.type("#text", text)
        visitor.click("#add")
    visitor.click(".more", 1)
    visitor.click(".more", 1)
    visitor.click("#items input", 0)
    visitor.click("#items input", 2)
    visitor.click("#clear")
    visitor.reload()
    visitor.click(".more", 0)
    visitor.type("#text", "four")
    visitor.click("#add")


def redraw(visitor: Visitor) -> None:
    visitor.open()
    visitor.click("#scale input", 1)
    visitor.click("#indicator input", 1)
    visitor.click("#country input", 2)
    visitor.click("#again")
    visitor.click("#again")
    visitor.click("#country input", 0)
    visitor.reload()
    visitor.click("#again")


def travel(visitor: Visitor) -> None:
    visitor.open()
    for link in (2, 1, 4, 3):
        visitor.click(".link", link)
        if link < 4:
            visitor.click("#keep")
    visitor.reload()
    visitor.click(".link", 4)
    visitor.click(".drop", 1)
    visitor.click(".link", 1)
    visitor.click(".link", 0)


def trade(visitor: Visitor) -> None:
    visitor.open()
    visitor.edit("[col-id=price].ag-cell", "36000", 0)
    visitor.click("#add")
    visitor.click(".ag-selection-checkbox input", 1)
    visitor.click("#delete")
    visitor.edit("[col-id=price].ag-cell", "900", 2)
    visitor.reload()
    visitor.click("#add")


JOURNEYS = {
    "counters": (count, ["3\t1", "2", "4"]),
    "shared_data": (choose, ["values of Lima", "values of Oslo", "values of Pune", "by day", "spread"]),
    "indicators": (redraw, ["scale: log", "in all: 135000000", "in all: 382.35", '"y": [63.1', "again: 2", "again: 3"]),
    "pages": (
        travel,
        ["About Oslo", "people and was kept before", "Lima, Oslo", "3 kept", "drop Pune", "2 kept"],
    ),
    "grid": (trade, ["3 cars for 139,000", "Celica: 35000 to 36000", "4 cars for 140,850", "850 to 900", "108,900"]),
    "todo": (work, ["0 left of 0", "3 left of 3", "1 left of 1", "touched 2 times", "touched 3 times"]),
}


def swap(source: Path, target: Path) -> Path:
    """Writes the app after the swap."""
    text = source.read_text(encoding="utf-8")
    assert "dcc.Store(" in text
    first = next(line for line in text.splitlines() if line.startswith("from dash import"))
    text = text.replace(first, f"{first}\nfrom dash_statemanager import ServerStore", 1)
    target.write_text(text.replace("dcc.Store(", "ServerStore("), encoding="utf-8")
    return target


@pytest.mark.parametrize("name", JOURNEYS)
def test_the_swap_changes_nothing_that_a_visitor_sees(duo: Any, tmp_path: Path, name: str) -> None:
    journey, expected = JOURNEYS[name]
    before = APPS / f"{name}.py"
    after = swap(before, tmp_path / f"{name}.py")
    notes = []
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(app, tmp_path / f"{name}.log")) for app in (before, after)]
        for server in servers:
            visitor = Visitor(duo.driver, server.url)
            journey(visitor)
            notes.append(visitor.notes)
            assert errors(duo.driver) == []
            assert "Traceback" not in server.output()
    assert notes[1] == notes[0]
    seen = "\n".join(text for text, _ in notes[0])
    assert [text for text in expected if text not in seen] == []
