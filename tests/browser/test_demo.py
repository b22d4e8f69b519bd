"""The demo's whole journey, in a real browser against a real server process of its own."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from demo_app import data
from tests.servers.base import free_port

pytestmark = pytest.mark.browser
PATIENCE = 60
FLIGHTS = 336_776


class Server:
    """`python -m demo_app` in a process and a working folder of its own; can be stopped and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options, self.port = folder, options, free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "demo_app", "--port", str(self.port), *self.options]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        _until(self._answers, f"the server to start; see {self.folder / 'server.log'}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            return urllib.request.urlopen(self.url, timeout=PATIENCE).status == 200
        except urllib.error.URLError:
            return False


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.05)


class Visitor:
    """A browser, and what a person does with the demo in it."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, path: str = "/") -> None:
        self.driver.get(self.url + path)

    def go(self, page: str) -> None:
        """By the navigation, without a reload."""
        self.find(f"nav a[href='/{page}']").click()

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        waiting = WebDriverWait(self.driver, PATIENCE, 0.05, ignored_exceptions=[StaleElementReferenceException])
        return waiting.until(lambda _: condition(), f"waited for {what}")

    def all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found

    def find(self, selector: str) -> WebElement:
        visible: list[WebElement] = self.wait(
            lambda: [one for one in self.all(selector) if one.is_displayed()], f"an element {selector}"
        )
        return visible[0]

    def text(self, selector: str, pattern: str) -> str:
        """The text of an element, once it matches."""
        waited = self.wait(lambda: re.search(pattern, self.find(selector).text), f"{pattern!r} in {selector}")
        return str(waited.string)

    def press(self, selector: str) -> None:
        button = self.find(selector)
        self.wait(button.is_enabled, f"{selector} to be enabled")
        button.click()

    def choose(self, label: str, *values: str) -> None:
        """Types values into a select and takes each."""
        field = self.find(f"input[aria-label='{label}']")
        for value in values:
            field.send_keys(value)
            self.wait(lambda value=value: self._offers(value), f"{value} to be offered")
            field.send_keys(Keys.ARROW_DOWN, Keys.ENTER)

    def _offers(self, value: str) -> bool:
        return any(one.text == value for one in self.all("[role='option']"))

    def pick(self, name: str, value: str) -> None:
        """Takes a choice of a segmented control; its radio button itself is hidden."""
        radio = self.wait(lambda: self.all(f"#{name} input[value='{value}']"), f"the choice {value}")[0]
        self.driver.execute_script("arguments[0].click()", radio)

    def chosen(self, name: str) -> str:
        radios = self.wait(lambda: self.all(f"#{name} input:checked"), f"a choice in {name}")
        return str(radios[0].get_attribute("value"))

    def columns(self) -> int:
        return len(self.all("#columns-section .mantine-Pill-root"))

    def count(self, rows: int) -> None:
        self.text("#count", f"^{rows:,}$")

    def run(self, rows: int) -> list[str]:
        """Runs the query; returns all texts that the progress showed."""
        self.find("#run")
        self.driver.execute_script(WATCH_PROGRESS)
        self.press("#run")
        self.text("#rows", f"^{rows:,} flights$")
        self.wait(lambda: not self.find_job().is_displayed(), "the progress to go away")
        return list(self.driver.execute_script("return window.seenProgress"))

    def find_job(self) -> WebElement:
        return self.all("#job")[0]

    def cell(self, row: int, column: str, grid: str = "#grid") -> str:
        """A value in the grid, once it has arrived."""
        selector = f"{grid} [row-index='{row}'] [col-id='{column}']"
        found = self.wait(lambda: [one.text for one in self.all(selector) if one.text], f"row {row} of {grid}")
        return str(found[0])

    def scroll_to_the_last_row(self) -> None:
        self.find("#grid .ag-body-viewport")
        self.driver.execute_script("document.querySelector('#grid .ag-body-viewport').scrollTop = 1e9")

    def select_marks(self) -> int:
        """Draws a box over most of the chart; returns how many marks are listed."""
        area = self.find("#graph .nsewdrag")
        width, height = int(area.rect["width"] * 0.3), int(area.rect["height"] * 0.35)
        drag = ActionChains(self.driver).move_to_element(area).move_by_offset(-width, -height).click_and_hold()
        drag.move_by_offset(width, height).move_by_offset(width, height).release().perform()
        return self.selected()

    def selected(self) -> int:
        return int(self.text("#selected-count", r"[\d,]+ selected marks?$").split()[-3].replace(",", ""))

    def cookies(self) -> str:
        return "; ".join(f"{one['name']}={one['value']}" for one in self.driver.get_cookies())

    def download(self, file: str) -> bytes:
        """What the link on the page gives to this browser's session."""
        address = str(self.find(f"a[href$='{file}']").get_attribute("href"))
        request = urllib.request.Request(address, headers={"Cookie": self.cookies()})
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return bytes(response.read())

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def outside(self) -> list[str]:
        """Addresses of requests that left for anywhere but the server."""
        script = "return performance.getEntriesByType('resource').map(one => one.name)"
        return [
            name for name in self.driver.execute_script(script) if not name.startswith((self.url, "data:", "blob:"))
        ]


