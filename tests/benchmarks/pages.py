"""The pages of the documentation that show results."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
TABLES = DOCS / "explanation" / "performance.md"
BACKENDS = DOCS / "how-to" / "choose-a-backend.md"
PICTURE = DOCS / "_static" / "measured.svg"
PICTURED = """\
```{image} ../_static/measured.svg
:alt: How long a write, a read, a first read in another process and that of one column take, for each who is compared.
:width: 640px
```
"""
"""How `TABLES` shows the picture."""
REGION = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)


def fill(page: Path, text: str) -> None:
    """Puts a text between the two marks of a page, instead of what is there."""
    filled, count = REGION.subn(lambda _: f"\n{text}\n", page.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{page} has {count} places between <!-- measured --> and <!-- end -->, not one")
    page.write_text(filled, encoding="utf-8")
