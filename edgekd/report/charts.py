"""The pictures of the page as shapes with coordinates; templates/chart.svg.j2 writes them down.

A chart is drawn for a width in CSS pixels. The page shows the wide or the narrow one, so that text keeps its size.
Colours are classes of the style sheet, which knows about dark screens and paper.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekd.report.axes import Scale, Tick, from_zero, scale, spread
from edgekd.report.pareto import front
from edgekd.report.schema import Candidate, Example, Report, Score
from edgekd.report.text import errors_of, with_interval

MOST_POINTS = 1500  # samples drawn of one group; more are thinned, keeping extremes
OUTLIER_SHARE = 0.005  # of the measured samples, at either end, may lie outside the axis
SHAPES = {"liquid": "circle", "gru": "square", "mlp": "triangle"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A straight reference line with a label."""

    x1: float
    y1: float
    x2: float
    y2: float
    css: str
    label: str
    label_x: float
    label_y: float
    anchor: str = "start"


@dataclass(frozen=True, kw_only=True)
class Line:
    """`path` is an SVG path; `title` shows when pointed at."""

    path: str
    css: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One point. `ring`: drawn around the chosen one."""

    path: str
    css: str
    title: str
    x: float
    y: float
    ring: bool = False


@dataclass(frozen=True, kw_only=True)
class Note:
    """Text at a place."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    css: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A plot area left..right, top..bottom inside width x height, and what is in it. `alt` says what it shows.

    `caption`: what is known and lies outside the axes.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_name: str
    y_name: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    alt: str
    caption: str = ""
    rules: Sequence[Rule] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    notes: Sequence[Note] = ()


def front_chart(report: Report, width: int, measure: str = "tflite") -> Chart:
    """Validation error over size: of the .tflite, or (`measure='native'`) of the whole measured image.

    Candidates without that size are not drawn.
    """
    wide = width > 500
    left, right, top, bottom = 62.0, width - (136.0 if wide else 14.0), 26.0, (400.0 if wide else 330.0)
    sizes = {one.name: size for one in report.candidates if (size := size_of(one, measure)) is not None}
    shown = [one for one in report.candidates if one.name in sizes]
    references = {name: one.val for name, one in report.baselines.items()} | {"teacher": report.teacher.val}
    y, beyond = _error_scale([one.val.mae for one in shown], references, bottom, top)
    x = scale(sizes.values(), left, right, log=True, margin=0.08)
    form = errors_of(report)
    best = front([(sizes[one.name], one.val.mae) for one in shown])
    corners = [(x(sizes[shown[i].name]), y(shown[i].val.mae)) for i in best]
    marks = [
        _candidate_mark(one, x(sizes[one.name]), y(one.val.mae), report, f"{sizes[one.name]:,} bytes")
        for one in sorted(shown, key=lambda one: (one.name == report.chosen.name, one.on_front, one.name))
    ]
    notes = [_chosen_note(report, marks[-1], left, right)] if marks and marks[-1].ring else []
    if beyond:
        text = "above the axis: " + ", ".join(f"{name} {form(references[name].mae)}" for name in beyond)
        notes.append(Note(x=left, y=top - 10, text=text, css="faint"))
    rules = _references({n: s for n, s in references.items() if n not in beyond}, y, left, right, wide, form)
    budget, budget_note = _budget(report, x, top, bottom, right)
    return Chart(
        width=width, height=int(bottom + 52), left=left, right=right, top=top, bottom=bottom,
        x_name="bytes of .tflite" if measure == "tflite" else "flash of the whole image, bytes",
        y_name="validation MAE", x_ticks=x.ticks(7 if wide else 4), y_ticks=y.ticks(7),
        rules=[*rules, *budget], lines=[Line(path=_staircase(corners, top, right), css="front")], marks=marks,
        notes=[*notes, *budget_note], alt=_front_alt(report, shown, len(best), measure),
    )  # fmt: skip


