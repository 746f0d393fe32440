"""overlay and side_by_side as .png and .svg: fronts of several runs on the same axes."""

from typing import Any

from edgekd.report.comparison import RunComparison
from edgekd.report.front_scene import FrontScene
from edgekd.report.matplotlib_front import draw_front, grid
from edgekd.report.matplotlib_style import files, style

MOST_COLUMNS = 3


def comparison_pictures(comparison: RunComparison, scene: FrontScene) -> dict[str, bytes]:
    """Both pictures by file name: all runs over each cost, and each run by itself over the size."""
    with style():
        overlay, panels = grid(len(scene.measures))
        for axes, measure in zip(panels, scene.measures, strict=True):
            draw_front(axes, scene, measure, named=True)
        runs = len(scene.groups)
        side, panels = grid(runs, columns=min(MOST_COLUMNS, runs), width=5.2, height=3.8)
        for axes, group in zip(panels, scene.groups, strict=True):
            draw_front(axes, scene, scene.measures[0], groups=[group])
            axes.set_title(group.label, loc="left", fontsize=10)
        return files("overlay", _titled(overlay, comparison)) | files("side_by_side", _titled(side, comparison))


def _titled(figure: Any, comparison: RunComparison) -> Any:
    remarks = ["simulated data"] * any(run.simulated for run in comparison.runs)
    remarks += ["different data"] * bool(comparison.differences)
    title = "Pareto fronts" + (f"  ({', '.join(remarks)})" if remarks else "")
    figure.suptitle(title, x=0.01, y=0.99, ha="left", va="top", fontweight="bold")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, frameon=False, loc="lower center", ncols=6, fontsize=9)
    return figure
