"""An app inside a page of another site, with a cookie that other sites' frames send, and without."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.server import APPS, serving
from tests.browser.support import PATIENCE, errors, rest, text

pytest_plugins = ["tests.browser.fixtures"]
pytestmark = pytest.mark.browser


@pytest.fixture
def other_site() -> Iterator[Any]:
    """A site that frames what its address names: `127.0.0.1` and `localhost` are two sites for a browser."""

    class Framing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = f"<iframe id='app' width='900' height='700' src='{self.path[1:]}'></iframe>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Framing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield lambda address: f"http://127.0.0.1:{server.server_port}/{address}"
    server.shutdown()
    server.server_close()


def click(driver: Any, name: str) -> None:
    driver.find_element(By.ID, name).click()
    rest(driver)


def enter(driver: Any, address: str) -> None:
    driver.get(address)
    WebDriverWait(driver, PATIENCE).until(lambda _: driver.find_elements(By.ID, "app"))
    driver.switch_to.frame("app")
    rest(driver)


@pytest.mark.parametrize("samesite", ["Lax", "None"])
def test_an_app_in_a_frame_of_another_site(duo: Any, other_site: Any, tmp_path: Path, samesite: str) -> None:
    driver = duo.driver
    with serving(APPS / "notes.py", tmp_path / "notes.log", STATE_COOKIE_SAMESITE=samesite) as server:
        address = other_site(server.url.replace("127.0.0.1", "localhost"))
        enter(driver, address)
        driver.find_element(By.ID, "text").send_keys("framed")
        rest(driver)
        click(driver, "write")
        assert text(driver, "notes-shown") == "['initial', 'framed']"
        click(driver, "who")
        who = text(driver, "who-shown")
        assert (who == "nobody") == (samesite == "Lax")
        enter(driver, address)
        assert text(driver, "notes-shown") == "['initial', 'framed']"
        click(driver, "who")
        assert text(driver, "who-shown") == who
        assert errors(driver) == []
