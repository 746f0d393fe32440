"""Pareto fronts by matplotlib: front.png and front.svg, and the panels of report.html and comparison.html."""

from collections.abc import Collection, Sequence
from typing import Any

from markupsafe import Markup

from edgekd.contracts.results import Report
from edgekd.report import matplotlib_style
from edgekd.report.axes import Scale, spread
from edgekd.report.front_scene import COSTS, FrontScene, Measure, PointGroup, amount, limits_text, scene_of
from edgekd.report.matplotlib_style import DPI, files, style
from edgekd.report.palette import LIGHT, kind_style

COLUMNS = 2
LABEL_HEIGHT = 0.055  # of a reference beside a panel, as a fraction of the panel's height
LABEL_WIDTH = 92  # units beside a panel in a page, for names of references
LONGEST_LABEL = 15  # letters of such a name
LONGEST_TITLE = 80
FAINT = 0.3  # opacity of what is dominated


def front_pictures(report: Report) -> dict[str, bytes]:
    """front.png and front.svg: validation error over each cost, flash, latency, RAM and energy where measured."""
    scene = scene_of(report)
    with style():
        figure, panels = grid(len(scene.measures))
        for axes, measure in zip(panels, scene.measures, strict=True):
            draw_front(axes, scene, measure, named=True)
        legend = dict(item for axes in panels for item in zip(*axes.get_legend_handles_labels()[::-1], strict=True))
        figure.legend(legend.values(), legend.keys(), frameon=False, loc="lower center", ncols=7, fontsize=9)
        title = f"{report.name}: {report.chosen.name}"[:LONGEST_TITLE]
        origin = "  (simulated data)" if report.simulated else ""
        figure.suptitle(f"{title} chosen{origin}", x=0.01, y=0.99, ha="left", va="top", fontweight="bold")
        if scene.far_text:
            figure.text(0.01, 0.945, f"outside the axes of errors: {scene.far_text}", fontsize=9, color=LIGHT["soft"])
        return files("front", figure)


def front_panel(
    scene: FrontScene, measure: Measure, name: str, *, shown: Collection[PointGroup] | None = None
) -> Markup:
    """A panel for a page. name: unique in the page; shown: groups that are drawn, all unless given."""
    with style():
        figure, axes = matplotlib_style.panel(right=LABEL_WIDTH if scene.near else 12)
        groups = [group for group in scene.groups if shown is None or group in shown]
        draw_front(axes, scene, measure, groups=groups)
        count = sum(len(group.members) for group in groups)
        best = {i for group in groups for i in scene.front(measure, group)}
        chosen = [scene.candidates[i].name for group in groups for i in group.members if i in scene.chosen]
        alt = (
            f"Validation error over {COSTS[measure].title} of {count} candidates of "
            f"{', '.join(group.label for group in groups)}; {len(best)} of them on a front of their group. "
            f"Chosen: {', '.join(chosen)}. The numbers are in the tables."
        )
        titles = {_gid(i): _title(scene, measure, i) for group in groups for i in group.members}
        return matplotlib_style.inline(figure, name, alt=alt, titles=titles)


