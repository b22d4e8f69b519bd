"""ServerStore behaves as the dcc.Store beside it: same values, same texts, same number of callbacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import dash
import pytest
from dash import Input, Output, ctx, dcc, html, no_update
from selenium.webdriver.common.by import By

from tests.browser.support import KINDS, Twins, button, errors, rest, stores

pytest_plugins = ["tests.browser.fixtures"]
pytestmark = pytest.mark.browser
STORAGE = ("memory", "session", "local")
VALUES: list[Any] = [0, "", False, [], {}, None, 0.5, "text", {"a": [1, None, {"b": False}]}]


@pytest.fixture(params=STORAGE)
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def no_pages() -> Iterator[None]:
    dash.page_registry.clear()
    yield
    dash.page_registry.clear()


def write_by_buttons(twins: Twins, values: dict[str, Any], name: str = "store") -> list[Any]:
    """One button for each value, which puts it into both stores."""
    for kind in KINDS:

        @twins.app.callback(
            Output(f"{kind}-{name}", "data"),
            [Input(value, "n_clicks") for value in values],
            prevent_initial_call=True,
        )
        def write(*_: int) -> Any:
            return values[str(ctx.triggered_id)]

    return [button(value) for value in values]


@pytest.mark.parametrize("layout", ["static", "function"])
def test_initial_values(twins: Twins, storage: str, layout: str) -> None:
    names = {f"store{index}": value for index, value in enumerate(VALUES)}
    outs = [out for name in names for out in twins.readers(name)]

    def build() -> list[Any]:
        made = [store for name, value in names.items() for store in stores(name, data=value, storage_type=storage)]
        return [*made, *stores("absent", storage_type=storage), *outs, *absent]

    absent = twins.readers("absent")
    twins.app.layout = build if layout == "function" else build()
    twins.start()
    expected = {f"{name}_data": json.dumps(value) for name, value in names.items()}
    twins.check(**expected, absent_data="null")
    twins.reload()
    twins.check(**expected, absent_data="null")
    assert errors(twins.driver) == []


def test_clear_data(twins: Twins, storage: str) -> None:
    for name in ("store", "seeded"):
        for kind in KINDS:

            @twins.app.callback(
                Output(f"{kind}-{name}", "clear_data"), Input("clear", "n_clicks"), prevent_initial_call=True
            )
            def clear(_: int) -> bool:
                return True

    buttons = write_by_buttons(twins, {"a": {"n": 1}, "b": {"n": 2}})
    outs = [*twins.readers(), *twins.readers("seeded")]
    seeded = stores("seeded", data=["initial"], storage_type=storage)
    twins.start(*stores(storage_type=storage), *seeded, *buttons, button("clear"), *outs)
    for step, shown in (("a", '{"n": 1}'), ("clear", "null"), ("b", '{"n": 2}'), ("clear", "null"), ("clear", "null")):
        twins.click(step)
        twins.check(store_data=shown, seeded_data='["initial"]' if step == "a" else twins.shown("plain")["seeded-data"])
    twins.check(seeded_data="null")
    twins.reload()
    twins.check(store_data="null", seeded_data='["initial"]')


def test_modified_timestamp_and_readers_fire_alike(twins: Twins, storage: str) -> None:
    values = {"a": {"n": 1, "m": [2]}, "equal": {"n": 1, "m": [2]}, "b": 7, "none": None, "skip": no_update}
    buttons = write_by_buttons(twins, values)
    twins.start(*stores(storage_type=storage), *buttons, *twins.readers())
    changes = []
    for step in ("a", "equal", "a", "b", "equal", "none", "none", "skip", "b", "b"):
        before = len(twins.journal.of("plain")["store change"])
        twins.click(step)
        twins.check()
        changes.append(len(twins.journal.of("plain")["store change"]) - before)
    assert changes == [1, 0, 0, 1, 1, 1, 0, 0, 1, 0]


def test_the_initial_value_returned_again_changes_nothing(twins: Twins, storage: str) -> None:
    buttons = write_by_buttons(twins, {"same": {"n": 1}, "other": {"n": 2}})
    twins.start(*stores(data={"n": 1}, storage_type=storage), *buttons, *twins.readers())
    twins.check(store_data='{"n": 1}')
    for step in ("same", "other", "same", "same"):
        twins.click(step)
        twins.check(store_data='{"n": 2}' if step == "other" else '{"n": 1}')


def test_no_update_and_prevent_initial_call(twins: Twins, storage: str) -> None:
    for kind in KINDS:

        @twins.app.callback(
            Output(f"{kind}-store", "data"), Output(f"{kind}-count", "children"), Input("write", "n_clicks")
        )
        def write(clicks: int | None, kind: str = kind) -> tuple[Any, int]:
            twins.journal.note(kind, "write", clicks)
            return (no_update if clicks != 2 else [clicks]), clicks or 0

    counts = [html.Div(id=f"{kind}-count") for kind in KINDS]
    readers = twins.readers(prevent_initial_call=True)
    twins.start(*stores(data=["initial"], storage_type=storage), button("write"), *counts, *readers)
    twins.check(count="0")
    assert "store-data" not in twins.shown("plain")
    for clicks in (1, 2, 3):
        twins.click("write")
        twins.check(count=str(clicks))
    twins.check(store_data="[2]")


def test_remount_in_dynamic_children(twins: Twins, storage: str) -> None:
    for kind, store in KINDS.items():

        @twins.app.callback(Output(f"{kind}-box", "children"), Input("open", "n_clicks"), Input("close", "n_clicks"))
        def fill(*_: int, kind: str = kind, store: type[Any] = store) -> list[Any]:
            if ctx.triggered_id != "open":
                return []
            empty = store(id=f"{kind}-store", storage_type=storage)
            seeded = store(id=f"{kind}-seeded", data={"initial": 0}, storage_type=storage)
            return [empty, seeded]

    buttons = [
        *write_by_buttons(twins, {"a": [1], "b": [2]}),
        *write_by_buttons(twins, {"c": [3]}, "seeded"),
        button("open"),
        button("close"),
    ]
    outs = [*twins.readers(), *twins.readers("seeded")]
    twins.start(*[html.Div(id=f"{kind}-box") for kind in KINDS], *buttons, *outs)
    for step in ("open", "close", "open", "a", "close", "open", "b", "c", "close", "open"):
        twins.click(step)
        twins.check()
    kept = storage != "memory"
    twins.check(store_data="[2]" if kept else "null", seeded_data="[3]" if kept else '{"initial": 0}')
    assert errors(twins.driver) == []


def test_tab_switch(twins: Twins, storage: str) -> None:
    buttons = write_by_buttons(twins, {"a": [1]})
    first = [*stores(data=["initial"], storage_type=storage), *twins.readers(), *buttons]
    tabs = dcc.Tabs([dcc.Tab(first, label="one", value="one"), dcc.Tab("nothing", label="two", value="two")], "one")
    twins.start(tabs)
    for step in ("two", "one", "a", "two", "one"):
        if step == "a":
            twins.click(step)
        else:
            twins.driver.find_element(By.XPATH, f"//*[text()='{step}']").click()
        twins.check()
    assert errors(twins.driver) == []


def test_new_tab(twins: Twins, storage: str) -> None:
    buttons = write_by_buttons(twins, {"a": [1], "b": [2]})
    twins.start(*stores(data=["initial"], storage_type=storage), *buttons, *twins.readers())
    twins.click("a")
    twins.check(store_data="[1]")
    twins.browser.open_new_tab()
    first, second = twins.driver.window_handles
    twins.driver.switch_to.window(second)
    twins.check(store_data='["initial"]' if storage == "memory" else "[1]")
    twins.click("b")
    twins.driver.switch_to.window(first)
    twins.await_text("store-data", "[2]" if storage == "local" else "[1]")
    twins.check()


def test_reload(twins: Twins, storage: str) -> None:
    buttons = write_by_buttons(twins, {"a": [1], "zero": 0})
    outs = [*twins.readers(), *twins.readers("seeded")]
    seeded = stores("seeded", data={"initial": True}, storage_type=storage)
    twins.start(*stores(storage_type=storage), *seeded, *buttons, *outs)
    for step in ("a", "zero"):
        twins.click(step)
        twins.reload()
        twins.check(seeded_data='{"initial": true}')
    twins.check(store_data="null" if storage == "memory" else "0")


@pytest.mark.usefixtures("no_pages")
def test_navigation(duo: Any, storage: str) -> None:
    twins = Twins(duo, use_pages=True, pages_folder="", suppress_callback_exceptions=True)
    shell = write_by_buttons(twins, {"a": [1]})
    inside = write_by_buttons(twins, {"b": [2]}, "inside")
    outs = [*twins.readers(), *twins.readers("inside")]
    page = [*stores("inside", data=["initial"], storage_type=storage), *inside]
    dash.register_page("home", path="/", layout=html.Div(page))
    dash.register_page("other", path="/other", layout=lambda: html.Div("another page", id="another"))
    links = [dcc.Link("home", href="/", id="home"), dcc.Link("other", href="/other", id="other")]
    twins.start(*stores(storage_type=storage), *links, *shell, *outs, dash.page_container)
    for step in ("a", "b", "other", "home", "other"):
        twins.click(step)
        twins.check(store_data="[1]")
    twins.driver.get(f"{duo.server_url}/")
    rest(twins.driver)
    kept = storage != "memory"
    twins.check(store_data="[1]" if kept else "null", inside_data="[2]" if kept else '["initial"]')
    assert errors(twins.driver) == []


def test_five_megabytes(twins: Twins, storage: str) -> None:
    big = "é" * (5 << 20)
    for kind in KINDS:

        @twins.app.callback(Output(f"{kind}-data", "children"), Input(f"{kind}-store", "data"))
        def show(data: str | None) -> str:
            return "nothing" if data is None else f"{len(data)} {sha256(data.encode()).hexdigest()[:8]}"

    buttons = write_by_buttons(twins, {"big": big})
    twins.start(*stores(storage_type=storage), *buttons, *[html.Div(id=f"{kind}-data") for kind in KINDS])
    expected = f"{len(big)} {sha256(big.encode()).hexdigest()[:8]}"
    twins.click("big")
    assert twins.shown("server")["data"] == expected
    over_quota = storage != "memory"
    assert over_quota == any("QuotaExceededError" in error for error in errors(twins.driver))
    twins.reload()
    assert twins.shown("server")["data"] == (expected if over_quota else "nothing")
    assert twins.shown("plain")["data"] == "nothing"
    assert errors(twins.driver) == []
