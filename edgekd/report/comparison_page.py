"""comparison.html: one file that needs no network, as report.html."""

from collections.abc import Sequence

from edgekd.report import formatting
from edgekd.report.axes import Scale, scale
from edgekd.report.compare import Comparison, RunResult, front_over
from edgekd.report.formatting import Format, error_format
from edgekd.report.front import COSTS, LOG_FROM, Measure, amount
from edgekd.report.page import NARROW, PANEL, WIDE, environment
from edgekd.report.svg import Chart, Line, Mark, shape, staircase
from edgekd.report.svg_charts import NARROWEST_WIDE

COLOURS = 6  # of runs in the style sheet; further runs repeat them


def render(found: Comparison) -> str:
    """Return the whole page as text; equal comparisons give equal pages."""
    return environment().get_template("comparison.html.j2").render(
        found=found, form=_format(found), text=formatting, headline=headline(found), colours=COLOURS,
        simulated=any(run.simulated for run in found.runs),
        overlay=[chart(found, found.runs, width) for width in (WIDE, NARROW)],
        costs=[chart(found, found.runs, PANEL, measure) for measure in found.measures[1:]],
        panels=[(index, run, chart(found, [run], PANEL)) for index, run in enumerate(found.runs)],
    )  # fmt: skip


def headline(found: Comparison) -> str:
    """Which run dominates most, and which chosen candidate is best on test."""
    best, form = found.best, _format(found)
    tested = min(found.runs, key=lambda run: run.chosen_test_mae)
    equal = [run.label for run in found.runs if run.hypervolume == best.hypervolume]
    first = f"{best.label} has the largest hypervolume" if len(equal) == 1 else f"{' and '.join(equal)} are equal"
    return (
        f"{first} ({best.hypervolume:.4f}). The lowest test error of a chosen candidate is "
        f"{form(tested.chosen_test_mae)}, by {tested.label} ({tested.chosen})."
    )


def chart(found: Comparison, shown: Sequence[RunResult], width: int, measure: Measure | None = None) -> Chart:
    """Candidates and fronts of some runs over a cost (the size, if none is named), on axes that are the same for all
    drawings of a comparison.
    """
    measure = measure or found.measures[0]
    wide = width > NARROWEST_WIDE
    left, right, top, bottom = 74.0, width - 14.0, 16.0, (420.0 if wide else 300.0)
    everyone = [point for run in found.runs for point in run.points]
    x = scale([point.costs[measure] for point in everyone], left, right, log_from=LOG_FROM, margin=0.08)
    y = scale([point.error for point in everyone], bottom, top, margin=0.08)

    def steps(runs: Sequence[RunResult]) -> str:
        return staircase([(x(point.costs[measure]), y(point.error)) for point in front_over(measure, runs)])

    lines = [Line(path=steps(found.runs), css="common", title="common front of all runs")]
    marks: list[Mark] = []
    for index, run in enumerate(found.runs):
        if run in shown:
            css = f"run-{index % COLOURS}"
            lines.append(Line(path=steps([run]), css=css, title=f"front of {run.label}"))
            marks += _marks(run, measure, css, x, y, _format(found))
    names, axis = ", ".join(run.label for run in shown), COSTS[measure].axis
    return Chart(
        width=width, height=int(bottom + 52), left=left, right=right, top=top, bottom=bottom, x_name=axis,
        y_name="validation MAE", x_ticks=x.ticks(7 if wide else 4), y_ticks=y.ticks(7), lines=lines, marks=marks,
        alt=f"Validation error over {axis} of {names}. The numbers are in the tables.",
    )  # fmt: skip


def _marks(run: RunResult, measure: Measure, css: str, x: Scale, y: Scale, form: Format) -> list[Mark]:
    marks, best = [], front_over(measure, [run])
    for point in run.points:
        chosen, on_front, cost = point.name == run.chosen, point in best, point.costs[measure]
        words = [f"{run.label}: {point.name}, validation MAE {form(point.error)}, {amount(cost, measure)}"]
        words += ["chosen"] * chosen + ["on its front"] * on_front
        at = x(cost), y(point.error)
        marks.append(
            Mark(path=shape(point.kind, *at, 5.5), css=css + ("" if on_front or chosen else " dominated"),
                 title=", ".join(words), x=at[0], y=at[1], ring=chosen)
        )  # fmt: skip
    return sorted(marks, key=lambda mark: (mark.ring, "dominated" not in mark.css))


def _format(found: Comparison) -> Format:
    return error_format(point.error for run in found.runs for point in run.points)
