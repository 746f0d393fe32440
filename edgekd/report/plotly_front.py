"""The fronts as interactive drawings: validation error over each cost."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgekd.pareto import front
from edgekd.report import formatting
from edgekd.report.axes import Scale, scale, spread
from edgekd.report.front import COSTS, LOG_FROM, Measure, amount, limits_text, split_references
from edgekd.report.plotly_common import (
    HEIGHTS,
    SYMBOLS,
    Figure,
    Group,
    Scene,
    costs_of,
    layout_of,
    legend_entry,
    marked,
    number_of,
    on_panel,
)

FAINT = 0.3
LABEL = 14  # height of a label, pixels


def fronts(scene: Scene, form: formatting.Format) -> Figure:
    """A panel for each cost: candidates, fronts, the chosen ones, baselines, teacher, limits."""
    near, _ = split_references([one.val.mae for one in scene.candidates], scene.references)
    y = scale([*(one.val.mae for one in scene.candidates), *near.values()], 0, 1, margin=0.08)
    xs = [_cost_scale(scene, measure) for measure in scene.measures]
    traces = [legend_entry(group) for group in scene.groups]
    traces += [legend_entry(group, line=True) for group in scene.fronts if group not in scene.groups]
    for panel, measure in enumerate(scene.measures):
        traces += _panel(scene, measure, panel)
    layouts = {}
    for name, height in HEIGHTS.items():
        wide = name == "wide"
        layout = layouts[name] = layout_of(
            len(scene.measures), height, traces, narrow=not wide, right=112 if wide else 12
        )
        for panel, (measure, x) in enumerate(zip(scene.measures, xs, strict=True)):
            _dress(layout, scene, panel, measure, x, y, wide=wide)
            layout["annotations"] += _reference_labels(scene.references, form, panel, y, wide=wide)
    return {"traces": traces, **layouts}


def _panel(scene: Scene, measure: Measure, panel: int) -> list[dict[str, Any]]:
    """The traces of one panel."""
    costs, errors = costs_of(scene, measure), [one.val.mae for one in scene.candidates]
    best = {group.label: _own_front(group, costs, errors) for group in scene.fronts}
    strong = {i for own in best.values() for i in own} | set(scene.chosen)
    traces = [
        on_panel(panel) | {
            "mode": "lines", "name": group.label, "legendgroup": group.label, "hoverinfo": "skip",
            "x": [costs[i] for i in best[group.label]], "y": [errors[i] for i in best[group.label]],
            "line": {"shape": "hv", "width": 8 if group.broad else 1.5, "color": f"var(--{group.colour})"},
            "opacity": 0.3 if group.broad else 0.6,
        }
        for group in scene.fronts
    ]  # fmt: skip
    traces += [
        on_panel(panel) | {
            "mode": "markers", "name": group.label, "legendgroup": group.label, "hoverinfo": "text",
            "x": [costs[i] for i in group.members], "y": [errors[i] for i in group.members],
            "customdata": list(group.members),
            "marker": {
                "size": 10, "color": f"var(--{group.colour})", "line": {"width": 1, "color": "var(--paper)"},
                "symbol": [SYMBOLS.get(scene.candidates[i].kind, "star") for i in group.members],
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


def _dress(
    layout: dict[str, Any], scene: Scene, panel: int, measure: Measure, x: Scale, y: Scale, *, wide: bool
) -> None:
    """Names, ranges and reference lines of one panel."""
    number, limits = number_of(panel), scene.limits[measure]
    everything = ", ".join(f"{name} {amount(limit, measure)}" for name, limit in limits.items())
    said = limits_text(limits, measure, x) if wide else everything
    note = f"<br><span style='font-size:11.5px'>{said}</span>" if said else ""
    layout[f"xaxis{number}"] |= {
        "title": {"text": COSTS[measure].axis + note, "standoff": 8}, "range": _range(x), "nticks": 8 if wide else 5,
        "type": "log" if x.log else "linear", "tickformat": ",.6~g", "minexponent": 9,
    } | ({"dtick": "D1" if x.high / x.low < 10 else "D2"} if x.log else {})  # fmt: skip
    layout[f"yaxis{number}"] |= {"title": {"text": "validation MAE", "standoff": 10}, "range": [y.low, y.high]}
    across = {"type": "line", "xref": f"x{number} domain", "x0": 0, "x1": 1, "yref": f"y{number}", "layer": "below"}
    for name, error in scene.references.items():
        colour, dash = ("teacher", "solid") if name == "teacher" else ("measured", "dash")
        line = {"color": f"var(--{colour})", "dash": dash, "width": 1.3}
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


def _reference_labels(
    references: Mapping[str, float], form: formatting.Format, panel: int, y: Scale, *, wide: bool
) -> list[dict[str, Any]]:
    """Names of baselines and teacher, to the right of the plot or, where it is narrow, below their line."""
    shown = {name: error for name, error in references.items() if y.holds(error)}
    height = HEIGHTS["wide" if wide else "narrow"]
    at = [y(error) * height for error in shown.values()]
    placed = spread(at, LABEL, 0.0, float(height)) if wide else spread([value - 8 for value in at], LABEL, 0.0, height)
    place = {"x": 1.015, "xanchor": "left"} if wide else {"x": 0.01, "xanchor": "left"}
    return [
        {
            "xref": f"x{number_of(panel)} domain", "yref": f"y{number_of(panel)}", "y": error, "yshift": label - value,
            "text": f"{html.escape(name)} {form(error)}", "showarrow": False, **place,
            "font": {"size": 11.5, "color": "var(--teacher)" if name == "teacher" else "var(--soft)"},
        }
        for (name, error), value, label in zip(shown.items(), at, placed, strict=True)
    ]  # fmt: skip


def _cost_scale(scene: Scene, measure: Measure) -> Scale:
    costs = costs_of(scene, measure)
    near, _ = split_references(costs, scene.limits[measure])
    return scale([*costs, *near.values()], 0, 1, margin=0.08, log_from=LOG_FROM)


def _own_front(group: Group, costs: Sequence[float], errors: Sequence[float]) -> list[int]:
    members = list(group.members)
    return [members[i] for i in front([(costs[i], errors[i]) for i in members])]


def _range(one: Scale) -> list[float]:
    return [_place(one.low, one), _place(one.high, one)]


def _place(value: float, one: Scale) -> float:
    """A value as plotly wants it in ranges and annotations of a logarithmic axis."""
    return math.log10(value) if one.log else value
