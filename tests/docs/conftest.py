"""Examples of the documentation, imported as modules of their own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def example() -> Iterator[Callable[[str], ModuleType]]:
    """Imports `docs/examples/NAME.py`, as its reader would by running it."""
    imported: list[str] = []

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"docs_example_{name}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        imported.append(spec.name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in imported:
        sys.modules.pop(name, None)
