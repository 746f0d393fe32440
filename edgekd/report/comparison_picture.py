"""overlay and side_by_side as .png and .svg: fronts of several runs on the same axes."""

from collections.abc import Sequence
from typing import Any

from edgekd.report.compare import Comparison, Point, RunResult, front_over
from edgekd.report.front import COSTS, Measure
from edgekd.report.matplotlib_front import DPI, INK, MARKERS, files, frame, grid, style

COLOURS = ("#0b63b0", "#c2500a", "#10805b", "#7b4fa3", "#8a6100", "#b3266a")
MOST_COLUMNS = 3


def pictures(found: Comparison) -> dict[str, bytes]:
    """Both pictures by file name: all runs over each cost, and each run by itself over the size."""
    from matplotlib.figure import Figure

    with style():
        overlay, panels = grid(len(found.measures))
        for axes, measure in zip(panels, found.measures, strict=True):
            _draw(axes, found, found.runs, measure)
        columns = min(MOST_COLUMNS, len(found.runs))
        rows = -(-len(found.runs) // columns)
        side = Figure(figsize=(4.2 * columns, 3.8 * rows), dpi=DPI, layout="constrained")
        panels = list(side.subplots(rows, columns, squeeze=False).ravel())
        for axes, run in zip(panels, found.runs, strict=False):
            _draw(axes, found, [run], found.measures[0])
        for axes in panels[len(found.runs) :]:
            axes.set_visible(False)
        return files("overlay", _titled(overlay, found)) | files("side_by_side", _titled(side, found))


def _titled(figure: Any, found: Comparison) -> Any:
    remarks = ["simulated data"] * any(run.simulated for run in found.runs) + ["different data"] * bool(
        found.differences
    )
    title = "Pareto fronts" + (f"  ({', '.join(remarks)})" if remarks else "")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _draw(axes: Any, found: Comparison, shown: Sequence[RunResult], measure: Measure) -> None:
    _steps(axes, front_over(measure, found.runs), measure, color=INK, linewidth=5, alpha=0.12)
    for index, run in enumerate(found.runs):
        if run in shown:
            _draw_run(axes, run, measure, COLOURS[index % len(COLOURS)])
    axes.set_xlabel(COSTS[measure].axis)
    axes.set_ylabel("validation MAE")
    everyone = [point for run in found.runs for point in run.points]
    frame(axes, [point.costs[measure] for point in everyone], [point.error for point in everyone])
    axes.legend(frameon=False, fontsize=9, loc="upper right")


def _draw_run(axes: Any, run: RunResult, measure: Measure, colour: str) -> None:
    best = front_over(measure, [run])
    _steps(axes, best, measure, color=colour, linewidth=1.4, label=run.label)
    for point in run.points:
        at = [point.costs[measure]], [point.error]
        strong = point in best or point.name == run.chosen
        marker = MARKERS.get(point.kind, "*")
        axes.scatter(*at, s=36, marker=marker, color=colour, alpha=1 if strong else 0.28, linewidths=0)
        if point.name == run.chosen:
            axes.scatter(*at, s=150, facecolors="none", edgecolors=colour, linewidths=1.5)


def _steps(axes: Any, points: Sequence[Point], measure: Measure, **style: Any) -> None:
    costs, errors = [point.costs[measure] for point in points], [point.error for point in points]
    axes.plot(costs, errors, drawstyle="steps-post", **style)
