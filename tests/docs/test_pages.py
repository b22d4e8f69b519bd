"""The pages say what the code says."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

import pytest

import dash_statemanager
from dash_statemanager.config import Settings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
IMPORT = "from dash_statemanager import ServerStore\n\n"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> dict[str, str]:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    return {
        key: default.strip("`") for key, default in re.findall(r"^\| `(STATE_\w+)` \| (\S+) \|", page, re.MULTILINE)
    }


def as_written(default: object) -> str:
    if default is None or default == ():
        return "none"
    return default if isinstance(default, str) else json.dumps(default)


def test_the_settings_page_lists_all_settings_with_their_defaults() -> None:
    fields = Settings.model_fields.items()
    assert settings_table() == {f"STATE_{name.upper()}": as_written(field.default) for name, field in fields}


def test_the_code_of_the_readme_is_the_code_of_its_example() -> None:
    example = (EXAMPLES / "readme.py").read_text(encoding="utf-8")
    blocks = re.findall(r"```(diff|python)\n(.*?)```", README, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["diff", "python"]
    for kind, code in blocks:
        wanted = [line[1:] if kind == "diff" else line for line in code.splitlines() if not line.startswith("-")]
        for paragraph in "\n".join(wanted).split("\n\n"):
            assert paragraph.strip("\n") in example


@pytest.mark.parametrize(
    ("shown", "before", "after"),
    [
        ("swap", "swap_before", "swap_after"),
        ("tidy", "swap_after", "swap_tidied"),
        ("extensions", "extensions_before", "extensions_after"),
    ],
)
def test_a_diff_is_the_difference_of_its_examples(shown: str, before: str, after: str) -> None:
    old, new = [(EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines() for name in (before, after)]
    _, _, *diff = difflib.unified_diff(old, new, n=1, lineterm="")
    assert (EXAMPLES / f"{shown}.diff").read_text(encoding="utf-8").splitlines() == diff


def test_the_swap_changes_a_name_and_nothing_else() -> None:
    before, after = [(EXAMPLES / f"{name}.py").read_text(encoding="utf-8") for name in ("swap_before", "swap_after")]
    assert before.replace("dcc.Store", "ServerStore") == after.replace(IMPORT, "")


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (command,) = re.findall(r"^python3 .*tox$", README, re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_of_the_readme_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_public_name_is_documented() -> None:
    names = set(dash_statemanager.__all__)
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\.\. auto(?:class|function|exception):: (\w+)$", page, re.MULTILINE)) == names
    assert [name for name in sorted(names) if not getattr(dash_statemanager, name).__doc__] == []
