"""Lines over time by matplotlib: forecasts against measurement, error by step ahead, what a board forecasts now."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from edgekd.contracts.results import AnsweredSeries, GroupExample, HardWindow, Report
from edgekd.report import matplotlib_style
from edgekd.report.axes import Scale, scale, spread
from edgekd.report.formatting import errors_of, plural
from edgekd.report.matplotlib_style import PANEL_FONT, style
from edgekd.report.palette import LIGHT

MOST_POINTS = 900  # samples drawn of one group; more are thinned, keeping extremes
FEWEST_JOINED = 60  # fewer samples are drawn as dots
OUTLIER_SHARE = 0.005  # of the measured samples, at either end, may lie outside the axis
LABEL_GAP = 0.06  # between names of lines, as a fraction of the height
NAMES_WIDTH = 130  # units beside the axes, for names of lines
LONGEST_LABEL = 36  # letters beside an axis
SMALL_WIDTH, SMALL_HEIGHT = 360, 270  # of one of three panels in a row, units

INPUT_LETTERS = 9  # of the name of an input beside its line

Point = tuple[int, float]
Values = Sequence[float | None]


def forecast_panel(report: Report, example: GroupExample, name: str) -> tuple[Markup, str]:
    """What was measured of one group, the forecasts from some of its windows; and how much lies outside the axes.

    name: unique in the page.
    """
    measured = [(at, value) for at, value in zip(example.order, example.measured, strict=True) if value is not None]
    ahead = [(at, value) for window in example.windows for at, value in zip(window.order, window.forecast, strict=True)]
    everything = [*measured, *ahead] or [(0, 0.0)]
    x = scale([at for at, _ in everything], 0, 1, margin=0.02)
    inner = without_outliers([value for _, value in measured])
    y = scale([*inner, *(value for _, value in ahead)] or [0.0], 0, 1)
    with style():
        figure, axes = matplotlib_style.panel(width=SMALL_WIDTH, height=SMALL_HEIGHT)
        _frame(axes, x, y, report.order_name, report.error_unit)
        _draw_measured(axes, measured)
        for window in example.windows:
            axes.plot(window.order, window.forecast, color=LIGHT["accent"], linewidth=2.2, solid_capstyle="round")
            axes.plot(window.order[:1], window.forecast[:1], "o", color=LIGHT["accent"], markersize=5)
        samples, forecasts = plural(len(measured), "measured sample"), plural(len(example.windows), "forecast")
        alt = (
            f"Group {example.group}, error {errors_of(report)(example.error)}: {samples} and {forecasts} of "
            f"{plural(report.horizon, 'step')}."
        )
        outside = sum(not y.holds(value) for _, value in measured)
        return (
            matplotlib_style.inline(figure, name, alt=alt),
            f"{plural(outside, 'outlier')} outside this axis." if outside else "",
        )


def horizon_panel(report: Report, name: str) -> Markup:
    """Error of each step ahead on test: the chosen candidate and the best baseline. name: unique in the page."""
    by_horizon, baseline = report.chosen.by_horizon, report.chosen.baseline_by_horizon
    series: list[tuple[str, Values, dict[str, Any]]] = [
        ("chosen, validation", by_horizon.val, {"color": LIGHT["accent"], "alpha": 0.5, "linewidth": 1.5}),
        (f"{baseline.name}, test", baseline.test, {"color": LIGHT["soft"], "dashes": (5, 3), "linewidth": 1.6}),
        ("chosen, test", by_horizon.test, {"color": LIGHT["accent"], "linewidth": 2.2}),
    ]
    known = [value for _, values, _ in series for value in values if value is not None]
    steps = max(len(values) for _, values, _ in series)
    x = scale([0.5, steps + 0.5], 0, 1, margin=0.0)
    y = scale([0.0, *(known or [1.0])], 0, 1, margin=0.06)
    y = Scale(low=0.0, high=y.high, start=0, end=1)
    with style():
        figure, axes = matplotlib_style.panel(right=NAMES_WIDTH)
        _frame(axes, x, y, f"{report.order_name}s ahead", f"{report.error_name}, {report.error_unit}")
        ends: dict[str, float] = {}
        for label, values, look in series:
            numbers = [math.nan if value is None else value for value in values]
            marker = "o" if len(values) == 1 else None
            axes.plot(range(1, len(values) + 1), numbers, marker=marker, markersize=4, **look)
            last = [value for value in values if value is not None]
            if last:
                ends[label] = y(last[-1])
        heights = spread(list(ends.values()), LABEL_GAP, 0.0, 1.0)
        looks = {label: look for label, _, look in series}
        for label, height in zip(ends, heights, strict=True):
            color = looks[label]["color"]
            axes.text(1.02, height, label, transform=axes.transAxes, color=color, fontsize=PANEL_FONT, va="center")
        return matplotlib_style.inline(figure, name, alt=_horizon_text(report))


def answers_panel(report: Report, answered: AnsweredSeries, name: str) -> Markup:
    """The truth over a series and an answer for each window. name: unique in the page."""
    with style():
        figure, axes = matplotlib_style.panel(width=SMALL_WIDTH, height=SMALL_HEIGHT)
        x = scale(answered.order, 0, 1, margin=0.02)
        y = scale([*answered.truth, *answered.answer], 0, 1)
        _frame(axes, x, y, report.order_name, report.error_unit)
        axes.plot(answered.order, answered.truth, color=LIGHT["measured"], linewidth=2.4)
        dots = {"marker": "o", "markersize": 3} if len(answered.order) <= FEWEST_JOINED else {}
        axes.plot(answered.order, answered.answer, color=LIGHT["accent"], linewidth=1.3, **dots)
        form = errors_of(report)
        count = plural(len(answered.answer), "answer")
        alt = f"Series {answered.series}, error {form(answered.error)}: {count} and the truth."
        return matplotlib_style.inline(figure, name, alt=alt)


def pairs_panel(report: Report, name: str) -> Markup:
    """Answers over the truth, and the line on which they would be right. name: unique in the page."""
    truth, answer = zip(*report.chosen.pairs, strict=True)
    with style():
        figure, axes = matplotlib_style.panel()
        both = scale([*truth, *answer], 0, 1)
        _frame(axes, both, both, f"truth, {report.error_unit}", f"answer, {report.error_unit}")
        axes.plot([both.low, both.high], [both.low, both.high], color=LIGHT["soft"], dashes=(5, 3), linewidth=1.2)
        axes.plot(truth, answer, "o", color=LIGHT["accent"], alpha=0.35, markersize=3.5, markeredgewidth=0)
        alt = f"Answer over truth of {plural(len(truth), 'test window')}, and the line where both are equal."
        return matplotlib_style.inline(figure, name, alt=alt)


def window_panel(window: HardWindow, name: str) -> Markup:
    """The inputs of a window, each over its own range, one above another. name: unique in the page."""
    with style():
        figure, axes = matplotlib_style.panel(width=SMALL_WIDTH, height=SMALL_HEIGHT)
        count = len(window.samples)
        for row, samples in enumerate(window.samples.values()):
            low, high = min(samples), max(samples)
            middle, span = (low + high) / 2, (high - low) or 1.0
            heights = [count - 1 - row + 0.8 * (value - middle) / span for value in samples]
            axes.plot(range(len(samples)), heights, color=LIGHT["accent"], linewidth=1.2)
        axes.set_xlim(0, max(len(samples) for samples in window.samples.values()) - 1)
        axes.set_ylim(-0.6, count - 0.4)
        axes.set_yticks(range(count), labels=[column[:INPUT_LETTERS] for column in reversed(window.samples)])
        axes.set_xlabel("sample of the window")
        alt = f"Inputs of a window with label {window.truth} that was taken for {window.answer}."
        return matplotlib_style.inline(figure, name, alt=alt)


def live_panel(
    forecasts: Sequence[Sequence[float]], first: int, drawn: Sequence[int], labels: tuple[str, str]
) -> Markup:
    """What a board forecasts now: the latest forecast, some earlier ones, and what each expected next.

    first: number of forecasts[0]; each is drawn from its number on; drawn: indices of those that are drawn whole,
    the latest last; labels: of the two axes.
    """
    ends = [first, *(first + n + len(forecasts[n]) - 1 for n in drawn)]
    shown = [value for n in drawn for value in forecasts[n]] + [values[0] for values in forecasts]
    titles = {f"forecast-{first + n}": f"forecast {first + n}" for n in drawn}
    with style():
        figure, axes = matplotlib_style.panel()
        _frame(axes, scale(ends, 0, 1, margin=0.02), scale(shown, 0, 1), *labels)
        axes.plot(range(first, first + len(forecasts)), [values[0] for values in forecasts], color=LIGHT["measured"])
        for n in drawn:
            newest = n == drawn[-1]
            axes.plot(
                range(first + n, first + n + len(forecasts[n])), forecasts[n], color=LIGHT["accent"],
                linewidth=2.2 if newest else 1.4, alpha=1 if newest else 0.4, gid=f"forecast-{first + n}",
                marker="o" if len(forecasts[n]) == 1 else None, markersize=4,
            )  # fmt: skip
        latest = forecasts[drawn[-1]]
        number, unit = first + drawn[-1], labels[1]
        alt = f"Forecast {number}: from {latest[0]:.6g} to {latest[-1]:.6g} {unit}."
        return matplotlib_style.inline(figure, "live", alt=alt, titles=titles)


def without_outliers(values: Sequence[float]) -> list[float]:
    """The values between the lowest and the highest OUTLIER_SHARE, at least the extremes of what is left."""
    ranked = sorted(values)
    cut = int(len(ranked) * OUTLIER_SHARE)
    return ranked[cut : len(ranked) - cut]


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most about MOST_POINTS points: of each stretch the lowest and the highest."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = -(-2 * len(points) // MOST_POINTS)
    kept: list[Point] = []
    for first in range(0, len(points), size):
        stretch = points[first : first + size]
        kept += sorted({min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])})
    return kept


def _draw_measured(axes: Any, measured: Sequence[Point]) -> None:
    """Measured samples as a line, with a gap where more than a few are missing; few of them as dots."""
    points = thinned(measured)
    if len(points) <= FEWEST_JOINED:
        axes.plot([at for at, _ in points], [value for _, value in points], "o", color=LIGHT["measured"], markersize=3)
        return
    steps = sorted(b[0] - a[0] for a, b in zip(points, points[1:], strict=False))
    longest = 10 * max(1, steps[len(steps) // 2])
    xs: list[float] = []
    ys: list[float] = []
    for before, (at, value) in zip([points[0], *points], points, strict=False):
        if at - before[0] > longest:
            xs.append(math.nan)
            ys.append(math.nan)
        xs.append(at)
        ys.append(value)
    axes.plot(xs, ys, color=LIGHT["measured"], linewidth=1.6, solid_joinstyle="round")


def _frame(axes: Any, x: Scale, y: Scale, x_label: str, y_label: str) -> None:
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    axes.set_xticks([tick.value for tick in x.ticks(5)], labels=[tick.label for tick in x.ticks(5)])
    axes.set_yticks([tick.value for tick in y.ticks(6)], labels=[tick.label for tick in y.ticks(6)])
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label if len(y_label) <= LONGEST_LABEL else f"{y_label[: LONGEST_LABEL - 1]}…")


def _horizon_text(report: Report) -> str:
    form = errors_of(report)
    known = [value for value in report.chosen.by_horizon.test if value is not None]
    if not known:
        return "No step ahead has a measured target."
    return f"Error on test grows from {form(known[0])} one step ahead to {form(known[-1])} {len(known)} steps ahead."
