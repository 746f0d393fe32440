"""front.png and front.svg: the Pareto fronts as a picture, for READMEs and chats."""

import io
from collections.abc import Sequence
from typing import Any

from edgekd.contracts.declarations import model_kinds
from edgekd.report.axes import Scale, scale, spread
from edgekd.report.formatting import errors_of, kind_name
from edgekd.report.front import (
    COSTS,
    LOG_FROM,
    Front,
    Measure,
    far_text,
    front_of,
    limits_text,
    measures_of,
)
from edgekd.report.schema import Report

SHAPES = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "pentagon": "p", "hexagon": "h", "cross": "P"}
COLOURS = {kind.name: kind.color for kind in model_kinds().values()}
MARKERS = {kind.name: SHAPES.get(kind.marker, "*") for kind in model_kinds().values()}
INK, SOFT, GRID, TEACHER, BUDGET = "#17202a", "#5b6673", "#e9ecf0", "#7b4fa3", "#b3261e"
DPI = 150
COLUMNS = 2
LABEL_HEIGHT = 0.052  # of the plot
LONGEST_TITLE = 80


def fronts(report: Report) -> dict[str, bytes]:
    """front.png and front.svg: validation error over each cost, flash, latency, RAM and energy where measured."""
    with style():
        measures = measures_of([report])
        figure, panels = grid(len(measures))
        legend: dict[str, Any] = {}
        for axes, measure in zip(panels, measures, strict=True):
            _draw(axes, report, measure)
            handles, labels = axes.get_legend_handles_labels()
            legend |= dict(zip(labels, handles, strict=True))
        figure.legend(legend.values(), legend.keys(), frameon=False, loc="outside lower center", ncols=7, fontsize=9)
        title = f"{report.name}: {report.chosen.name}"[:LONGEST_TITLE]
        origin = "  (simulated data)" if report.simulated else ""
        figure.suptitle(f"{title} chosen{origin}", x=0.01, ha="left", fontweight="bold")
        return files("front", figure)


def grid(panels: int) -> tuple[Any, Sequence[Any]]:
    """A figure with two panels in a row."""
    from matplotlib.figure import Figure

    rows = -(-panels // COLUMNS)
    figure = Figure(figsize=(6.5 * COLUMNS, 0.6 + 4.1 * rows), dpi=DPI, layout="constrained")
    return figure, list(figure.subplots(rows, COLUMNS, squeeze=False).ravel())


def files(name: str, figure: Any) -> dict[str, bytes]:
    """The picture as PNG and SVG, without date or version, so that equal drawings are equal files."""
    return {
        f"{name}.png": _saved(figure, format="png", metadata={"Software": None}),
        f"{name}.svg": _saved(figure, format="svg", metadata={"Date": None, "Creator": None}),
    }


def _saved(figure: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, **options)
    return content.getvalue()


def style() -> Any:
    """A context in which pictures do not depend on the user's own matplotlib settings."""
    from matplotlib import style as styles

    own = {
        "font.family": "DejaVu Sans", "font.size": 10, "text.color": INK,
        "axes.labelcolor": SOFT, "axes.edgecolor": GRID,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
        "grid.color": GRID, "xtick.color": SOFT, "ytick.color": SOFT, "text.parse_math": False,
        "svg.hashsalt": "edgekd",
    }  # fmt: skip
    return styles.context(["default", own])


def _draw(axes: Any, report: Report, measure: Measure) -> None:
    found = front_of(report, measure)
    for kind in sorted({one.kind for one, _ in found.points}):
        _scatter(axes, report, found, kind)
    xs, ys = zip(*found.corners, strict=True)
    axes.plot(xs, ys, color=INK, linewidth=1.2, alpha=0.5, drawstyle="steps-post", zorder=1.5)
    _ring(axes, report, found)
    x, y = frame(axes, found.costs, found.errors)
    _references(axes, report, found, y)
    _limits(axes, found, x)
    beyond = limits_text(found.limits, measure, x)
    axes.set_xlabel(COSTS[measure].axis + (f"\n({beyond})" if beyond else ""))
    axes.set_ylabel(f"validation MAE [{report.error_unit}]" if len(report.error_unit) < 40 else "validation MAE")


def _scatter(axes: Any, report: Report, found: Front, kind: str) -> None:
    style = {"s": 46, "marker": MARKERS.get(kind, "*"), "color": COLOURS.get(kind, TEACHER), "linewidths": 0}
    for strong in (False, True):
        points = [
            (cost, one.val.mae)
            for one, cost in found.points
            if one.kind == kind and (one.name in found.names or one.name == report.chosen.name) is strong
        ]
        axes.scatter(
            [x for x, _ in points],
            [y for _, y in points],
            alpha=1.0 if strong else 0.3,
            zorder=3 if strong else 2,
            **style,
        )
    axes.scatter([], [], label=kind_name(kind), **style)


def _ring(axes: Any, report: Report, found: Front) -> None:
    for one, cost in found.points:
        if one.name == report.chosen.name:
            at = [cost], [one.val.mae]
            axes.scatter(*at, s=190, facecolors="none", edgecolors=INK, linewidths=1.6, label="chosen", zorder=4)


def frame(axes: Any, costs: Sequence[float], errors: Sequence[float]) -> tuple[Scale, Scale]:
    """The axes of the page: limits with a margin, round ticks, costs on a logarithm where they span much.

    Return the scales of costs and of errors, over 0..1.
    """
    x, y = scale(costs, 0, 1, margin=0.08, log_from=LOG_FROM), scale(errors, 0, 1, margin=0.08)
    axes.set_xscale("log" if x.log else "linear")
    axes.minorticks_off()
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    axes.set_xticks([tick.value for tick in x.ticks(6)], labels=[tick.label for tick in x.ticks(6)])
    axes.set_yticks([tick.value for tick in y.ticks(7)], labels=[tick.label for tick in y.ticks(7)])
    return x, y


def _limits(axes: Any, found: Front, x: Scale) -> None:
    """The budget as a line; what the board has not, as a shade."""
    budget, board = found.limits.get("budget"), found.limits.get("board")
    if budget and x.holds(budget):
        axes.axvline(budget, color=BUDGET, linestyle=":", linewidth=1.2, label="budget")
    if board and x.holds(board):
        axes.axvspan(board, x.high, color=BUDGET, alpha=0.09, linewidth=0, label="more than the board has")


def _references(axes: Any, report: Report, found: Front, y: Scale) -> None:
    """Baselines and teacher as lines, named to their right; the rest is named above the axis."""
    form = errors_of(report)
    heights = spread([y(error) for error in found.near.values()], LABEL_HEIGHT, 0.0, 1.0)
    for (name, error), height in zip(found.near.items(), heights, strict=True):
        colour, dashes = (TEACHER, "-") if name == "teacher" else (SOFT, "--")
        axes.axhline(error, color=colour, linestyle=dashes, linewidth=1.1, zorder=1)
        axes.text(
            1.01, height, f"{name} {form(error)}", transform=axes.transAxes, color=colour, fontsize=8.5, va="center"
        )
    axes.set_title(far_text(report, found), loc="left", fontsize=8.5, color=SOFT)
