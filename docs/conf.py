"""How Sphinx builds this documentation: `sphinx-build -n -W docs docs/_build`."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from sphinx.application import Sphinx

import dash_statemanager

project = "dash-statemanager"
author = "The dash-statemanager developers"
copyright = f"2026, {author}"
version = release = dash_statemanager.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples"]
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"dash-statemanager {release}"
html_static_path = ["_static"]
html_theme_options = {
    "source_repository": "",
    "navigation_with_keys": True,
}

# Names in type hints of other projects, and of inner modules whose public name is the package's own.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(collections\.abc|concurrent|contextlib|dash|datetime|duckdb|flask|pandas|pathlib|plotly|polars|pyarrow)\..*",
    ),
    (r"py:.*", r"dash_statemanager\.(\w+\.)*_\w+"),
    (r"py:.*", r"Path|P|dash_statemanager\.decorators\.[PR]|dash_statemanager\.handles\.T"),
    (r"py:.*", r"(pydantic|pydantic_settings|sqlalchemy|werkzeug)\..*"),
]

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def fences_as_code(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Docstrings fence their code as Markdown does, for editors that show them; Sphinx wants a directive."""

    def directive(fence: re.Match[str]) -> str:
        code = textwrap.indent(textwrap.dedent(fence[3]), fence[1] + "   ")
        return f"{fence[1]}.. code-block:: {fence[2]}\n\n{code}"

    lines[:] = FENCE.sub(directive, "\n".join(lines)).splitlines()


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", fences_as_code, priority=400)
