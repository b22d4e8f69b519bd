"""What the browser tests share: apps that have everything twice, and waiting until a page has come to rest."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import dash
from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from dash_statemanager import ServerStore

KINDS: dict[str, type[Any]] = {"plain": dcc.Store, "server": ServerStore}
"""A `dcc.Store` and the store that takes its place: all ids in an app start with the kind."""
PATIENCE = 20.0
"""Seconds until a wait gives up; a busy machine may need them."""

REST = """
const done = arguments[0];
let quiet = 0, last = null;
const idle = state => {
    if (!state || state.appLifecycle !== 'HYDRATED') return false;
    const {stored, completed, ...running} = state.callbacks;
    return Object.values(running).every(callbacks => !callbacks.length);
};
const look = () => {
    const state = window.store && window.store.getState();
    quiet = idle(state) && state === last ? quiet + 1 : 0;
    last = state;
    // Rendering is put off while there is work: what counts is that the page has nothing left to do.
    quiet > 5 ? done() : requestIdleCallback(look, {timeout: 300});
};
look();
"""
TEXTS = """
const elements = [...document.querySelectorAll(`[id^="${arguments[0]}-"]`)].filter(e => e.innerText !== '');
return Object.fromEntries(elements.map(e => [e.id.slice(arguments[0].length + 1), e.innerText]));
"""


class Journal:
    """What the callbacks of each kind of store received, in order; filled by the server's threads."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], list[Any]] = defaultdict(list)
        self._lock = threading.Lock()

    def note(self, kind: str, name: str, *values: Any) -> None:
        with self._lock:
            self._calls[kind, name].append(json.loads(json.dumps(values)))

    def of(self, kind: str) -> dict[str, list[Any]]:
        """All calls of a kind, by the callback's name."""
        with self._lock:
            return {name: list(calls) for (of, name), calls in self._calls.items() if of == kind}


class Twins:
    """An app in which everything is there twice, in a browser.

    Args:
        browser: The `dash_duo` fixture.
        **options: For `dash.Dash`.
    """

    def __init__(self, browser: Any, **options: Any) -> None:
        self.browser, self.driver = browser, browser.driver
        self.journal = Journal()
        self.app = dash.Dash(__name__, **options)

    def readers(self, name: str = "store", **options: Any) -> list[Component]:
        """Callbacks that show each kind's store and note what they received; returns what they write into."""
        outs: list[Component] = []
        for kind in KINDS:
            self._read(kind, name, **options)
            outs += [html.Div(id=f"{kind}-{name}-data"), html.Div(id=f"{kind}-{name}-change")]
        return outs

    def _read(self, kind: str, name: str, **options: Any) -> None:
        store = f"{kind}-{name}"

        @self.app.callback(Output(f"{store}-data", "children"), Input(store, "data"), **options)
        def show(data: Any) -> str:
            self.journal.note(kind, f"{name} data", data)
            return json.dumps(data)

        @self.app.callback(
            Output(f"{store}-change", "children"), Input(store, "modified_timestamp"), State(store, "data"), **options
        )
        def change(timestamp: float | None, data: Any) -> str:
            self.journal.note(kind, f"{name} change", (timestamp or 0) > 0, data)
            return json.dumps(data)

    def start(self, *layout: Component) -> None:
        """Serves the app, opens it and waits until it has come to rest."""
        if layout:
            self.app.layout = list(layout)
        self.browser.start_server(self.app, start_timeout=PATIENCE)
        rest(self.driver)

    def click(self, element: str) -> None:
        """Clicks, and waits until all that follows has happened."""
        self.driver.find_element(By.ID, element).click()
        rest(self.driver)

    def reload(self) -> None:
        """F5."""
        self.driver.refresh()
        rest(self.driver)

    def shown(self, kind: str) -> dict[str, str]:
        """The texts that a kind shows, by id without the kind."""
        texts: dict[str, str] = self.driver.execute_script(TEXTS, kind)
        return texts

    def check(self, **expected: str) -> None:
        """Both kinds show the same, these texts among it, and their callbacks were called alike."""
        rest(self.driver)
        plain = self.shown("plain")
        assert_equal(self.shown("server"), plain)
        assert_equal({name: plain.get(name.replace("_", "-")) for name in expected}, expected)
        assert_equal(self.journal.of("server"), self.journal.of("plain"))

    def await_text(self, name: str, text: str) -> None:
        """Waits until both kinds show a text."""
        for kind in KINDS:
            await_text(self.driver, f"{kind}-{name}", text)


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Fails with what differs."""
    names = [name for name in {**found, **expected} if found.get(name) != expected.get(name)]
    assert not names, "\n".join(f"{name}: {found.get(name)} instead of {expected.get(name)}" for name in names)


def stores(name: str = "store", **arguments: Any) -> Iterator[Component]:
    """A store of each kind."""
    for kind, store in KINDS.items():
        yield store(id=f"{kind}-{name}", **arguments)


def button(name: str) -> Component:
    """A button that says its name."""
    return html.Button(name, id=name)


def rest(driver: Any) -> None:
    """Waits until the page has loaded and nothing of it is under way."""
    WebDriverWait(driver, PATIENCE, 0.05).until(lambda _: driver.execute_script("return !!window.store"))
    driver.execute_cdp_cmd("Page.bringToFront", {})  # a tab in the background has few idle moments
    driver.execute_async_script(REST)


def text(driver: Any, element: str) -> str:
    """What an element says, '' where there is none."""
    found: str = driver.execute_script("return document.getElementById(arguments[0])?.innerText ?? ''", element)
    return found


def await_text(driver: Any, element: str, expected: str) -> None:
    """Waits until an element says this."""
    waiting = WebDriverWait(driver, PATIENCE, 0.05)
    waiting.until(lambda _: text(driver, element) == expected, f"#{element} does not say {expected!r}")


def errors(driver: Any) -> list[str]:
    """What the console holds of errors since the last look."""
    return [entry["message"] for entry in driver.get_log("browser")]
