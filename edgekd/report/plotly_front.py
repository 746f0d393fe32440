"""The fronts as interactive drawings: validation error over each cost."""

import html
import math

from edgekd.report.axes import Scale, spread
from edgekd.report.front_scene import COSTS, FrontScene, Measure, amount, limits_text
from edgekd.report.palette import kind_style
from edgekd.report.plotly_style import (
    HEIGHTS,
    PlotlyFigure,
    PlotlyValues,
    layout_of,
    legend_entry,
    marked,
    number_of,
    on_panel,
)

FAINT = 0.3  # opacity of what is dominated
LABEL_HEIGHT = 14  # of a reference beside a plot, pixels
RIGHT, RIGHT_NARROW = 112, 78  # beside a plot, for names of references, pixels
LONGEST_NARROW = 11  # letters of such a name on a narrow screen


def front_figure(scene: FrontScene) -> PlotlyFigure:
    """A panel for each cost: candidates, fronts, the chosen ones, baselines, teacher, limits."""
    y = scene.error_scale()
    traces = [legend_entry(scene, group) for group in scene.groups]
    traces += [legend_entry(scene, group, line=True) for group in scene.fronts if group not in scene.groups]
    for panel, measure in enumerate(scene.measures):
        traces += _panel(scene, measure, panel)
    layouts = {}
    for name, height in HEIGHTS.items():
        wide = name == "wide"
        layout = layouts[name] = layout_of(
            len(scene.measures), height, traces, narrow=not wide, right=RIGHT if wide else RIGHT_NARROW
        )
        for panel, measure in enumerate(scene.measures):
            _dress(layout, scene, panel, measure, y, wide=wide)
            layout["annotations"] += _reference_labels(scene, panel, y, wide=wide)
    return {"traces": traces, **layouts}


def _panel(scene: FrontScene, measure: Measure, panel: int) -> list[PlotlyValues]:
    """The traces of one panel."""
    costs, errors = scene.costs(measure), scene.errors
    best = {group.label: scene.front(measure, group) for group in scene.fronts}
    strong = {i for indices in best.values() for i in indices} | set(scene.chosen)
    traces = [
        on_panel(panel) | {
            "mode": "lines", "name": html.escape(group.label), "legendgroup": html.escape(group.label),
            "hoverinfo": "skip",
            "x": [costs[i] for i in best[group.label]], "y": [errors[i] for i in best[group.label]],
            "line": {"shape": "hv", "width": 8 if group.broad else 1.5, "color": f"var(--{group.color})"},
            "opacity": 0.3 if group.broad else 0.6,
        }
        for group in scene.fronts
    ]  # fmt: skip
    traces += [
        on_panel(panel) | {
            "mode": "markers", "name": html.escape(group.label), "legendgroup": html.escape(group.label),
            "hoverinfo": "text",
            "x": [costs[i] for i in group.members], "y": [errors[i] for i in group.members],
            "customdata": list(group.members),
            "marker": {
                "size": 10, "color": f"var(--{group.color})", "line": {"width": 1, "color": "var(--paper)"},
                "symbol": [kind_style(scene.candidates[i].kind).symbol for i in group.members],
                "opacity": [1.0 if i in strong else FAINT for i in group.members],
            },
        }
        for group in scene.groups
    ]  # fmt: skip
    ring = {"size": 19, "symbol": "circle-open", "color": "var(--ink)", "line": {"width": 2}}
    traces.append(
        on_panel(panel) | {
            "mode": "markers", "name": "chosen", "legendgroup": "chosen", "showlegend": panel == 0,
            "hoverinfo": "skip", "x": [costs[i] for i in scene.chosen], "y": [errors[i] for i in scene.chosen],
            "marker": ring,
        }
    )  # fmt: skip
    traces.append(marked(panel, mode="markers"))
    return traces


