"""Small pieces that several pages use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, get_relative_path, html

from .summary import Bar


def aria(**texts: str) -> dict[str, Any]:
    """Attributes for screen readers: `**aria(label="Pages")`."""
    return {f"aria-{name}": text for name, text in texts.items()}


def icon(name: str, size: int = 18) -> html.Span:
    """An icon of `assets/glyphs.css`, in the colour of the text around it."""
    style = {"width": size, "height": size}
    return html.Span(className=f"glyph glyph-{name}", style=style, **aria(hidden="true"))


def page_header(heading: str, about: str, *actions: Any) -> dmc.Group:
    """The first line of a page: what it is, what it is for, what can be done with all of it."""
    words = html.Div([dmc.Title(heading, order=2), dmc.Text(about, c="dimmed", size="sm")])
    return dmc.Group([words, dmc.Group(list(actions), gap="xs")], justify="space-between", className="page-header")


def card(*children: Any, **props: Any) -> dmc.Paper:
    """A piece of a page with a border of its own."""
    return dmc.Paper(list(children), withBorder=True, p="md", **props)


def empty_state(what: str, link: bool = True) -> dmc.Paper:
    """What a page shows before there is anything to show, with the way to the Query page."""
    to_query = dcc.Link("Run a query first", href=get_relative_path("/"), id="go-to-query", className="button-link")
    return card(
        html.Div(icon("plane", 36), className="empty-icon"),
        dmc.Title("Nothing here yet", order=4),
        dmc.Text(what, c="dimmed", ta="center", maw=420),
        to_query if link else None,
        className="empty",
    )


def figure_tile(label: str, value: str, about: str = "", **props: Any) -> dmc.Paper:
    """One figure with its name and a line that explains it."""
    return card(
        dmc.Text(label, size="xs", c="dimmed", tt="uppercase", fw=600),
        dmc.Text(value, fz=24, fw=650, lh=1.3, className="figure", **props),
        dmc.Text(about, size="xs", c="dimmed"),
    )


def spark(bars: Iterable[Bar], label: str) -> html.Div:
    """A small histogram, made of plain elements: fifty of them cost a page nothing."""
    columns = [html.Span(title=f"{bar.label}: {bar.count:,}", style={"height": f"{bar.height:.1%}"}) for bar in bars]
    return html.Div(columns, className="spark", role="img", **aria(label=label))


def count(part: int, whole: int, what: str) -> str:
    """`12 selected marks`, or `The first 1,000 of 2,345 selected marks`."""
    return plural(whole, what) if part == whole else f"The first {part:,} of {plural(whole, what)}"


def plural(number: int, what: str) -> str:
    """`1 reference`, `4 references`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def size(nbytes: float) -> str:
    """Bytes for people: `96 B`, `1.2 kB`, `62.4 MB`."""
    for unit in ("B", "kB", "MB"):
        if abs(nbytes) < 1000:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.2f} GB"
