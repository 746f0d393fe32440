"""front.html and fronts.html: fronts to point at, zoom into and switch on and off by parts; one file, no network.

The drawings are plotly figures as plain values (https://plotly.com/javascript/reference/), drawn by the plotly.js that
the file carries. Colours are those of the style sheet: templates/interactive.js puts them in place of `var(--name)`.
Each figure has a layout for wide screens and one for narrow ones.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from edgekd.pareto import front
from edgekd.report import text
from edgekd.report.axes import Scale, scale, spread
from edgekd.report.front import (
    COSTS,
    LOG_FROM,
    Measure,
    amount,
    cost_of,
    growth,
    limits_of,
    limits_text,
    measures_of,
    reference_of,
    references_of,
    space_of,
    split_references,
)
from edgekd.report.importance import importance, parameters
from edgekd.report.page import environment
from edgekd.report.schema import Candidate, Native, Report
from edgekd.report.text import kind_name, plural, with_interval

RUN_COLOURS = 6  # in the style sheet; further runs repeat them
SYMBOLS = {"liquid": "circle", "gru": "square", "mlp": "triangle-up", "tcn": "diamond"}
FAINT = 0.3
HEIGHTS = {"wide": 340, "narrow": 270}  # of a plot on wide and narrow screens, pixels
GAP, BOTTOM = 92, 60  # below a plot, below the last one, pixels
LABEL = 14  # height of a label, pixels
BAND = 0.14  # of an axis at most, and half the distance to the next value, is taken by the lines through one value

Figure = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Candidates (by index) of one colour: a kind, or a run. colour: name in the style sheet; broad: of its line."""

    label: str
    colour: str
    members: Sequence[int]
    broad: bool = False


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the fronts are drawn from. fronts: groups whose own front is linked; texts: what pointing at one shows;
    references: errors of baselines and teacher; limits: of budget and board, by cost.
    """

    candidates: Sequence[Candidate]
    texts: Sequence[str]
    groups: Sequence[Group]
    fronts: Sequence[Group]
    chosen: Sequence[int]
    references: Mapping[str, float]
    measures: Sequence[Measure]
    limits: Mapping[Measure, Mapping[str, float]]


def front_page(report: Report) -> str:
    """front.html of one run; equal reports give equal pages."""
    candidates, measures = report.candidates, measures_of([report])
    form = text.error_format(one.val.mae for one in candidates)
    kinds = sorted({one.kind for one in candidates})
    groups = [
        Group(
            label=kind_name(kind), colour=kind if kind in SYMBOLS else "other",
            members=[i for i, one in enumerate(candidates) if one.kind == kind],
        )
        for kind in kinds
    ]  # fmt: skip
    scene = Scene(
        candidates=candidates, texts=[_text(one, report, form) for one in candidates], groups=groups,
        fronts=[Group(label="front", colour="ink", members=range(len(candidates)))],
        chosen=[i for i, one in enumerate(candidates) if one.name == report.chosen.name],
        references=references_of(report), measures=measures,
        limits={measure: limits_of(report, measure) for measure in measures},
    )  # fmt: skip
    search = [Group(label="hypervolume", colour="accent", members=range(len(candidates)))]
    figures = {"fronts": fronts(scene, form), "hypervolume": hypervolume(scene, search)}
    if parameters(candidates):
        figures |= {"parallel": parallel(scene, form), "importance": importances(scene)}
    return _render(
        f"{report.name}: candidates of the search", figures, scene, back="report.html", simulated=report.simulated,
        outside=_outside(scene, form),
    )  # fmt: skip


def fronts_page(reports: Mapping[str, Report]) -> str:
    """fronts.html of several runs by label; baselines and limits are drawn where all runs agree on them."""
    candidates = [one for report in reports.values() for one in report.candidates]
    form = text.error_format(one.val.mae for one in candidates)
    measures = measures_of(reports.values())
    groups: list[Group] = []
    texts: list[str] = []
    chosen: list[int] = []
    for index, (label, report) in enumerate(reports.items()):
        members = range(len(texts), len(texts) + len(report.candidates))
        groups.append(Group(label=html.escape(label), colour=f"run-{index % RUN_COLOURS}", members=members))
        texts += [f"{html.escape(label)}: {_text(one, report, form)}" for one in report.candidates]
        chosen += [i for i in members if candidates[i].name == report.chosen.name]
    common = Group(label="common front", colour="measured", members=range(len(candidates)), broad=True)
    scene = Scene(
        candidates=candidates, texts=texts, groups=groups, fronts=[common, *groups], chosen=chosen, measures=measures,
        references=_agreed([references_of(report) for report in reports.values()]),
        limits={measure: _agreed([limits_of(one, measure) for one in reports.values()]) for measure in measures},
    )  # fmt: skip
    figures = {"fronts": fronts(scene, form), "hypervolume": hypervolume(scene, groups)}
    return _render(
        " · ".join(reports), figures, scene, back="comparison.html", outside=_outside(scene, form),
        simulated=any(report.simulated for report in reports.values()),
    )  # fmt: skip


def fronts(scene: Scene, form: text.Format) -> Figure:
    """A panel for each cost: candidates, fronts, the chosen ones, baselines, teacher, limits."""
    near, _ = split_references([one.val.mae for one in scene.candidates], scene.references)
    y = scale([*(one.val.mae for one in scene.candidates), *near.values()], 0, 1, margin=0.08)
    xs = [_cost_scale(scene, measure) for measure in scene.measures]
    traces = [_legend(group) for group in scene.groups]
    traces += [_legend(group, line=True) for group in scene.fronts if group not in scene.groups]
    for panel, measure in enumerate(scene.measures):
        traces += _panel(scene, measure, panel)
    layouts = {}
    for name, height in HEIGHTS.items():
        wide = name == "wide"
        layout = layouts[name] = _layout(
            len(scene.measures), height, traces, narrow=not wide, right=112 if wide else 12
        )
        for panel, (measure, x) in enumerate(zip(scene.measures, xs, strict=True)):
            _dress(layout, scene, panel, measure, x, y, wide=wide)
            layout["annotations"] += _reference_labels(scene.references, form, panel, y, wide=wide)
    return {"traces": traces, **layouts}


def hypervolume(scene: Scene, groups: Sequence[Group]) -> Figure:
    """The volume that a search's candidates dominate together, after each of them and, where known, over time."""
    spaces = [space_of(one, scene.measures) for one in scene.candidates]
    reference = reference_of([spaces[i] for i in group.members] for group in groups)
    traces, times = [], []
    for group in groups:
        volumes = growth([spaces[i] for i in group.members], reference)
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": group.label, "x": list(range(1, len(volumes) + 1)),
            "y": volumes, "customdata": list(group.members), "hoverinfo": "text", "showlegend": len(groups) > 1,
            "line": {"shape": "hv", "color": f"var(--{group.colour})", "width": 2},
            "marker": {"size": 5, "color": f"var(--{group.colour})"},
        })  # fmt: skip
        times.append([scene.candidates[i].seconds for i in group.members])
    layouts = {}
    for name, height in HEIGHTS.items():
        layout = layouts[name] = _layout(1, height, traces, narrow=name == "narrow", right=12)
        layout["xaxis"] |= {"title": {"text": "candidates", "standoff": 8}, "rangemode": "tozero"}
        layout["yaxis"] |= {"title": {"text": "hypervolume"}, "rangemode": "tozero"}
        if len(groups) == 1:
            layout["shapes"] = _generations(scene, groups[0])
        if all(second is not None for own in times for second in own):
            counts = [trace["x"] for trace in traces]
            layout["updatemenus"] = [_switch({"candidates": counts, "seconds of search": times}, layout["shapes"])]
    return {"traces": traces, **layouts}