def horizon_chart(report: Report, width: int) -> Chart:
    """Error of each step ahead on test: the chosen candidate and the best baseline."""
    wide = width > 500
    left, right, top, bottom = 62.0, width - (136.0 if wide else 14.0), 26.0, 270.0
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
        Line(path=_path([(x(i + 1), None if v is None else y(v)) for i, v in enumerate(values)]), css=css, title=name)
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
    dots = [(x(at), y(value)) for at, value in _thinned(measured) if y.holds(value)]
    lines = [Line(path=_dots(dots), css="measured")]
    for one in example.windows:
        points: list[tuple[float, float | None]] = [(x(a), y(v)) for a, v in zip(one.order, one.forecast, strict=True)]
        first = f"forecast from {report.order_name} {one.order[0]:,} on" if one.order else ""
        lines.append(Line(path=_path(points), css="first", title=first))
    outside = sum(not y.holds(value) for _, value in measured)
    notes = (
        [Note(x=right, y=top + 10, text=f"{outside} outliers outside", anchor="end", css="faint")] if outside else []
    )
    alt = (
        f"Group {example.group}, error {errors_of(report)(example.mae)}: {len(measured)} measured samples and "
        f"{len(example.windows)} forecasts of {report.horizon} steps."
    )
    return Chart(
        width=width, height=int(bottom + 46), left=left, right=right, top=top, bottom=bottom,
        x_name=report.order_name, y_name="", x_ticks=x.ticks(5), y_ticks=y.ticks(5), lines=lines, notes=notes, alt=alt,
    )  # fmt: skip


def size_of(one: Candidate, measure: str) -> int | None:
    """Bytes that count for a front."""
    if measure == "tflite":
        return one.tflite_bytes
    return one.native.flash_bytes if one.native else None


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
    return WhiskerScale(scale([*ends, *(one.mae for one in known)], 3, 97, margin=0.0))


@dataclass(frozen=True)
class WhiskerScale:
    """Draws errors of one table on one scale."""

    scale: Scale

    def __call__(self, score: Score) -> Whisker:
        low, high = score.interval or (score.mae, score.mae)
        return Whisker(low=self.scale(low), at=self.scale(score.mae), high=self.scale(high))


def _error_scale(
    errors: Sequence[float], references: dict[str, Score], bottom: float, top: float
) -> tuple[Scale, list[str]]:
    """An axis for the candidates; references far above them would squeeze these flat and are named instead."""
    low, high = min(errors, default=0.0), max(errors, default=1.0)
    reach = high + max(high - low, 0.15 * high)
    beyond = sorted((n for n, s in references.items() if s.mae > reach), key=lambda n: references[n].mae)
    near = [one.mae for name, one in references.items() if name not in beyond]
    return scale([low, high, *near], bottom, top, margin=0.09), beyond


def _references(
    references: dict[str, Score], y: Scale, left: float, right: float, wide: bool, form: object
) -> list[Rule]:
    names = sorted(references, key=lambda name: references[name].mae)
    at = [y(references[name].mae) for name in names]
    placed = spread(at, 15.0, y.end + 4, y.start) if wide else [value - 5 for value in at]
    return [
        Rule(
            x1=left, x2=right, y1=value, y2=value, css="teacher" if name == "teacher" else "baseline",
            label=name if wide else name, label_x=right + 8 if wide else right - 4, label_y=label + (4 if wide else 0),
            anchor="start" if wide else "end",
        )
        for name, value, label in zip(names, at, placed, strict=True)
    ]  # fmt: skip