def grid(panels: int, *, columns: int = COLUMNS, width: float = 6.5, height: float = 4.1) -> tuple[Any, Sequence[Any]]:
    """A figure with panels in rows, each of a size in inches; room for a title above and a legend below."""
    from matplotlib.figure import Figure

    rows = -(-panels // columns)
    size = (width * columns, 1.2 + height * rows)
    figure = Figure(figsize=size, dpi=DPI, facecolor=LIGHT["paper"])
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    figure.subplots_adjust(
        left=0.85 / size[0], right=1 - 1.25 / size[0], bottom=1.0 / size[1], top=1 - 0.75 / size[1],
        wspace=2.1 / (width - 2.1), hspace=0.85 / (height - 0.85),
    )  # fmt: skip
    for unused in axes[panels:]:
        unused.set_visible(False)
    return figure, axes[:panels]


def draw_front(
    axes: Any, scene: FrontScene, measure: Measure, *, groups: Sequence[PointGroup] | None = None, named: bool = False
) -> None:
    """Draw one panel: candidates, fronts, the chosen ones, references, limits.

    groups: those that are drawn, all unless given; the axes hold all candidates of the scene in any case. named: put
    labels of groups into the legend, and values beside names of references.
    """
    groups = scene.groups if groups is None else groups
    x, y = _frame(axes, scene, measure)
    drawn = [group for group in scene.fronts if group in groups or group not in scene.groups]
    strong = {i for group in drawn for i in scene.front(measure, group)} | set(scene.chosen)
    for group in drawn:
        _draw_steps(axes, scene, measure, group, named=named)
    for group in groups:
        _draw_points(axes, scene, measure, group, strong, named=named)
    _draw_references(axes, scene, y, named=named)
    _draw_limits(axes, scene, measure, x, named=named)


def _frame(axes: Any, scene: FrontScene, measure: Measure) -> tuple[Scale, Scale]:
    """Names, limits with a margin and round ticks of both axes; costs on a logarithm where they span much."""
    x, y = scene.cost_scale(measure), scene.error_scale()
    axes.set_xscale("log" if x.log else "linear")
    axes.minorticks_off()
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    axes.set_xticks([tick.value for tick in x.ticks(5)], labels=[tick.label for tick in x.ticks(5)])
    axes.set_yticks([tick.value for tick in y.ticks(7)], labels=[tick.label for tick in y.ticks(7)])
    beyond = limits_text(scene.limits[measure], measure, x)
    axes.set_xlabel(COSTS[measure].title + (f"\n({beyond})" if beyond else ""))
    axes.set_ylabel(f"validation {scene.error_name}")
    return x, y


def _draw_steps(axes: Any, scene: FrontScene, measure: Measure, group: PointGroup, *, named: bool) -> None:
    """The front of a group as a staircase: what it dominates lies above and to the right."""
    best = scene.front(measure, group)
    costs, errors = scene.costs(measure), scene.errors
    axes.plot(
        [costs[i] for i in best], [errors[i] for i in best], drawstyle="steps-post", color=LIGHT[group.color],
        linewidth=6 if group.broad else 1.3, alpha=0.3 if group.broad else 0.6, zorder=1.5, solid_capstyle="butt",
        label=group.label if named and group not in scene.groups else None,
    )  # fmt: skip


def _draw_points(
    axes: Any, scene: FrontScene, measure: Measure, group: PointGroup, strong: Collection[int], *, named: bool
) -> None:
    from matplotlib.lines import Line2D

    costs, errors, color = scene.costs(measure), scene.errors, LIGHT[group.color]
    for i in group.members:
        marker = kind_style(scene.candidates[i].kind).marker
        axes.add_line(
            Line2D(
                [costs[i]], [errors[i]], linestyle="", marker=marker, markersize=8.5 if marker == "*" else 6.5,
                color=color, markeredgewidth=0, alpha=1 if i in strong else FAINT, zorder=3 if i in strong else 2,
                gid=_gid(i),
            )
        )  # fmt: skip
        if i in scene.chosen:
            axes.add_line(
                Line2D(
                    [costs[i]], [errors[i]], linestyle="", marker="o", markersize=14, fillstyle="none",
                    color=LIGHT["ink"], markeredgewidth=1.5, zorder=4, label="chosen" if named else None,
                )
            )  # fmt: skip
    if named:
        kinds = {scene.candidates[i].kind for i in group.members}
        marker = kind_style(kinds.pop()).marker if len(kinds) == 1 else "o"
        axes.add_line(Line2D([], [], linestyle="", marker=marker, color=color, markeredgewidth=0, label=group.label))


def _draw_limits(axes: Any, scene: FrontScene, measure: Measure, x: Scale, *, named: bool) -> None:
    """The budget as a line; what the board does not have, as a shade."""
    for row, (name, limit) in enumerate(item for item in scene.limits[measure].items() if x.holds(item[1])):
        if name == "budget":
            label = "budget" if named else None
            axes.axvline(limit, color=LIGHT["bad"], linestyle=":", linewidth=1.2, label=label)
        else:
            label = "more than the board has" if named else None
            axes.axvspan(limit, x.high, color=LIGHT["bad"], alpha=0.09, linewidth=0, label=label)
        left_of_line = x(limit) > 0.5
        axes.annotate(
            f"{name} {amount(limit, measure)}", (limit, 0.02 + 0.06 * row), xycoords=("data", "axes fraction"),
            xytext=(-4 if left_of_line else 4, 0), textcoords="offset points", color=LIGHT["bad"], fontsize=9,
            ha="right" if left_of_line else "left", va="bottom",
            bbox={"facecolor": LIGHT["paper"], "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )  # fmt: skip


def _draw_references(axes: Any, scene: FrontScene, y: Scale, *, named: bool) -> None:
    """Baselines and teacher as lines, named to their right."""
    heights = spread([y(error) for error in scene.near.values()], LABEL_HEIGHT, 0.0, 1.0)
    for (name, error), height in zip(scene.near.items(), heights, strict=True):
        color, dashes = (LIGHT["teacher"], "-") if name == "teacher" else (LIGHT["soft"], "--")
        axes.axhline(error, color=color, linestyle=dashes, linewidth=1.1, zorder=1)
        label = name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
        text = f"{label} {scene.form(error)}" if named else label
        axes.text(1.02, height, text, transform=axes.transAxes, color=color, fontsize=9, va="center")


def _title(scene: FrontScene, measure: Measure, index: int) -> str:
    """What pointing at a candidate shows: its name, error and cost."""
    name, error, *_ = scene.descriptions[index]
    cost = amount(scene.costs(measure)[index], measure)
    return ", ".join([name, error, cost, *(["chosen"] if index in scene.chosen else [])])


def _gid(index: int) -> str:
    """Name of a candidate's mark in an SVG."""
    return f"candidate-{index}"
