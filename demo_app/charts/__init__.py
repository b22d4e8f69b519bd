"""The charts of the Plot page, one module each."""

from __future__ import annotations

from . import box, histogram, line, routes, scatter
from .base import CannotDraw, Chart, Drawing, Role

CHARTS: dict[str, Chart] = {
    chart.name: chart for chart in (scatter.CHART, histogram.CHART, box.CHART, line.CHART, routes.CHART)
}

__all__ = ["CHARTS", "CannotDraw", "Chart", "Drawing", "Role"]
