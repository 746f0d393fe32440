"""What the figures of front.html and fronts.html share: layouts, entries of legends, marks.

A figure is plain values as plotly reads them (https://plotly.com/javascript/reference/): traces, and a layout for wide
screens and one for narrow ones. Colors are those of the style sheet: templates/plotly.js puts them in place of
`var(--name)`.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgekd.report.front_scene import FrontScene, PointGroup
from edgekd.report.palette import kind_style

HEIGHTS = {"wide": 340, "narrow": 270}  # of a plot on wide and narrow screens, pixels
GAP, BOTTOM = 92, 60  # below a plot, below the last one, pixels

PlotlyValues = dict[str, Any]
"""A part of a figure: a trace, a layout, an axis or an annotation."""
PlotlyFigure = PlotlyValues


def layout_of(
    panels: int, height: int, traces: Sequence[Mapping[str, Any]], *, narrow: bool, right: int
) -> PlotlyValues:
    """Axes of panels in rows, each `height` pixels high, and everything else that is alike in all drawings."""
    columns, top_margin = (1 if narrow else min(2, panels)), _legend_height(traces, narrow=narrow)
    rows = -(-panels // columns)
    inner = rows * height + (rows - 1) * GAP
    gap = 0.19 if columns > 1 else 0.0
    width = (1 - gap * (columns - 1)) / columns
    layout: PlotlyValues = {
        "height": inner + top_margin + BOTTOM, "hovermode": "closest",
        "margin": {"l": 66, "r": right, "t": top_margin, "b": BOTTOM},
        "font": {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 12.5,
                 "color": "var(--soft)"},
        "paper_bgcolor": "var(--paper)", "plot_bgcolor": "var(--paper)", "uirevision": "kept",
        "hoverlabel": {"align": "left", "bgcolor": "var(--panel)", "bordercolor": "var(--line)",
                       "font": {"color": "var(--ink)", "size": 12.5}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1 + 14 / inner, "yanchor": "bottom",
                   "font": {"size": 13}},
        "annotations": [], "shapes": [],
    }  # fmt: skip
    for panel in range(panels):
        row, column = divmod(panel, columns)
        left, top = column * (width + gap), 1 - row * (height + GAP) / inner
        number, lines = number_of(panel), {"gridcolor": "var(--grid)", "linecolor": "var(--line)", "zeroline": False}
        layout[f"xaxis{number}"] = {"domain": [left, left + width], "anchor": f"y{number}", **lines}
        layout[f"yaxis{number}"] = {
            "domain": [max(0.0, top - height / inner), top], "anchor": f"x{number}", "tickformat": ".6~g",
            "automargin": True, **lines,
        } | ({"matches": "y"} if panel else {})  # fmt: skip
    return layout


def legend_entry(scene: FrontScene, group: PointGroup, *, line: bool = False) -> PlotlyValues:
    """An entry of the legend that switches a group in all panels; it has no points of its own."""
    kinds = {scene.candidates[i].kind for i in group.members}
    symbol = kind_style(kinds.pop()).symbol if len(kinds) == 1 else "circle"
    return {
        "type": "scatter", "mode": "lines" if line else "markers", "name": html.escape(group.label),
        "legendgroup": html.escape(group.label), "x": [None], "y": [None], "showlegend": True, "hoverinfo": "skip",
        "line": {"color": f"var(--{group.color})", "width": 6 if group.broad else 2},
        "opacity": 0.5 if group.broad else 1,
        "marker": {"size": 10, "color": f"var(--{group.color})", "symbol": symbol},
    }  # fmt: skip


def marked(panel: int, *, mode: str) -> PlotlyValues:
    """Where the script puts the candidate that was clicked."""
    return on_panel(panel) | {
        "mode": mode, "meta": "marked", "x": [], "y": [], "hoverinfo": "skip",
        "line": {"color": "var(--bad)", "width": 3},
        "marker": {"size": 15, "symbol": "circle-open", "color": "var(--bad)", "line": {"width": 3}},
    }  # fmt: skip


def on_panel(panel: int) -> PlotlyValues:
    """What a trace of a panel (from 0) has in common with the others there."""
    number = number_of(panel)
    return {"type": "scatter", "xaxis": f"x{number}", "yaxis": f"y{number}", "showlegend": False}


def number_of(panel: int) -> str:
    """Plotly's names of axes: x, x2, x3."""
    return str(panel + 1) if panel else ""


def _legend_height(traces: Sequence[Mapping[str, Any]], *, narrow: bool) -> int:
    """Pixels above the first plot: rows of the legend, with entries as wide as the widest, and room for buttons."""
    names = [trace["name"] for trace in traces if trace.get("showlegend", True) and "name" in trace]
    in_a_row = max(1, (290 if narrow else 1000) // (56 + 8 * max(map(len, names), default=0)))
    return (16 if narrow else 44) + 22 * math.ceil(len(names) / in_a_row)
