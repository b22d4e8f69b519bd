"""The table of features is that of the tests."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.features.table import FEATURES, NEEDS
from tests.integration.test_binding import TOPICS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "features.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| .* \| `(\w+)`(?: \(([\d.]+)\))? \|$", PAGE, re.MULTILINE)


def test_every_compared_feature_stands_on_the_page_with_its_version() -> None:
    since = {name: ".".join(map(str, capability.since)) for name, capability in NEEDS.items()}
    assert dict(ROWS) == {name: since.get(name, "") for name in {**FEATURES, **NEEDS}}
    assert len(ROWS) == len(dict(ROWS))


def test_every_topic_has_a_table() -> None:
    topics = re.findall(r"^### .* \(`(\w+)\.py`\)$", PAGE, re.MULTILINE)
    assert sorted(topics) == sorted(topic.__name__.rpartition(".")[2] for topic in TOPICS)


def test_the_tests_that_the_page_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", PAGE)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
