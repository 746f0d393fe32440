"""front.png: the Pareto front as a picture, for READMEs and chats."""

import io
from collections.abc import Sequence
from typing import Any

from edgekd.report.axes import Scale, scale, spread
from edgekd.report.front import LOG_FROM, SIZES, Front, Measure, far_text, front_of
from edgekd.report.schema import Report
from edgekd.report.text import errors_of, kind_name

COLOURS = {"liquid": "#0b63b0", "gru": "#c2500a", "mlp": "#10805b", "tcn": "#7a3fa0"}
MARKERS = {"liquid": "o", "gru": "s", "mlp": "^", "tcn": "D"}
INK, SOFT, GRID, TEACHER, BUDGET = "#17202a", "#5b6673", "#e9ecf0", "#7b4fa3", "#b3261e"
DPI = 150
LABEL_HEIGHT = 0.04  # of the plot
LONGEST_TITLE = 80


def front_png(report: Report) -> bytes:
    """Validation error over bytes of .tflite, and over flash where it was measured."""
    from matplotlib.figure import Figure

    measures: list[Measure] = ["tflite"]
    if any(one.native for one in report.candidates):
        measures.append("native")
    with style():
        figure = Figure(figsize=(8.0 if len(measures) == 1 else 13.0, 4.8), dpi=DPI, layout="constrained")
        axes = figure.subplots(1, len(measures), squeeze=False)[0]
        for one, measure in zip(axes, measures, strict=True):
            _draw(one, report, measure)
        title = f"{report.name}: {report.chosen.name}"[:LONGEST_TITLE]
        origin = "  (simulated data)" if report.simulated else ""
        figure.legend(
            *axes[-1].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=6, fontsize=9
        )
        figure.suptitle(f"{title} chosen{origin}", x=0.01, ha="left", fontweight="bold")
        return png(figure)


def png(figure: Any) -> bytes:
    """The picture without date or version, so that equal drawings are equal files."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def style() -> Any:
    """A context in which pictures do not depend on the user's own matplotlib settings."""
    from matplotlib import style as styles

    own = {
        "font.family": "DejaVu Sans", "font.size": 10, "text.color": INK,
        "axes.labelcolor": SOFT, "axes.edgecolor": GRID,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
        "grid.color": GRID, "xtick.color": SOFT, "ytick.color": SOFT, "text.parse_math": False,
    }  # fmt: skip
    return styles.context(["default", own])


def _draw(axes: Any, report: Report, measure: Measure) -> None:
    found = front_of(report, measure)
    for kind in sorted({one.kind for one, _ in found.points}):
        _scatter(axes, report, [(one, size) for one, size in found.points if one.kind == kind], kind)
    xs, ys = zip(*found.corners, strict=True)
    axes.plot(xs, ys, color=INK, linewidth=1.2, alpha=0.5, drawstyle="steps-post", zorder=1.5)
    _ring(axes, report, found)
    y = frame(
        axes, [size for _, size in found.points], [*(one.val.mae for one, _ in found.points), *found.near.values()]
    )
    _references(axes, report, found, y)
    measured = any(one.native for one in report.candidates)  # then the budget is for the image
    low, high = axes.get_xlim()
    if measured is (measure == "native") and low <= report.budget.flash_bytes <= high:
        axes.axvline(report.budget.flash_bytes, color=BUDGET, linestyle=":", linewidth=1.2, label="budget")
    axes.set_xlabel(SIZES[measure])
    axes.set_ylabel(f"validation MAE [{report.error_unit}]" if len(report.error_unit) < 40 else "validation MAE")


def _scatter(axes: Any, report: Report, points: list[tuple[Any, int]], kind: str) -> None:
    colour = COLOURS.get(kind, TEACHER)
    for strong in (False, True):
        found = [
            (size, one.val.mae) for one, size in points if (one.on_front or one.name == report.chosen.name) is strong
        ]
        axes.scatter(
            [x for x, _ in found], [y for _, y in found], s=46, marker=MARKERS.get(kind, "D"), color=colour,
            alpha=1.0 if strong else 0.3, linewidths=0, zorder=3 if strong else 2,
        )  # fmt: skip
    axes.scatter([], [], s=46, marker=MARKERS.get(kind, "D"), color=colour, linewidths=0, label=kind_name(kind))


def _ring(axes: Any, report: Report, found: Front) -> None:
    for one, size in found.points:
        if one.name == report.chosen.name:
            at = [size], [one.val.mae]
            axes.scatter(*at, s=190, facecolors="none", edgecolors=INK, linewidths=1.6, label="chosen", zorder=4)


def frame(axes: Any, sizes: Sequence[float], errors: Sequence[float]) -> Scale:
    """The axes of the page: limits with a margin, round ticks, sizes on a logarithm where they span much.

    Return the scale of errors, over 0..1.
    """
    x, y = scale(sizes, 0, 1, margin=0.08, log_from=LOG_FROM), scale(errors, 0, 1, margin=0.08)
    axes.set_xscale("log" if x.log else "linear")
    axes.minorticks_off()
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    axes.set_xticks([tick.value for tick in x.ticks(6)], labels=[tick.label for tick in x.ticks(6)])
    axes.set_yticks([tick.value for tick in y.ticks(7)], labels=[tick.label for tick in y.ticks(7)])
    return y


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
