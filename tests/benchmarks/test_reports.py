"""What is written about results: tables, targets, the picture, and the pages that show them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import figure, pages
from tests.benchmarks.measure import COLUMN, ELSEWHERE, READ, WHOLE, WRITE, Results, Sample
from tests.benchmarks.peers import FLOOR, PEERS, ExtensionsFiles, PlainStore, ServerRedis, ServerSqlite
from tests.benchmarks.report import backends, markdown
from tests.benchmarks.targets import targets
from tests.benchmarks.values import SIZES

FLOOR_SECONDS = {1: 0.002, 2: 0.004, 3: 0.002}


@pytest.fixture
def results() -> Results:
    """A frame of 95 MB: all take ten times as long as the floor, and `dcc.Store` was called once."""
    found = Results()
    for operation in (WRITE, READ, ELSEWHERE, COLUMN, WHOLE):
        for peer in (FLOOR, PlainStore.name, ExtensionsFiles.name, ServerSqlite.name, ServerRedis.name):
            times = 1 if peer == FLOOR else 10
            numbers = [2] if peer == PlainStore.name else [*FLOOR_SECONDS]
            samples = {number: Sample(times * FLOOR_SECONDS[number], 400, 200, 0.001, 5e6) for number in numbers}
            found.served["1M", peer, operation] = samples
    return found


def test_a_peer_with_fewer_calls_is_compared_with_those_that_were_made_beside_them(results: Results) -> None:
    [row] = [line for line in markdown(results).splitlines() if line.startswith("| `dcc.Store` | 40.0 ms")]
    assert "40.0 ms (10.0x)" in row
    assert "So slow that 2 calls were made: `dcc.Store`." in markdown(results)


def test_the_table_of_backends_shows_the_floor_and_our_backends_only(results: Results) -> None:
    labels = [line.split(" | ")[0].removeprefix("| ") for line in backends(results).splitlines()[2:]]
    assert labels == [PEERS[name].label for name in (FLOOR, ServerSqlite.name, ServerRedis.name)]


def test_a_target_is_met_up_to_its_limit_and_no_further(results: Results) -> None:
    met = {target.what.partition(": ")[2]: target.met for target in targets(results)}
    assert not met["sqlite, read"]
    assert met["sqlite, write"]
    assert met["sqlite, memory while writing"]
    assert not met["redis, time for one column in another process"]


def test_the_picture_has_a_mark_for_each_call_of_each_peer_on_a_logarithmic_scale(
    results: Results, tmp_path: Path
) -> None:
    drawn = figure.figure(results, SIZES["1M"])
    assert [len(series.x) for series in drawn.data] == [5] * len(figure.SERIES)
    assert drawn.layout.xaxis.type == "log"
    figure.write(drawn, tmp_path / "picture.html")
    assert "plotly.js" in (tmp_path / "picture.html").read_text(encoding="utf-8")


def test_a_page_changes_between_its_marks_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    pages.fill(page, "new")
    pages.fill(page, r"newer \1")
    changed = "before\n<!-- measured -->\n\nnewer \\1\n<!-- end -->\nafter\n"
    assert page.read_text(encoding="utf-8") == changed
    page.write_text("a page without marks", encoding="utf-8")
    with pytest.raises(ValueError, match="not one"):
        pages.fill(page, "where?")


@pytest.mark.parametrize("page", [pages.TABLES, pages.BACKENDS])
def test_the_pages_of_the_documentation_have_a_place_for_results(page: Path) -> None:
    assert len(pages.REGION.findall(page.read_text(encoding="utf-8"))) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the shares of memory")
def test_copies_are_counted_for_sessions_and_for_processes() -> None:
    script = Path(__file__).with_name("copies.py")
    options = ["--places", "sqlite", "--rows", "10000", "--sessions", "3", "--processes", "2"]
    done = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n| sqlite | ") == 2