def parallel(scene: Scene, form: text.Format) -> Figure:
    """Parallel coordinates: each candidate is a line over what was searched and what came of it."""
    axes = [_parameter_axis(scene, name, values) for name, values in parameters(scene.candidates).items()]
    axes.append(_axis("validation<br>MAE", [one.val.mae for one in scene.candidates]))
    axes += [
        _axis(f"{COSTS[measure].name}<br>{COSTS[measure].unit}", _costs(scene, measure)) for measure in scene.measures
    ]
    traces = [_legend(group, line=True) for group in scene.groups]
    for group in scene.groups:
        for strong in (False, True):
            lines = [i for i in group.members if scene.candidates[i].on_front is strong]
            traces.append(_lines(group, lines, axes, strong=strong))
    traces.append(_marked(0, mode="lines+markers"))
    layout = _layout(1, 380, traces, narrow=False, right=40)
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


def importances(scene: Scene) -> Figure:
    """Bars: how much of the differences in error and in the first two costs each parameter explains."""
    objectives = {"validation MAE": ("accent", [one.val.mae for one in scene.candidates])}
    objectives |= {
        COSTS[measure].name: (colour, _costs(scene, measure))
        for measure, colour in zip(scene.measures[:2], ("measured", "line"), strict=True)
    }
    shares = {name: importance(scene.candidates, values) for name, (_, values) in objectives.items()}
    names = list(reversed(shares["validation MAE"]))
    traces = [
        {
            "type": "bar", "orientation": "h", "name": objective,
            "x": [found[name] for name in names],
            "y": [html.escape(name).replace("_", " ") for name in names],
            "marker": {"color": f"var(--{objectives[objective][0]})"},
            "hovertemplate": "%{y}: %{x:.0%} of " + objective + "<extra></extra>",
        }
        for objective, found in reversed(shares.items())
    ]  # fmt: skip
    layout = _layout(1, 30 + 44 * len(names), traces, narrow=False, right=24)
    layout["xaxis"] |= {"range": [0, 1.02], "tickformat": ".0%"}
    layout["xaxis"]["title"] = {"text": "explained by this alone", "standoff": 8}
    layout["yaxis"] |= {"automargin": True, "tickformat": None, "showgrid": False}
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