WATCH_PROGRESS = """
    window.seenProgress = [];
    const job = document.querySelector('#job'), step = document.querySelector('#job-step');
    new MutationObserver(() => job.hidden || window.seenProgress.push(step.textContent)).observe(
        job, {attributes: true, characterData: true, childList: true, subtree: true});
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*options: str) -> Server:
        servers.append(Server(tmp_path, *options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
        print((server.folder / "server.log").read_text()[-5000:])


@pytest.fixture
def visit(request: pytest.FixtureRequest) -> Iterator[Callable[..., Visitor]]:
    drivers: list[webdriver.Chrome] = []

    def open_browser(server: Server, width: int = 1440, height: int = 900) -> Visitor:
        options = request.config.hook.pytest_setup_options()[0]
        options.add_argument(f"--window-size={width},{height}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        drivers.append(webdriver.Chrome(options=options))
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        drivers[-1].execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        return Visitor(drivers[-1], server.url)

    yield open_browser
    for driver in drivers:
        driver.quit()


@pytest.fixture(scope="module")
def united() -> pd.DataFrame:
    """What the journey asks for, straight from the files."""
    flights = pd.read_csv(data.folder() / "flights.csv.zip")
    return flights[flights["carrier"] == "UA"].reset_index(drop=True)


def test_the_whole_journey(serve: Any, visit: Any, united: pd.DataFrame) -> None:
    server = serve()
    alice = visit(server)

    alice.open("/plot")
    alice.text("#plot-body", "Nothing here yet")
    alice.press("#go-to-query")
    alice.count(FLIGHTS)

    alice.choose("Carrier", "UA")
    alice.count(len(united))
    alice.find("[role='slider'][aria-label='Distance (mi), to']").send_keys(Keys.ARROW_LEFT * 40)
    alice.text("[id*='filter-text'][id*='distance']", "^17 – 4,943$")
    wanted = united[united["distance"] <= 4943].reset_index(drop=True)
    assert len(wanted) < len(united)
    alice.count(len(wanted))

    shown = alice.run(len(wanted))
    assert any(re.search(r"[\d,]+ of [\d,]+ rows joined|Storing|Loading", text) for text in shown), shown

    assert alice.cell(0, "flight") == str(wanted["flight"][0])
    alice.scroll_to_the_last_row()
    last = len(wanted) - 1
    assert alice.cell(last, "flight") == str(wanted["flight"][last])
    assert alice.cell(last, "tailnum") == wanted["tailnum"][last]

    assert alice.download("flights.csv").count(b"\n") == len(wanted) + 1
    parquet = pd.read_parquet(io.BytesIO(alice.download("flights.parquet")))
    assert parquet["flight"].tolist() == wanted["flight"].tolist()

    alice.go("plot")
    alice.text("#note", rf"a random sample of 10,000 of {len(wanted):,} rows")
    selected = alice.select_marks()
    assert 0 < selected <= 10_000
    alice.pick("chart", "histogram")
    alice.text("#note", rf"of {len(wanted):,} rows are counted into 60 bars")

    alice.go("profile")
    assert len(alice.wait(lambda: alice.all(".profile-card"), "the profile")) == 21

    def everything_is_still_there() -> None:
        assert alice.chosen("chart") == "histogram"
        alice.text("#note", rf"of {len(wanted):,} rows are counted into 60 bars")
        assert alice.selected() == selected

    alice.go("plot")
    everything_is_still_there()
    alice.driver.refresh()
    everything_is_still_there()

    server.stop()
    server.start()
    alice.driver.refresh()
    everything_is_still_there()
    alice.go("")
    alice.count(len(wanted))
    alice.text("#rows", f"^{len(wanted):,} flights$")
    assert alice.cell(0, "flight") == str(wanted["flight"][0])

    bob = visit(server)
    bob.open("/")
    bob.count(FLIGHTS)
    bob.text("#result", "Nothing here yet")
    bob.open("/state")
    bob.text("#figures", "query-form")
    assert not bob.all("#store-flights")

    alice.go("state")
    alice.text("#store-flights", rf"{len(wanted):,} × 21")
    assert re.search(r"\b\d\d B\b", alice.find("#store-flights").text)
    alice.press("#clear")
    alice.press("#confirm")
    alice.wait(lambda: not alice.all("#store-flights"), "the stores to be gone")
    alice.go("plot")
    alice.text("#plot-body", "Nothing here yet")

    assert (alice.errors(), alice.outside()) == ([], [])
    assert (bob.errors(), bob.outside()) == ([], [])


@pytest.mark.parametrize("backend", ["memory", "database"])
def test_all_rows_and_columns_go_into_a_store_and_through_the_grid(serve: Any, visit: Any, backend: str) -> None:
    alice = visit(serve("--backend", backend))
    alice.open()
    assert alice.find("#backend").text.lower() == backend
    for table in ("planes", "origins", "dests"):
        chip = alice.wait(lambda table=table: alice.all(f"#form input[value='{table}']"), f"the table {table}")
        alice.driver.execute_script("arguments[0].click()", chip[0])
    alice.wait(lambda: alice.columns() == 39, "the columns of the tables")
    alice.press("#all-columns")
    alice.wait(lambda: alice.columns() == 50, "all columns")
    shown = alice.run(FLIGHTS)
    assert any("rows joined" in text or "Storing" in text for text in shown), shown
    alice.text("#result", r"50 columns")
    alice.scroll_to_the_last_row()
    assert alice.cell(FLIGHTS - 1, "flight")
    alice.text("#session-server", r"1\d\d\.\d MB")
    alice.text("#session-browser", r"^\d\d B$")
    assert alice.errors() == []


def test_the_grid_sorts_all_rows_on_the_server(serve: Any, visit: Any) -> None:
    alice = visit(serve())
    alice.open()
    alice.run(FLIGHTS)
    alice.cell(0, "date")
    header = alice.find("#grid [col-id='date'] .ag-header-cell-label")
    header.click()
    header.click()
    alice.wait(lambda: alice.cell(0, "date") == "2013-12-31", "the last day first")


def test_a_new_query_replaces_what_the_grid_shows(serve: Any, visit: Any, united: pd.DataFrame) -> None:
    alice = visit(serve())
    alice.open()
    alice.run(FLIGHTS)
    alice.scroll_to_the_last_row()
    assert alice.cell(FLIGHTS - 1, "flight")
    alice.choose("Carrier", "UA")
    alice.count(len(united))
    alice.run(len(united))
    alice.wait(lambda: alice.cell(2, "flight") == str(united["flight"][2]), "the rows of the new query")
    alice.scroll_to_the_last_row()
    assert alice.cell(len(united) - 1, "flight") == str(united["flight"].iloc[-1])


def test_the_map_shows_routes_without_asking_anyone_outside(serve: Any, visit: Any) -> None:
    alice = visit(serve())
    alice.open()
    alice.run(FLIGHTS)
    alice.go("plot")
    alice.pick("chart", "routes")
    alice.text("#note", r"329,174 of 336,776 flights on 217 routes")
    land = alice.wait(lambda: alice.all("#graph .geo path.land, #graph .layer.land path"), "the land to be drawn")
    assert land[0].get_attribute("d")
    assert (alice.errors(), alice.outside()) == ([], [])


def test_light_and_dark_persist_and_reach_the_figures(serve: Any, visit: Any) -> None:
    alice = visit(serve())
    alice.open()
    alice.run(FLIGHTS)
    alice.go("plot")
    alice.text("#note", "10,000 of 336,776")

    def scheme() -> str:
        return str(alice.driver.execute_script("return document.documentElement.dataset.mantineColorScheme"))

    def ink() -> str:
        return str(alice.find("#graph .xtick text").value_of_css_property("fill"))

    first, first_ink = scheme(), ink()
    alice.press("#scheme")
    alice.wait(lambda: scheme() != first and ink() != first_ink, "the other colours")
    second, second_ink = scheme(), ink()
    alice.driver.refresh()
    alice.text("#note", "10,000 of 336,776")
    assert (scheme(), ink()) == (second, second_ink)


def test_a_phone_has_everything_in_reach(serve: Any, visit: Any) -> None:
    alice = visit(serve(), width=390, height=844)
    alice.open()
    alice.count(FLIGHTS)
    alice.run(FLIGHTS)
    for page, landmark in (
        ("plot", "#graph"),
        ("profile", ".profile-card"),
        ("state", "#store-flights"),
        ("", "#rows"),
    ):
        alice.press("#burger")
        alice.go(page)
        alice.find(landmark)
        width = "return [document.documentElement.scrollWidth, window.innerWidth]"
        scroll, window = alice.driver.execute_script(width)
        assert scroll <= window, f"{page or 'query'} is wider than the phone"
    assert alice.errors() == []


def test_the_app_is_there_for_a_wsgi_server(tmp_path: Path) -> None:
    code = (
        "from demo_app.app import app, server; assert server is app.server; print(server.test_client().get('/').status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert done.stdout.strip() == "200 OK", done.stderr
