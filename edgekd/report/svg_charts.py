"""The drawings of a report's page.

A chart is drawn for a width in CSS pixels. The page shows the wide or the narrow one, so that text keeps its size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekd.report.axes import Scale, from_zero, scale, spread
from edgekd.report.formatting import Format, errors_of, plural, with_interval
from edgekd.report.front import COSTS, LOG_FROM, Front, Measure, amount, far_text, front_of, limits_text
from edgekd.report.schema import Candidate, Example, Report, Score
from edgekd.report.svg import SHAPES, Chart, Line, Mark, Note, Rule, dots, path, shape, staircase

MOST_POINTS = 1500  # samples drawn of one group; more are thinned, keeping extremes
OUTLIER_SHARE = 0.005  # of the measured samples, at either end, may lie outside the axis
NARROWEST_WIDE = 500  # pixels; a chart at most as wide is drawn for a phone
LOG_WHISKERS_FROM = 3.0


def front_chart(report: Report, width: int, measure: Measure = "tflite") -> Chart:
    """Validation error over a cost of every candidate, the front between them, baselines, teacher and limits."""
    wide = width > NARROWEST_WIDE
    left, right, top, bottom = 74.0, width - (120.0 if wide else 14.0), 16.0, (420.0 if wide else 330.0)
    found, form = front_of(report, measure), errors_of(report)
    y = scale(found.errors, bottom, top, margin=0.08)
    x = scale(found.costs, left, right, log_from=LOG_FROM, margin=0.08)
    drawn = sorted(
        found.points,
        key=lambda point: (point[0].name == report.chosen.name, point[0].name in found.names, point[0].name),
    )
    marks = [
        _candidate_mark(one, x(cost), y(one.val.mae), report, amount(cost, measure), one.name in found.names)
        for one, cost in drawn
    ]
    beyond = limits_text(found.limits, measure, x)
    return Chart(
        width=width, height=int(bottom + 52), left=left, right=right, top=top, bottom=bottom,
        x_name=COSTS[measure].axis, y_name="validation MAE", x_ticks=x.ticks(7 if wide else 4), y_ticks=y.ticks(7),
        rules=[*_references(found, y, left, right, wide, form), *_limits(found, measure, x, top, bottom)], marks=marks,
        lines=[Line(path=staircase([(x(cost), y(error)) for cost, error in found.corners]), css="front")],
        notes=[_chosen_note(report, mark, left, right) for mark in marks if mark.ring],
        alt=_front_alt(report, found, measure),
        caption=" ".join([far_text(report, found), f"Limits {beyond}." if beyond else ""]).strip(),
    )  # fmt: skip


def horizon_chart(report: Report, width: int) -> Chart:
    """Error of each step ahead on test: the chosen candidate and the best baseline."""
    wide = width > NARROWEST_WIDE
    left, right, top, bottom = 74.0, width - (136.0 if wide else 14.0), 16.0, 290.0
    chosen, baseline = report.chosen.by_horizon, report.chosen.baseline_by_horizon
    series = [
        (chosen.val, "second", "chosen, validation"),
        (baseline.test, "baseline", f"{baseline.name}, test"),
        (chosen.test, "first", "chosen, test"),
    ]
    known = [value for values, _, _ in series for value in values if value is not None]
    if not known:
        known = [0.0, 1.0]
    x = scale([0.5, max(len(values) for values, _, _ in series) + 0.5], left, right, margin=0.0)
    y = from_zero(scale([0.0, *known], bottom, top))
    lines = [
        Line(path=path([(x(i + 1), None if v is None else y(v)) for i, v in enumerate(values)]), css=css, title=name)
        for values, css, name in series
    ]
    return Chart(
        width=width, height=int(bottom + 52), left=left, right=right, top=top, bottom=bottom,
        x_name=f"{report.order_name}s ahead", y_name="MAE", x_ticks=x.ticks(8 if wide else 5), y_ticks=y.ticks(6),
        lines=lines, notes=_line_labels(series, y, right, top, bottom, wide), alt=_horizon_alt(report),
    )  # fmt: skip


def forecast_chart(report: Report, example: Example, width: int) -> Chart:
    """What was measured of one group, and the forecasts made from some of its windows."""
    left, right, top, bottom = 58.0, width - 12.0, 14.0, 230.0
    measured = [(at, value) for at, value in zip(example.order, example.measured, strict=True) if value is not None]
    ahead = [(at, value) for one in example.windows for at, value in zip(one.order, one.forecast, strict=True)]
    if not measured and not ahead:
        measured = [(0, 0.0)]
    x = scale([at for at, _ in [*measured, *ahead]], left, right, margin=0.02)
    y = scale([*_without_outliers([v for _, v in measured]), *(v for _, v in ahead)], bottom, top)
    seen = [(x(at), y(value)) for at, value in _thinned(measured) if y.holds(value)]
    lines = [Line(path=dots(seen), css="measured")]
    for one in example.windows:
        points: list[tuple[float, float | None]] = [(x(a), y(v)) for a, v in zip(one.order, one.forecast, strict=True)]
        first = f"forecast from {report.order_name} {one.order[0]:,} on" if one.order else ""
        lines.append(Line(path=path(points), css="first", title=first))
        lines.append(Line(path=path(points[:1]), css="first start", title=first))
    outside = sum(not y.holds(value) for _, value in measured)
    alt = (
        f"Group {example.group}, error {errors_of(report)(example.mae)}: {len(measured)} measured samples and "
        f"{len(example.windows)} forecasts of {report.horizon} steps."
    )
    return Chart(
        width=width, height=int(bottom + 46), left=left, right=right, top=top, bottom=bottom,
        x_name=report.order_name, y_name="", x_ticks=x.ticks(5), y_ticks=y.ticks(5), lines=lines, alt=alt,
        caption=f"{plural(outside, 'outlier')} outside this axis." if outside else "",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Whisker:
    """An error and its interval as a small drawing, 100 units wide."""

    low: float
    at: float
    high: float


def whiskers(scores: Iterable[Score]) -> "WhiskerScale":
    """One scale for all errors of a table."""
    known = list(scores)
    ends = [end for one in known for end in (one.interval or (one.mae, one.mae))]
    return WhiskerScale(scale([*ends, *(one.mae for one in known)], 3, 97, margin=0.0, log_from=LOG_WHISKERS_FROM))


@dataclass(frozen=True)
class WhiskerScale:
    """Draws errors of one table on one scale."""

    scale: Scale

    def __call__(self, score: Score) -> Whisker:
        low, high = score.interval or (score.mae, score.mae)
        return Whisker(low=self.scale(low), at=self.scale(score.mae), high=self.scale(high))


def _references(found: Front, y: Scale, left: float, right: float, wide: bool, form: Format) -> list[Rule]:
    """Baselines and teacher as lines, named to the right of the plot, or on it where it is narrow."""
    at = [y(error) for error in found.near.values()]
    placed = spread(at, 15.0, y.end, y.start) if wide else spread([value - 5 for value in at], 14.0, y.end, y.start)
    return [
        Rule(
            x1=left, x2=right, y1=line, y2=line, css="teacher" if name == "teacher" else "baseline", label=name,
            title=f"{name}: validation MAE {form(error)}", label_x=right + 8 if wide else left + 4,
            label_y=label + (4 if wide else 0),
        )
        for (name, error), line, label in zip(found.near.items(), at, placed, strict=True)
    ]  # fmt: skip


def _limits(found: Front, measure: Measure, x: Scale, top: float, bottom: float) -> list[Rule]:
    """What the budget and the board allow, as lines where they lie inside the axis."""
    rules = []
    for row, (name, limit) in enumerate(found.limits.items()):
        if x.holds(limit):
            at, text = x(limit), f"{name} {amount(limit, measure)}"
            left_of_line = at > (x.start + x.end) / 2
            rules.append(
                Rule(x1=at, x2=at, y1=top, y2=bottom, css="budget", label=text, title=text,
                     label_x=at + (-5 if left_of_line else 5), label_y=bottom - 8 - 15 * row,
                     anchor="end" if left_of_line else "start")
            )  # fmt: skip
    return rules


def _candidate_mark(one: Candidate, x: float, y: float, report: Report, cost: str, on_front: bool) -> Mark:
    chosen = one.name == report.chosen.name
    states = ["chosen"] * chosen + ["on the front"] * on_front + ["over the budget"] * (not one.meets_budget)
    title = f"{one.name}: validation MAE {with_interval(one.val, errors_of(report))}, {cost}"
    kind = one.kind if one.kind in SHAPES else "other"
    return Mark(
        path=shape(one.kind, x, y, 6.0), css=f"kind-{kind}" + ("" if on_front or chosen else " dominated"),
        title=", ".join([title, *states]), x=x, y=y, ring=chosen,
    )  # fmt: skip


def _chosen_note(report: Report, mark: Mark, left: float, right: float) -> Note:
    """The chosen candidate's name beside its mark, on the side with more room."""
    name = report.chosen.name if len(report.chosen.name) <= 28 else "chosen"
    if mark.x - left < right - mark.x:
        return Note(x=mark.x + 10, y=mark.y - 15, text=name, css="strong")
    return Note(x=mark.x + 10, y=mark.y - 17, text=name, anchor="end", css="strong")


