"""The history of a search as plotly figures: hypervolume, what was tried, what mattered."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekd.pareto import reference_point, shares_over_time
from edgekd.report.axes import scale
from edgekd.report.front_scene import COSTS, LOG_FROM, FrontScene, PointGroup, space_of
from edgekd.report.importance import importance, parameters
from edgekd.report.plotly_style import HEIGHTS, PlotlyFigure, PlotlyValues, layout_of, legend_entry, marked

BAND = 0.14  # of an axis at most, and half the distance to the next value, is taken by the lines through one value
MOST_LEVELS = 8  # a parameter with more numbers is drawn to scale


def hypervolume_figure(scene: FrontScene, groups: Sequence[PointGroup]) -> PlotlyFigure:
    """The volume that a search's candidates dominate together, after each of them and, where known, over time."""
    spaces = [space_of(candidate, scene.measures) for candidate in scene.candidates]
    reference = reference_point([spaces[i] for i in group.members] for group in groups)
    traces, times = [], []
    orders = [_in_time(scene, group) for group in groups]
    for group, order in zip(groups, orders, strict=True):
        volumes = shares_over_time([spaces[i] for i in order], reference)
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": html.escape(group.label),
            "x": list(range(1, len(volumes) + 1)), "y": volumes, "customdata": order, "hoverinfo": "text",
            "showlegend": len(groups) > 1,
            "line": {"shape": "hv", "color": f"var(--{group.color})", "width": 2},
            "marker": {"size": 5, "color": f"var(--{group.color})"},
        })  # fmt: skip
        times.append([scene.candidates[i].seconds for i in order])
    layouts = {}
    for name, height in HEIGHTS.items():
        layout = layouts[name] = layout_of(1, height, traces, narrow=name == "narrow", right=12)
        layout["xaxis"] |= {"title": {"text": "candidates", "standoff": 8}, "rangemode": "tozero"}
        layout["yaxis"] |= {"title": {"text": "hypervolume", "standoff": 10}, "rangemode": "tozero"}
        if len(groups) == 1:
            layout["shapes"] = _generations(scene, orders[0])
        if all(second is not None for seconds in times for second in seconds):
            counts = [trace["x"] for trace in traces]
            layout["updatemenus"] = [_switch({"candidates": counts, "seconds of search": times}, layout["shapes"])]
    return {"traces": traces, **layouts}


def parallel_figure(scene: FrontScene) -> PlotlyFigure:
    """Parallel coordinates: each candidate is a line over what was searched and what came of it."""
    axes = [_parameter_axis(scene, name, values) for name, values in parameters(scene.candidates).items()]
    axes.append(_axis(f"validation<br>{scene.error_name}", scene.errors))
    axes += [
        _axis(f"{COSTS[measure].name}<br>{COSTS[measure].unit}", scene.costs(measure)) for measure in scene.measures
    ]
    traces = [legend_entry(scene, group, line=True) for group in scene.groups]
    for group in scene.groups:
        for strong in (False, True):
            lines = [i for i in group.members if scene.candidates[i].on_front is strong]
            traces.append(_lines(group, lines, axes, strong=strong))
    traces.append(marked(0, mode="lines+markers"))
    layout = layout_of(1, 380, traces, narrow=False, right=40)
    layout["xaxis"] |= {
        "tickvals": list(range(len(axes))), "ticktext": [axis.title for axis in axes],
        "range": [-0.35, len(axes) - 0.5], "gridcolor": "var(--measured)", "side": "bottom",
        "fixedrange": True, "tickangle": 0,
    }  # fmt: skip
    layout["yaxis"] |= {"range": [-0.08, 1.08], "visible": False, "fixedrange": True}
    layout["annotations"] = [
        {
            "x": at, "y": y, "text": label, "showarrow": False, "xanchor": "left", "xshift": 5,
            "bgcolor": "var(--paper)", "opacity": 0.85, "borderpad": 1, "font": {"size": 11, "color": "var(--ink)"},
        }
        for at, axis in enumerate(axes) for y, label in axis.ticks
    ]  # fmt: skip
    return {"traces": traces, "wide": layout, "narrow": layout}


def importance_figure(scene: FrontScene) -> PlotlyFigure:
    """Bars: how much of the differences in error and in the first two costs each parameter explains."""
    error = f"validation {scene.error_name}"
    objectives = {error: ("accent", scene.errors)}
    objectives |= {
        COSTS[measure].name: (color, scene.costs(measure))
        for measure, color in zip(scene.measures[:2], ("soft", "measured"), strict=True)
    }
    shares = {name: importance(scene.candidates, values) for name, (_, values) in objectives.items()}
    names = list(reversed(shares[error]))
    traces = [
        {
            "type": "bar", "orientation": "h", "name": objective,
            "x": [explained[name] for name in names],
            "y": [html.escape(name).replace("_", " ") for name in names],
            "marker": {"color": f"var(--{objectives[objective][0]})"},
            "hovertemplate": "%{y}: %{x:.0%} of " + objective + "<extra></extra>",
        }
        for objective, explained in reversed(shares.items())
    ]  # fmt: skip
    layout = layout_of(1, 30 + 44 * len(names), traces, narrow=False, right=24)
    layout["xaxis"] |= {"range": [0, 1.02], "tickformat": ".0%"}
    layout["xaxis"]["title"] = {"text": "explained by this alone", "standoff": 8}
    layout["yaxis"] |= {"tickformat": None, "showgrid": False}
    layout |= {"barmode": "group", "bargap": 0.3}
    layout["legend"] |= {"traceorder": "reversed"}
    layout["margin"]["l"] = 120
    return {"traces": traces, "wide": layout, "narrow": layout}


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """One of the parallel coordinates: where each candidate is, 0 to 1, None where it has no value; and labels."""

    title: str
    at: Sequence[float | None]
    ticks: Sequence[tuple[float, str]]


