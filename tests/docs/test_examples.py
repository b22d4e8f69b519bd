"""What the documentation shows does what the documentation says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from selenium.webdriver.common.keys import Keys

import dash_statemanager as dsm

EXAMPLES = sorted(path.stem for path in (Path(__file__).parents[2] / "docs" / "examples").glob("*.py"))
Load = Callable[[str], ModuleType]


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"values", "asgi"}))
def test_an_example_serves_its_page(example: Load, name: str) -> None:
    client = example(name).server.test_client()
    assert client.get("/").status_code == 200
    assert client.get("/_dash-layout").status_code == 200
    assert client.get("/_dash-dependencies").json


def test_the_first_store_keeps_a_table_that_two_callbacks_read(example: Load, dash_duo: Any) -> None:
    dash_duo.start_server(example("first_store").app)
    dash_duo.wait_for_text_to_equal("#summary", "Nothing measured yet.")
    dash_duo.find_element("#measure").click()
    dash_duo.wait_for_contains_text("#summary", "300,000 temperatures")
    measured = dash_duo.find_element("#summary").text
    assert len(dash_duo.driver.execute_script("return sessionStorage.getItem('measurements')")) < 120
    dash_duo.driver.refresh()
    dash_duo.wait_for_text_to_equal("#summary", measured)
    dash_duo.wait_for_element("#curve .scatterlayer .trace")
    assert dash_duo.get_logs() == []


@pytest.mark.parametrize("name", ["swap_before", "swap_after", "swap_tidied"])
def test_the_swapped_app_shows_what_it_showed_before(example: Load, dash_duo: Any, name: str) -> None:
    dash_duo.start_server(example(name).app)
    dash_duo.wait_for_text_to_equal("#rows", "3 flights from JFK")
    assert dash_duo.get_logs() == []


def test_the_app_of_the_readme_counts_flights(example: Load, dash_duo: Any) -> None:
    pd.DataFrame({"flight": range(1234)}).to_parquet("flights.parquet")
    dash_duo.start_server(example("readme").app)
    dash_duo.find_element("#load").click()
    dash_duo.wait_for_text_to_equal("#rows", "1,234 flights")


def test_a_login_rotates_the_cookie_and_finds_the_users_notes_again(example: Load, dash_duo: Any) -> None:
    def log_in(user: str, password: str) -> None:
        for field, text in (("#name", user), ("#password", password)):
            dash_duo.clear_input(field)
            dash_duo.find_element(field).send_keys(text)
        dash_duo.find_element("#log-in").click()

    dash_duo.start_server(example("login").app)
    log_in("ada", "wrong")
    dash_duo.wait_for_text_to_equal("#who", "That is not right.")
    before = state_cookie(dash_duo.driver)
    log_in("ada", "engine")
    dash_duo.wait_for_text_to_equal("#who", "Hello, ada.")
    assert state_cookie(dash_duo.driver) != before
    dash_duo.find_element("#note").send_keys("a secret")
    dash_duo.find_element("#keep").click()
    dash_duo.wait_for_text_to_equal("#kept", "a secret")
    dash_duo.find_element("#log-out").click()
    dash_duo.wait_for_text_to_equal("#kept", "")
    log_in("emmy", "ring")
    dash_duo.wait_for_text_to_equal("#who", "Hello, emmy.")
    dash_duo.wait_for_text_to_equal("#kept", "")
    log_in("ada", "engine")
    dash_duo.wait_for_text_to_equal("#kept", "a secret")


def state_cookie(driver: Any) -> str:
    (cookie,) = [cookie for cookie in driver.get_cookies() if cookie["name"].startswith("dash_")]
    assert cookie["httpOnly"]
    return str(cookie["value"])


def test_stores_by_name(example: Load, dash_duo: Any) -> None:
    dash_duo.start_server(example("by_name").app)
    dash_duo.wait_for_text_to_equal("#chosen", "JFK it is.")
    dash_duo.find_element("#show").click()
    dash_duo.wait_for_text_to_equal("#shown", "All about JFK")
    dash_duo.wait_for_text_to_equal("#count", "Shown 1 times")
    dash_duo.find_element("#show").click()
    dash_duo.wait_for_text_to_equal("#count", "Shown 2 times")


def test_a_clientside_callback_reads_a_table_that_is_on_the_server(example: Load, dash_duo: Any) -> None:
    dash_duo.start_server(example("clientside").app)
    dash_duo.wait_for_text_to_equal("#highest", "nothing yet")
    dash_duo.find_element("#measure").click()
    dash_duo.wait_for_text_to_equal("#highest", "24 °C")


def test_a_large_table_is_read_page_by_page(example: Load, dash_duo: Any) -> None:
    dash_duo.start_server(example("lazy").app)
    dash_duo.wait_for_text_to_equal("#rows", "nothing yet")
    dash_duo.find_element("#measure").click()
    dash_duo.wait_for_text_to_equal("#warmest", "7,213 minutes were warm")
    dash_duo.find_element("#page").send_keys(Keys.END, Keys.BACKSPACE, "7")
    dash_duo.wait_for_contains_text("#rows", "79")
    assert len(dash_duo.find_element("#rows").text.splitlines()) == 11
    assert dash_duo.get_logs() == []


def test_an_app_on_fastapi_counts_flights(example: Load, dash_duo: Any) -> None:
    pytest.importorskip("fastapi")
    dash_duo.start_server(example("asgi").app)
    dash_duo.wait_for_text_to_equal("#rows", "nothing yet")
    dash_duo.find_element("#load").click()
    dash_duo.wait_for_text_to_equal("#rows", "1,000 flights")


def test_values_come_back_as_their_page_says(example: Load) -> None:
    values = example("values")
    with dsm.ensure_session_context("a session"):
        for stored, expected in values.AS_IN_DCC_STORE + values.BETTER_THAN_IN_DCC_STORE:
            assert_same(round_trip("plain-values", stored), expected)
        for stored in values.KEEP_THEIR_TYPE:
            assert_same(round_trip("plain-values", stored), stored)
        for stored in values.KEEP_THEIR_TYPE_WITH_TYPES_PYTHON:
            assert_same(round_trip("typed-values", stored), stored)


def round_trip(store: str, value: object) -> object:
    dsm.set_store(store, value)
    return dsm.get_store(store)


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, item in expected.items():
            assert_same(found[key], item)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif hasattr(expected, "dtype"):
        assert found.dtype == expected.dtype
        assert (found == expected).all()
    else:
        assert found == expected