def _parameter_axis(scene: Scene, name: str, values: Sequence[Any]) -> _Axis:
    """Few values stand at equal distances, and the lines through one of them side by side, the accurate ones lowest."""
    title = html.escape(name).replace("_", "<br>")
    levels = sorted({value for value in values if value is not None}, key=lambda value: (isinstance(value, str), value))
    if len(levels) > LOG_FROM and not any(isinstance(level, str) for level in levels):
        return _axis(title, values)
    step = 1 / (len(levels) - 1)
    band = min(BAND, step / 2)
    at: list[float | None] = [None] * len(values)
    for row, level in enumerate(levels):
        members = [i for i, value in enumerate(values) if value == level]
        members.sort(key=lambda i: (scene.candidates[i].val.mae, i))
        for rank, i in enumerate(members):
            at[i] = row * step + band * ((rank + 0.5) / len(members) - 0.5)
    labels = [html.escape(level).replace("_", "<br>") if isinstance(level, str) else f"{level:g}" for level in levels]
    return _Axis(title=title, at=at, ticks=[(row * step, label) for row, label in enumerate(labels)])


def _axis(title: str, values: Sequence[float | None]) -> _Axis:
    """Numbers to scale."""
    one = scale([value for value in values if value is not None], 0, 1, margin=0.0, log_from=LOG_FROM)
    at = [None if value is None else one(value) for value in values]
    return _Axis(title=title, at=at, ticks=[(tick.at, tick.label) for tick in one.ticks(6)])


def _lines(group: Group, members: Sequence[int], axes: Sequence[_Axis], *, strong: bool) -> dict[str, Any]:
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
        "legendgroup": group.label, "showlegend": False, "opacity": 0.9 if strong else 0.22,
        "line": {"color": f"var(--{group.colour})", "width": 2 if strong else 1.2},
        "marker": {"size": 5 if strong else 4, "color": f"var(--{group.colour})"},
    }  # fmt: skip