def _dress(layout: PlotlyValues, scene: FrontScene, panel: int, measure: Measure, y: Scale, *, wide: bool) -> None:
    """Names, ranges and reference lines of one panel."""
    number, limits, x = number_of(panel), scene.limits[measure], scene.cost_scale(measure)
    all_limits = ", ".join(f"{name} {amount(limit, measure)}" for name, limit in limits.items())
    words = limits_text(limits, measure, x) if wide else all_limits
    note = f"<br><span style='font-size:11.5px'>{words}</span>" if words else ""
    layout[f"xaxis{number}"] |= {
        "title": {"text": COSTS[measure].title + note, "standoff": 8}, "range": _range(x), "nticks": 8 if wide else 5,
        "type": "log" if x.log else "linear", "tickformat": ",.6~g", "minexponent": 9,
    } | ({"dtick": "D1" if x.high / x.low < 10 else "D2"} if x.log else {})  # fmt: skip
    layout[f"yaxis{number}"] |= {
        "title": {"text": f"validation {scene.error_name}", "standoff": 10},
        "range": [y.low, y.high],
    }
    across = {"type": "line", "xref": f"x{number} domain", "x0": 0, "x1": 1, "yref": f"y{number}", "layer": "below"}
    for name, error in scene.references.items():
        color, dash = ("teacher", "solid") if name == "teacher" else ("measured", "dash")
        line = {"color": f"var(--{color})", "dash": dash, "width": 1.3}
        layout["shapes"].append(across | {"y0": error, "y1": error, "line": line})
    upright = {"yref": f"y{number} domain", "y0": 0, "y1": 1, "xref": f"x{number}", "layer": "below"}
    if "board" in limits:
        shade = {"type": "rect", "x0": limits["board"], "x1": 1000 * limits["board"], "line": {"width": 0}}
        layout["shapes"].append(upright | shade | {"fillcolor": "var(--bad)", "opacity": 0.1})
    if "budget" in limits:
        line = {"color": "var(--bad)", "dash": "dot", "width": 1.5}
        layout["shapes"].append(
            upright | {"type": "line", "x0": limits["budget"], "x1": limits["budget"], "line": line}
        )
    layout["annotations"] += [
        {
            "xref": f"x{number}", "x": _place(limit, x), "yref": f"y{number} domain", "y": 1 - 0.06 * row,
            "text": f"{name} {amount(limit, measure)}", "xanchor": "right" if x(limit) > 0.5 else "left",
            "yanchor": "top", "showarrow": False, "font": {"size": 11.5, "color": "var(--bad)"},
            "bgcolor": "var(--paper)", "opacity": 0.9,
        }
        for row, (name, limit) in enumerate(limits.items()) if wide and x.holds(limit)
    ]  # fmt: skip


def _reference_labels(scene: FrontScene, panel: int, y: Scale, *, wide: bool) -> list[PlotlyValues]:
    """Names of baselines and teacher to the right of the plot, with their errors where there is room."""
    shown = {name: error for name, error in scene.references.items() if y.holds(error)}
    height = HEIGHTS["wide" if wide else "narrow"]
    at = [y(error) * height for error in shown.values()]
    placed = spread(at, LABEL_HEIGHT, 0.0, float(height))
    return [
        {
            "xref": f"x{number_of(panel)} domain", "yref": f"y{number_of(panel)}", "y": error, "yshift": label - value,
            "text": html.escape(f"{name} {scene.form(error)}" if wide else _cut(name)), "showarrow": False,
            "x": 1.015, "xanchor": "left",
            "font": {"size": 11.5, "color": "var(--teacher)" if name == "teacher" else "var(--soft)"},
        }
        for (name, error), value, label in zip(shown.items(), at, placed, strict=True)
    ]  # fmt: skip


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NARROW else f"{name[: LONGEST_NARROW - 1]}…"


def _range(axis: Scale) -> list[float]:
    return [_place(axis.low, axis), _place(axis.high, axis)]


def _place(value: float, axis: Scale) -> float:
    """A value as plotly wants it in ranges and annotations of a logarithmic axis."""
    return math.log10(value) if axis.log else value
