"""Copies the checkout without the package, so that tests can only import the package that the wheel installed.

Usage: `python .ci/stage.py TARGET`
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

FOLDERS = (".ci", "demo_app", "docs", "tests")
FILES = ("CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "setup.cfg", "tox.ini")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "_build", "state.db*")


def stage(checkout: Path, target: Path) -> None:
    """Makes `target` anew."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for folder in FOLDERS:
        shutil.copytree(checkout / folder, target / folder, ignore=LEFT_OUT)
    for file in FILES:
        shutil.copy2(checkout / file, target / file)


if __name__ == "__main__":
    stage(Path(__file__).resolve().parent.parent, Path(sys.argv[1]))
