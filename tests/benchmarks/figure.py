"""Results as a Plotly figure: how long a write and the reads take, on a logarithmic scale."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from statistics import median

import plotly.graph_objects as go

from .measure import COLUMN, ELSEWHERE, READ, WRITE, Results
from .peers import PEERS, Server
from .values import Size

SERIES = {
    WRITE: ("write", "#D55E00", "diamond"),
    READ: ("read", "#0072B2", "circle"),
    ELSEWHERE: ("first read, other process", "#009E73", "square"),
    COLUMN: ("one column there", "#CC79A7", "triangle-up"),
}
"""Name, colour and mark: of a palette that the colour-blind can tell apart, and no two marks alike."""
INK, PAPER, LINES = "#0f172a", "#f8fafc", "#cbd5e1"
WIDTH, ROW, HEAD, FOOT, LABELS = 440, 30, 60, 130, 200
"""In pixels: as wide as a phone, so that text is as large there as it is drawn."""


def figure(results: Results, size: Size) -> go.Figure:
    """A line for each peer, a mark for each operation."""
    peers = results.peers(size.name)
    drawn = go.Figure([_marks(results, size, peers, number) for number in range(len(SERIES))])
    drawn.update_layout(
        title={
            "text": f"{size.label}<br><sub>time of one callback, from request to answer</sub>",
            "font": {"size": 15},
            "x": 0.03,
            "y": 0.965,
            "yanchor": "top",
        },
        legend={"orientation": "h", "xref": "container", "x": 0.02, "yref": "container", "y": 0.01},
        font={"family": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 12, "color": INK},
        width=WIDTH,
        height=HEAD + ROW * len(peers) + FOOT,
        margin={"l": LABELS, "r": 16, "t": HEAD, "b": FOOT},
        paper_bgcolor=PAPER,
        plot_bgcolor="#fff",
    )
    drawn.update_xaxes(
        type="log", dtick=1, tickformat="~s", tickangle=0, title="milliseconds", gridcolor=LINES, zeroline=False
    )
    drawn.update_yaxes(
        range=[len(peers) - 0.5, -0.5],
        tickvals=[*range(len(peers))],
        ticktext=[_label(peer) for peer in peers],
        gridcolor=LINES,
        zeroline=False,
    )
    return drawn


def _marks(results: Results, size: Size, peers: list[str], number: int) -> go.Scatter:
    """One operation of all peers, a little below the one before."""
    operation, (name, colour, mark) = [*SERIES.items()][number]
    seconds = [results.seconds(size.name, peer, operation).values() for peer in peers]
    below = (number - (len(SERIES) - 1) / 2) / (len(SERIES) + 1)
    return go.Scatter(
        name=name,
        x=[1000 * median(each) if each else None for each in seconds],
        y=[row + below for row in range(len(peers))],
        mode="markers",
        marker={"color": colour, "symbol": mark, "size": 9, "line": {"color": "#fff", "width": 1}},
    )


def _label(peer: str) -> str:
    """Ours in bold, and short enough to stand beside the marks."""
    text = PEERS[peer].label.replace("`", "").split(" (")[0]
    return f"<b>{text}</b>" if isinstance(PEERS[peer], Server) else text


def draws(path: Path) -> str | None:
    """Why a file of this kind can't be written here and what to do about it, or None."""
    if path.suffix == ".html" or find_spec("kaleido"):
        return None
    return f"{path} needs Chromium and `pip install kaleido`; a name that ends with .html needs neither"


def write(drawn: go.Figure, path: Path) -> None:
    """Writes an SVG or PNG picture, or a page that needs no network."""
    if path.suffix == ".html":
        drawn.write_html(path)
    else:
        drawn.write_image(path)
