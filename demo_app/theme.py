"""Colours for light and dark: the Mantine theme, and one figure template for each."""

from __future__ import annotations

from typing import Any, Literal

import plotly.graph_objects as go

Scheme = Literal["light", "dark"]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

MANTINE = {
    "primaryColor": "indigo",
    "defaultRadius": "md",
    "fontFamily": FONT,
    "headings": {"fontFamily": FONT, "fontWeight": "650"},
    "components": {
        "Select": {"defaultProps": {"checkIconPosition": "right", "allowDeselect": False}},
        "Paper": {"defaultProps": {"radius": "lg"}},
    },
}

_COLORWAY: dict[Scheme, list[str]] = {
    "light": ["#3b5bdb", "#e8590c", "#0c8599", "#ae3ec9", "#2b8a3e", "#e67700", "#c2255c", "#495057", "#868e96"],
    "dark": ["#748ffc", "#ff922b", "#22b8cf", "#da77f2", "#69db7c", "#fcc419", "#f783ac", "#ced4da", "#868e96"],
}

_RAMP: dict[Scheme, list[str]] = {
    "light": ["#74c0fc", "#339af0", "#4263eb", "#6741d9", "#862e9c", "#a61e4d"],
    "dark": ["#4263eb", "#1c7ed6", "#15aabf", "#38d9a9", "#a9e34b", "#fff3bf"],
}

_INK: dict[Scheme, dict[str, str]] = {
    "light": {"text": "#343a40", "grid": "#e9ecef", "land": "#f1f3f5", "border": "#ced4da", "card": "#ffffff"},
    "dark": {"text": "#c9cdd2", "grid": "#3a3d42", "land": "#303338", "border": "#4d5157", "card": "#25262b"},
}


# Where the legend is, above the chart: beside it, a phone has no room.
COLORBAR = {
    "orientation": "h",
    "thickness": 10,
    "len": 0.5,
    "x": 0,
    "xanchor": "left",
    "y": 1.0,
    "yanchor": "bottom",
    "outlinewidth": 0,
    "nticks": 5,
    "tickfont": {"size": 11},
    "title": {"side": "top", "font": {"size": 12}},
}


def _template(scheme: Scheme) -> go.layout.Template:
    ink = _INK[scheme]
    axis = {
        "gridcolor": ink["grid"],
        "zerolinecolor": ink["border"],
        "linecolor": ink["border"],
        "automargin": True,
        "title": {"font": {"size": 13}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "color": ink["text"], "size": 13},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": _COLORWAY[scheme],
            "coloraxis": {"colorscale": _ramp(scheme), "colorbar": COLORBAR},
            "margin": {"l": 56, "r": 16, "t": 56, "b": 48},
            "xaxis": axis,
            "yaxis": axis,
            "legend": {
                "traceorder": "normal",
                "orientation": "h",
                "yanchor": "bottom",
                "y": 1.0,
                "x": 0,
                "title": {"text": ""},
            },
            "hoverlabel": {"bgcolor": ink["card"], "bordercolor": ink["border"], "font": {"color": ink["text"]}},
            "modebar": {"bgcolor": ink["card"], "color": ink["text"], "activecolor": _COLORWAY[scheme][0]},
            "geo": _geo(ink),
        }
    )


def _geo(ink: dict[str, str]) -> dict[str, Any]:
    return {
        "bgcolor": "rgba(0,0,0,0)",
        "lakecolor": "rgba(0,0,0,0)",
        "landcolor": ink["land"],
        "showland": True,
        "subunitcolor": ink["border"],
        "coastlinecolor": ink["border"],
        "showlakes": True,
        "showsubunits": True,
        "showframe": False,
    }


def _ramp(scheme: Scheme) -> list[list[Any]]:
    colors = _RAMP[scheme]
    return [[step / (len(colors) - 1), color] for step, color in enumerate(colors)]


TEMPLATES: dict[Scheme, go.layout.Template] = {"light": _template("light"), "dark": _template("dark")}


def template(scheme: str | None) -> go.layout.Template:
    """The figure template for a color scheme; light where it isn't known yet."""
    return TEMPLATES["dark" if scheme == "dark" else "light"]