def _budget(report: Report, x: Scale, top: float, bottom: float, right: float) -> tuple[list[Rule], list[Note]]:
    """The flash budget as a line, or a note where it lies to the right of everything."""
    limit = report.budget.flash_bytes
    if not x.holds(limit):
        where = "beyond this axis" if limit > x.high else "left of this axis"
        return [], [Note(x=right - 4, y=bottom - 8, text=f"budget {limit:,} bytes: {where}", anchor="end", css="faint")]
    at = x(limit)
    side = -5 if at > (x.start + x.end) / 2 else 5
    return [
        Rule(x1=at, x2=at, y1=top, y2=bottom, css="budget", label=f"budget {limit:,} bytes", label_x=at + side,
             label_y=bottom - 8, anchor="end" if side < 0 else "start")
    ], []  # fmt: skip


def _candidate_mark(one: Candidate, x: float, y: float, report: Report, size: str) -> Mark:
    chosen = one.name == report.chosen.name
    states = ["chosen"] * chosen + ["on the front"] * one.on_front + ["over the budget"] * (not one.meets_budget)
    title = f"{one.name}: validation MAE {with_interval(one.val, errors_of(report))}, {size}"
    kind = one.kind if one.kind in SHAPES else "other"
    return Mark(
        path=_shape(SHAPES.get(one.kind, "diamond"), x, y, 6.0),
        css=f"kind-{kind}" + ("" if one.on_front or chosen else " dominated"),
        title=", ".join([title, *states]), x=x, y=y, ring=chosen,
    )  # fmt: skip


def _chosen_note(report: Report, mark: Mark, left: float, right: float) -> Note:
    room_right = right - mark.x > 8 * len(report.chosen.name) + 16
    name = report.chosen.name if len(report.chosen.name) <= 28 else "chosen"
    if room_right or mark.x - left < right - mark.x:
        return Note(x=mark.x + 13, y=mark.y - 11, text=name, css="strong")
    return Note(x=mark.x - 13, y=mark.y - 11, text=name, anchor="end", css="strong")


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
            Note(x=70.0, y=top + 14 + 16 * i, text=name, css=f"on-{css}") for i, (_, css, name) in enumerate(ends[::-1])
        ]
    placed = spread([at for at, _, _ in ends], 15.0, top, bottom)
    return [
        Note(x=right + 8, y=at + 4, text=name, css=f"on-{css}") for at, (_, css, name) in zip(placed, ends, strict=True)
    ]


def _front_alt(report: Report, shown: Sequence[Candidate], on_front: int, measure: str) -> str:
    what = "bytes of .tflite" if measure == "tflite" else "bytes of flash"
    return (
        f"Validation error over {what} for {len(shown)} candidates, {on_front} of them on the Pareto front. "
        f"Chosen: {report.chosen.name}. The numbers are in the table of candidates."
    )


def _horizon_alt(report: Report) -> str:
    form = errors_of(report)
    known = [value for value in report.chosen.by_horizon.test if value is not None]
    if not known:
        return "No step ahead has a measured target."
    return f"Error on test grows from {form(known[0])} one step ahead to {form(known[-1])} {len(known)} steps ahead."


def _path(points: Iterable[tuple[float, float | None]]) -> str:
    """A polyline with gaps where there is no value; a lone point becomes a dot."""
    text, pen_down = [], False
    for x, y in points:
        if y is None:
            pen_down = False
            continue
        text.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}" + ("" if pen_down else "h0"))
        pen_down = True
    return "".join(text)


def _dots(points: Iterable[tuple[float, float]]) -> str:
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)


def _staircase(corners: Sequence[tuple[float, float]], top: float, right: float) -> str:
    """What the front dominates lies above and to the right of this line."""
    if not corners:
        return ""
    path = f"M{corners[0][0]:.1f} {top:.1f}V{corners[0][1]:.1f}"
    path += "".join(f"H{x:.1f}V{y:.1f}" for x, y in corners[1:])
    return path + f"H{right:.1f}"


def _shape(name: str, x: float, y: float, r: float) -> str:
    if name == "circle":
        return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
    corners = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
        "diamond": [(0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)],
    }[name]
    return "M" + "L".join(f"{x + r * dx:.1f} {y + r * dy:.1f}" for dx, dy in corners) + "z"


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