def _line_labels(
    series: Sequence[tuple[Sequence[float | None], str, str]],
    y: Scale,
    right: float,
    top: float,
    bottom: float,
    wide: bool,
) -> list[Note]:
    """Names of the lines at their ends, or above the plot where it is narrow."""
    ends = [
        (y(next(value for value in reversed(values) if value is not None)), css, name)
        for values, css, name in series
        if any(value is not None for value in values)
    ]
    if not wide:
        return [
            Note(x=82.0, y=top + 14 + 16 * i, text=name, css=f"on-{css}") for i, (_, css, name) in enumerate(ends[::-1])
        ]
    placed = spread([at for at, _, _ in ends], 15.0, top, bottom)
    return [
        Note(x=right + 8, y=at + 4, text=name, css=f"on-{css}") for at, (_, css, name) in zip(placed, ends, strict=True)
    ]


def _front_alt(report: Report, found: Front, measure: Measure) -> str:
    return (
        f"Validation error over {COSTS[measure].axis} for {plural(len(found.points), 'candidate')}, "
        f"{len(found.best)} of them on the Pareto front. Chosen: {report.chosen.name}. "
        f"The numbers are in the table of candidates."
    )


def _horizon_alt(report: Report) -> str:
    form = errors_of(report)
    known = [value for value in report.chosen.by_horizon.test if value is not None]
    if not known:
        return "No step ahead has a measured target."
    return f"Error on test grows from {form(known[0])} one step ahead to {form(known[-1])} {len(known)} steps ahead."


def _without_outliers(values: Sequence[float]) -> list[float]:
    """The values between the lowest and the highest OUTLIER_SHARE, at least the extremes of what is left."""
    ranked = sorted(values)
    cut = int(len(ranked) * OUTLIER_SHARE)
    return ranked[cut : len(ranked) - cut]


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most about MOST_POINTS points: of each stretch the lowest and the highest."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = -(-2 * len(points) // MOST_POINTS)
    kept: list[tuple[int, float]] = []
    for first in range(0, len(points), size):
        stretch = points[first : first + size]
        kept += sorted({min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])})
    return kept
