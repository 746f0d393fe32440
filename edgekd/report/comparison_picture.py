"""overlay.png and side_by_side.png: fronts of several runs on the same axes."""

from collections.abc import Sequence
from typing import Any

from edgekd.report.compare import Comparison, RunResult
from edgekd.report.picture import DPI, INK, MARKERS, frame, png, style

COLOURS = ("#0b63b0", "#c2500a", "#10805b", "#7b4fa3", "#8a6100", "#b3266a")
MOST_COLUMNS = 3


def pictures(found: Comparison) -> dict[str, bytes]:
    """Both pictures by file name."""
    from matplotlib.figure import Figure

    with style():
        overlay = Figure(figsize=(8.0, 4.8), dpi=DPI, layout="constrained")
        _draw(overlay.subplots(), found, found.runs)
        columns = min(MOST_COLUMNS, len(found.runs))
        rows = -(-len(found.runs) // columns)
        side = Figure(figsize=(4.2 * columns, 3.8 * rows), dpi=DPI, layout="constrained")
        panels = side.subplots(rows, columns, squeeze=False).ravel()
        for axes, run in zip(panels, found.runs, strict=False):
            _draw(axes, found, [run])
        for axes in panels[len(found.runs) :]:
            axes.set_visible(False)
        return {"overlay.png": _titled(overlay, found), "side_by_side.png": _titled(side, found)}


def _titled(figure: Any, found: Comparison) -> bytes:
    remarks = ["simulated data"] * any(run.simulated for run in found.runs) + ["different data"] * bool(
        found.differences
    )
    title = "Pareto fronts" + (f"  ({', '.join(remarks)})" if remarks else "")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return png(figure)


def _draw(axes: Any, found: Comparison, shown: Sequence[RunResult]) -> None:
    common = [point for segment in found.segments for point in segment.points]
    axes.plot(
        [p.size for p in common], [p.error for p in common], drawstyle="steps-post", color=INK, linewidth=5, alpha=0.12
    )
    for index, run in enumerate(found.runs):
        if run in shown:
            _draw_run(axes, run, COLOURS[index % len(COLOURS)])
    axes.set_xlabel(found.size_name)
    axes.set_ylabel("validation MAE")
    everyone = [point for run in found.runs for point in run.points]
    frame(axes, [point.size for point in everyone], [point.error for point in everyone])
    axes.legend(frameon=False, fontsize=9, loc="upper right")


def _draw_run(axes: Any, run: RunResult, colour: str) -> None:
    own = [run.points[i] for i in run.front]
    axes.plot(
        [p.size for p in own],
        [p.error for p in own],
        drawstyle="steps-post",
        color=colour,
        linewidth=1.4,
        label=run.label,
    )
    for index, point in enumerate(run.points):
        strong = index in run.front or point.name == run.chosen
        marker = MARKERS.get(point.kind, "D")
        axes.scatter(
            [point.size], [point.error], s=36, marker=marker, color=colour, alpha=1 if strong else 0.28, linewidths=0
        )
        if point.name == run.chosen:
            axes.scatter([point.size], [point.error], s=150, facecolors="none", edgecolors=colour, linewidths=1.5)