def _parameter_axis(scene: FrontScene, name: str, values: Sequence[Any]) -> _Axis:
    """Few values stand at equal distances, and the lines through one of them side by side, the accurate ones lowest."""
    title = html.escape(name).replace("_", "<br>")
    levels = sorted({value for value in values if value is not None}, key=lambda value: (isinstance(value, str), value))
    if len(levels) > MOST_LEVELS and not any(isinstance(level, str) for level in levels):
        return _axis(title, values)
    step = 1 / (len(levels) - 1)
    band = min(BAND, step / 2)
    at: list[float | None] = [None] * len(values)
    for row, level in enumerate(levels):
        members = [i for i, value in enumerate(values) if value == level]
        members.sort(key=lambda i: (scene.candidates[i].val.error, i))
        for rank, i in enumerate(members):
            at[i] = row * step + band * ((rank + 0.5) / len(members) - 0.5)
    labels = [html.escape(level).replace("_", "<br>") if isinstance(level, str) else f"{level:g}" for level in levels]
    return _Axis(title=title, at=at, ticks=[(row * step, label) for row, label in enumerate(labels)])


def _axis(title: str, values: Sequence[float | None]) -> _Axis:
    """Numbers to scale."""
    place = scale([value for value in values if value is not None], 0, 1, margin=0.0, log_from=LOG_FROM)
    at = [None if value is None else place(value) for value in values]
    return _Axis(title=title, at=at, ticks=[(tick.at, tick.label) for tick in place.ticks(6)])


def _lines(group: PointGroup, members: Sequence[int], axes: Sequence[_Axis], *, strong: bool) -> PlotlyValues:
    """The lines of some candidates, with a gap after each."""
    x: list[int | None] = []
    y: list[float | None] = []
    owner: list[int | None] = []
    for i in members:
        points = [(at, axis.at[i]) for at, axis in enumerate(axes) if axis.at[i] is not None]
        x += [*(at for at, _ in points), None]
        y += [*(value for _, value in points), None]
        owner += [*(i for _ in points), None]
    return {
        "type": "scatter", "mode": "lines+markers", "x": x, "y": y, "customdata": owner, "hoverinfo": "text",
        "legendgroup": html.escape(group.label), "showlegend": False, "opacity": 0.9 if strong else 0.22,
        "line": {"color": f"var(--{group.color})", "width": 2 if strong else 1.2},
        "marker": {"size": 5 if strong else 4, "color": f"var(--{group.color})"},
    }  # fmt: skip


def _switch(choices: Mapping[str, Any], shapes: Sequence[Mapping[str, Any]]) -> PlotlyValues:
    """Buttons that choose what lies on the horizontal axis; the lines of generations belong to the first choice."""
    return {
        "type": "buttons", "direction": "right", "x": 0.99, "xanchor": "right", "y": 0.04, "yanchor": "bottom",
        "pad": {"t": 0, "r": 0}, "bgcolor": "var(--panel)", "bordercolor": "var(--line)", "font": {"size": 12},
        "buttons": [
            {"label": name, "method": "update",
             "args": [{"x": values}, {"xaxis.title.text": name, "xaxis.autorange": True,
                                      "shapes": [] if at else list(shapes)}]}
            for at, (name, values) in enumerate(choices.items())
        ],
    }  # fmt: skip


def _in_time(scene: FrontScene, group: PointGroup) -> list[int]:
    """The members as they became known: workers beside each other do not finish in the order in which they began."""
    times = {i: scene.candidates[i].seconds for i in group.members}
    return sorted(times, key=lambda i: (times[i] or 0.0, i)) if None not in times.values() else list(times)


def _generations(scene: FrontScene, order: Sequence[int]) -> list[PlotlyValues]:
    """A line before the first candidate of each generation but the first one."""
    numbers = [scene.candidates[i].generation for i in order]
    firsts = [numbers.index(number) for number in dict.fromkeys(numbers) if number is not None]
    line = {"type": "line", "yref": "y domain", "y0": 0, "y1": 1, "layer": "below",
            "line": {"color": "var(--line)", "dash": "dot", "width": 1}}  # fmt: skip
    return [line | {"x0": first + 0.5, "x1": first + 0.5} for first in firsts if first]