def _panel(scene: Scene, measure: Measure, panel: int) -> list[dict[str, Any]]:
    """The traces of one panel."""
    costs, errors = _costs(scene, measure), [one.val.mae for one in scene.candidates]
    best = {group.label: _own_front(group, costs, errors) for group in scene.fronts}
    strong = {i for own in best.values() for i in own} | set(scene.chosen)
    traces = [
        _at(panel) | {
            "mode": "lines", "name": group.label, "legendgroup": group.label, "hoverinfo": "skip",
            "x": [costs[i] for i in best[group.label]], "y": [errors[i] for i in best[group.label]],
            "line": {"shape": "hv", "width": 8 if group.broad else 1.5, "color": f"var(--{group.colour})"},
            "opacity": 0.3 if group.broad else 0.6,
        }
        for group in scene.fronts
    ]  # fmt: skip
    traces += [
        _at(panel) | {
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
        _at(panel) | {
            "mode": "markers", "name": "chosen", "legendgroup": "chosen", "showlegend": panel == 0,
            "hoverinfo": "skip", "x": [costs[i] for i in scene.chosen], "y": [errors[i] for i in scene.chosen],
            "marker": ring,
        }
    )  # fmt: skip
    traces.append(_marked(panel, mode="markers"))
    return traces


def _marked(panel: int, *, mode: str) -> dict[str, Any]:
    """Where the script puts the candidate that was clicked."""
    return _at(panel) | {
        "mode": mode, "meta": "marked", "x": [], "y": [], "hoverinfo": "skip",
        "line": {"color": "var(--bad)", "width": 3},
        "marker": {"size": 15, "symbol": "circle-open", "color": "var(--bad)", "line": {"width": 3}},
    }  # fmt: skip


def _at(panel: int) -> dict[str, Any]:
    number = _number(panel)
    return {"type": "scatter", "xaxis": f"x{number}", "yaxis": f"y{number}", "showlegend": False}


def _legend(group: Group, *, line: bool = False) -> dict[str, Any]:
    """An entry of the legend that switches a group in all panels; it has no points of its own."""
    kind = next((kind for kind in SYMBOLS if kind == group.colour), None)
    return {
        "type": "scatter", "mode": "lines" if line else "markers", "name": group.label, "legendgroup": group.label,
        "x": [None], "y": [None], "showlegend": True, "hoverinfo": "skip",
        "line": {"color": f"var(--{group.colour})", "width": 6 if group.broad else 2},
        "opacity": 0.5 if group.broad else 1,
        "marker": {"size": 10, "color": f"var(--{group.colour})", "symbol": SYMBOLS[kind] if kind else "circle"},
    }  # fmt: skip


def _layout(
    panels: int, height: int, traces: Sequence[Mapping[str, Any]], *, narrow: bool, right: int
) -> dict[str, Any]:
    """Axes of panels in rows, each `height` pixels high, and everything else that is alike in all drawings."""
    columns, top_margin = (1 if narrow else min(2, panels)), _legend_height(traces, narrow=narrow)
    rows = -(-panels // columns)
    inner = rows * height + (rows - 1) * GAP
    gap = 0.19 if columns > 1 else 0.0
    width = (1 - gap * (columns - 1)) / columns
    layout: dict[str, Any] = {
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
        number, lines = _number(panel), {"gridcolor": "var(--grid)", "linecolor": "var(--line)", "zeroline": False}
        layout[f"xaxis{number}"] = {"domain": [left, left + width], "anchor": f"y{number}", **lines}
        layout[f"yaxis{number}"] = {
            "domain": [max(0.0, top - height / inner), top], "anchor": f"x{number}", "tickformat": ".6~g", **lines,
        } | ({"matches": "y"} if panel else {})  # fmt: skip
    return layout


def _dress(
    layout: dict[str, Any], scene: Scene, panel: int, measure: Measure, x: Scale, y: Scale, *, wide: bool
) -> None:
    """Names, ranges and reference lines of one panel."""
    number, limits = _number(panel), scene.limits[measure]
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
    references: Mapping[str, float], form: text.Format, panel: int, y: Scale, *, wide: bool
) -> list[dict[str, Any]]:
    """Names of baselines and teacher, to the right of the plot or, where it is narrow, below their line."""
    shown = {name: error for name, error in references.items() if y.holds(error)}
    height = HEIGHTS["wide" if wide else "narrow"]
    at = [y(error) * height for error in shown.values()]
    placed = spread(at, LABEL, 0.0, float(height)) if wide else spread([value - 8 for value in at], LABEL, 0.0, height)
    place = {"x": 1.015, "xanchor": "left"} if wide else {"x": 0.01, "xanchor": "left"}
    return [
        {
            "xref": f"x{_number(panel)} domain", "yref": f"y{_number(panel)}", "y": error, "yshift": label - value,
            "text": f"{html.escape(name)} {form(error)}", "showarrow": False, **place,
            "font": {"size": 11.5, "color": "var(--teacher)" if name == "teacher" else "var(--soft)"},
        }
        for (name, error), value, label in zip(shown.items(), at, placed, strict=True)
    ]  # fmt: skip


def _switch(choices: Mapping[str, Any], shapes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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


def _generations(scene: Scene, group: Group) -> list[dict[str, Any]]:
    """A line where a generation begins, but the first."""
    numbers = [scene.candidates[i].generation for i in group.members]
    sizes = [len(list(own)) for number, own in groupby(numbers) if number is not None]
    line = {"type": "line", "yref": "y domain", "y0": 0, "y1": 1, "layer": "below",
            "line": {"color": "var(--line)", "dash": "dot", "width": 1}}  # fmt: skip
    return [line | {"x0": first + 0.5, "x1": first + 0.5} for at in range(1, len(sizes)) if (first := sum(sizes[:at]))]


def _text(one: Candidate, report: Report, form: text.Format) -> str:
    """All figures of a candidate, as plotly shows them: lines of text, names escaped."""
    chosen = one.name == report.chosen.name
    test = one.test or (report.chosen.test if chosen else None)
    lines = [f"<b>{html.escape(one.name)}</b>", f"validation MAE {with_interval(one.val, form)}"]
    lines += [f"test MAE {with_interval(test, form)}"] if test else []
    lines += _native_text(one.native) if one.native else []
    lines += [f"{plural(one.params, 'parameter')}, {one.tflite_bytes:,} bytes of .tflite, {one.arena_bytes:,} of arena"]
    lines += [f"generation {one.generation}"] if one.generation is not None else []
    states = ["chosen"] * chosen + ["on the front"] * one.on_front + ["over the budget"] * (not one.meets_budget)
    return "<br>".join([*lines, *([", ".join(states)] if states else [])])


def _native_text(native: Native) -> list[str]:
    return [
        f"flash {native.flash_bytes:,} bytes, RAM {native.ram_bytes:,} bytes",
        f"{native.cycles:,} cycles, {native.ms:.3g} ms, {native.energy_uj:.3g} µJ",
    ]


def _outside(scene: Scene, form: text.Format) -> str:
    """Baselines that lie outside the axis of errors, in words."""
    _, far = split_references([one.val.mae for one in scene.candidates], scene.references)
    return ", ".join(f"{name} {form(error)}" for name, error in far.items())


def _costs(scene: Scene, measure: Measure) -> list[float]:
    return [cost_of(one, measure) or 0.0 for one in scene.candidates]


def _cost_scale(scene: Scene, measure: Measure) -> Scale:
    costs = _costs(scene, measure)
    near, _ = split_references(costs, scene.limits[measure])
    return scale([*costs, *near.values()], 0, 1, margin=0.08, log_from=LOG_FROM)


def _own_front(group: Group, costs: Sequence[float], errors: Sequence[float]) -> list[int]:
    members = list(group.members)
    return [members[i] for i in front([(costs[i], errors[i]) for i in members])]


def _agreed(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What is the same in all."""
    return {name: value for name, value in found[0].items() if all(one.get(name) == value for one in found)}


def _range(one: Scale) -> list[float]:
    return [_place(one.low, one), _place(one.high, one)]


def _legend_height(traces: Sequence[Mapping[str, Any]], *, narrow: bool) -> int:
    """Pixels above the first plot: rows of the legend, with entries as wide as the widest, and room for buttons."""
    names = [trace["name"] for trace in traces if trace.get("showlegend", True) and "name" in trace]
    in_a_row = max(1, (290 if narrow else 1000) // (56 + 8 * max(map(len, names), default=0)))
    return (16 if narrow else 44) + 22 * math.ceil(len(names) / in_a_row)


def _place(value: float, one: Scale) -> float:
    """A value as plotly wants it in ranges and annotations of a logarithmic axis."""
    return math.log10(value) if one.log else value


def _number(panel: int) -> str:
    """Plotly's names of axes: x, x2, x3."""
    return str(panel + 1) if panel else ""


def _render(
    title: str, figures: Mapping[str, Figure], scene: Scene, *, back: str, outside: str, simulated: bool
) -> str:
    from plotly.offline import get_plotlyjs

    drawn = figures["parallel"]["wide"]["xaxis"]["tickvals"] if "parallel" in figures else []
    return environment().get_template("interactive.html.j2").render(
        title=title, back=back, outside=outside, simulated=simulated, plotly=get_plotlyjs(), names=list(figures),
        data={"figures": figures, "texts": list(scene.texts)}, candidates=len(scene.candidates),
        columns=len(drawn), axes=[COSTS[measure].axis for measure in scene.measures[:2]],
    )  # fmt: skip
