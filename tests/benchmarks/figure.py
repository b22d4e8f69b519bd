"""Results as a picture: how long a write and a read take, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import log10
from statistics import median

from .measure import ELSEWHERE, READ, WRITE, Results
from .peers import PEERS, Server
from .values import Size

TITLES = {WRITE: "write", READ: "read", ELSEWHERE: "first read in another process"}
OURS, OTHERS = "#0b7285", "#adb5bd"
LEFT, WIDTH, ROW, TOP = 190, 480, 20, 44
FAST, SLOW = 1e-3, 100.0
"""Ends of the scale, in seconds."""


def svg(results: Results, size: Size) -> str:
    """A bar for each peer and operation."""
    rows = list(_rows(results, size))
    height = TOP + ROW * len(rows) + 8
    parts = [part for number, row in enumerate(rows) for part in _row(TOP + ROW * number, *row)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 100} {height}"',
            ' font-family="system-ui, sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="#fff"/>',
            _text(12, 24, f"{size.label}: time of one callback, from request to answer", "start", "bold"),
            *parts,
            "</svg>\n",
        ]
    )


def _rows(results: Results, size: Size) -> Iterator[tuple[str, float | None, str]]:
    """Label, seconds and colour; operations are headlines without a bar."""
    for operation, title in TITLES.items():
        yield title, None, ""
        for peer in results.peers(size.name):
            samples = results.samples(size.name, peer, operation)
            if samples:
                seconds = median(sample.seconds for sample in samples)
                yield PEERS[peer].label.replace("`", ""), seconds, OURS if isinstance(PEERS[peer], Server) else OTHERS


def _row(y: int, label: str, seconds: float | None, colour: str) -> Iterator[str]:
    if seconds is None:
        yield _text(12, y + 15, label, "start", "bold")
        return
    length = WIDTH * log10(max(seconds, FAST * 1.05) / FAST) / log10(SLOW / FAST)
    yield _text(LEFT - 8, y + 14, label, "end")
    yield f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" rx="2" fill="{colour}"/>'
    yield _text(LEFT + length + 6, y + 14, f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms", "start")


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    fixed = f'fill="#212529" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y}" {fixed}>{escape(text)}</text>'
