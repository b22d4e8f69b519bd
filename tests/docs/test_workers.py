"""Several worker processes share what one of them wrote: the how-to's command, with a real gunicorn."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.gunicorn import gunicorn

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")


@pytest.fixture(params=[["--preload"], []], ids=["preload", "no-preload"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with gunicorn(EXAMPLES, "workers:server", "--workers", "2", "--threads", "2", *request.param) as address:
        yield address


def test_each_worker_reads_what_any_of_them_wrote(address: str) -> None:
    count, readers = 0, set[str]()
    with requests.Session() as browser:
        browser.get(address)
        reference = store_in(browser.get(f"{address}/_dash-layout").json())
        while len(readers) < 2:
            assert count < 200, "one worker answers everything"
            answer = call(browser, address, "count.data", {"more.n_clicks": count}, {"count.data": reference})
            reference, count = answer["count"]["data"], count + 1
            shown = call(browser, address, "shown.children", {"count.data": reference})["shown"]["children"]
            number, reader = re.fullmatch(r"(\d+), says process (\d+)", shown).groups()  # type: ignore[union-attr]
            assert int(number) == count
            readers.add(reader)


def store_in(layout: dict[str, Any]) -> Any:
    (store,) = [child for child in layout["props"]["children"] if child["type"] == "Store"]
    return store["props"]["data"]


def call(
    browser: requests.Session, address: str, output: str, inputs: dict[str, Any], state: dict[str, Any] | None = None
) -> Any:
    body = {
        "output": output,
        "outputs": split(output),
        "inputs": [{**split(name), "value": value} for name, value in inputs.items()],
        "state": [{**split(name), "value": value} for name, value in (state or {}).items()],
        "changedPropIds": list(inputs),
    }
    # A connection of its own, so that any worker may take it.
    answer = browser.post(f"{address}/_dash-update-component", json=body, headers={"Connection": "close"})
    answer.raise_for_status()
    return answer.json()["response"]


def split(name: str) -> dict[str, str]:
    component, _, prop = name.rpartition(".")
    return {"id": component, "property": prop}
