"""What a report's page and terminal show: numbers, rows and bars, ready to be written down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekd.contracts.results import ComparedNetwork, Report, Score
from edgekd.report import formatting
from edgekd.report.axes import Scale, scale
from edgekd.report.palette import kind_style

LOG_WHISKERS_FROM = 3.0  # errors that span more than this factor are drawn on a logarithm


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One number of the top row."""

    label: str
    value: str
    note: str
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One model in the table of results: errors on validation and test."""

    name: str
    role: str
    note: str
    val: Score
    test: Score


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A labeled bar; `share` in per cent of the longest."""

    label: str
    value: str
    share: str
    note: str = ""
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class Whisker:
    """An error and its interval on a line from 0 to 100."""

    low: float
    at: float
    high: float


@dataclass(frozen=True)
class WhiskerScale:
    """Draws errors of one table on one scale."""

    scale: Scale

    def __call__(self, score: Score) -> Whisker:
        low, high = score.interval or (score.error, score.error)
        return Whisker(low=self.scale(low), at=self.scale(score.error), high=self.scale(high))


def whiskers(scores: Iterable[Score]) -> WhiskerScale:
    """One scale for all errors of a table."""
    ends = [end for score in scores for end in (*(score.interval or ()), score.error)]
    return WhiskerScale(scale(ends, 3, 97, margin=0.0, log_from=LOG_WHISKERS_FROM))


def tiles(report: Report) -> list[Tile]:
    """The numbers a reader looks for first."""
    form, chosen = formatting.errors_of(report), report.chosen
    name, baseline = report.best_baseline
    _, better = formatting.headline(report)
    relation = f"{formatting.against(chosen.test.error, baseline.test.error)} {name}, the best baseline"
    size = Tile(
        label="Model",
        value=formatting.kilobytes(chosen.tflite_bytes),
        note=f".tflite, {chosen.arena_bytes:,} B of arena",
    )
    return [
        Tile(
            label=f"Test {report.error_name}",
            value=form(chosen.test.error),
            note=relation,
            state="good" if better else "bad",
        ),
        size,
        *_cost_tiles(report),
        _parity_tile(report),
    ]


def _cost_tiles(report: Report) -> list[Tile]:
    measured = report.chosen.measured
    if not measured:
        chosen = report.chosen_candidate
        note = f"multiply-adds, {chosen.params:,} parameters"
        return [Tile(label="Work per forecast", value=f"{chosen.macs:,}", note=note)]
    return [
        Tile(
            label="Flash, RAM",
            value=formatting.kilobytes(measured.flash_bytes),
            note=f"linked image; {measured.ram_bytes:,} B of RAM",
        ),
        Tile(
            label="Latency",
            value=f"{measured.ms:.3g} ms",
            note=f"{measured.energy_uj:.3g} µJ, emulated {measured.board}",
        ),
    ]


def _parity_tile(report: Report) -> Tile:
    failed = formatting.parity_failed(report)
    pairs = [pair for pair in report.parity.values() if pair.tolerance is not None]
    if not pairs:
        return Tile(label="Parity", value="none", note="no pair of engines was compared")
    if failed:
        return Tile(label="Parity", value="FAIL", note=f"{', '.join(failed)} differ", state="bad")
    windows = formatting.plural(max(pair.windows for pair in pairs), "window")
    note = f"{formatting.plural(len(pairs), 'pair')} of engines on {windows}"
    return Tile(label="Parity", value="PASS", note=note, state="good")


def score_rows(report: Report) -> list[ScoreRow]:
    """Baselines, teacher and the chosen candidate: all that was scored on test."""
    chosen, teacher = report.chosen, report.teacher
    members = f"mean of {teacher.members} {kind_style(teacher.kind).label} of {teacher.hidden} units, float"
    rows = [
        ScoreRow(name=name, role="baseline", note=_options(baseline.options), val=baseline.val, test=baseline.test)
        for name, baseline in report.baselines.items()
    ]
    rows += [
        ScoreRow(name="teacher", role="teacher", note=members, val=teacher.val, test=teacher.test),
        ScoreRow(name=chosen.name, role="chosen", note="integer model", val=chosen.val, test=chosen.test),
    ]
    return sorted(rows, key=lambda row: (row.test.error, row.name))


def group_bars(report: Report) -> list[Bar]:
    """Error of the chosen candidate on each test group, the worst first."""
    form = formatting.errors_of(report)
    ranked = sorted(report.chosen.by_group.items(), key=lambda item: (-item[1].error, item[0]))
    longest = max((group.error for _, group in ranked), default=0.0)
    return [
        Bar(
            label=name,
            value=form(group.error),
            share=_share(group.error, longest),
            note=formatting.plural(group.windows, "window"),
        )
        for name, group in ranked
    ]


def level_bars(report: Report) -> list[Bar]:
    """Error over parts of the range of the truth, from low to high."""
    form, levels = formatting.errors_of(report), report.chosen.levels
    longest = max((level.error for level in levels), default=0.0)
    return [
        Bar(
            label=f"{level.low:.4g} to {level.high:.4g}",
            value=form(level.error),
            share=_share(level.error, longest),
            note=formatting.plural(level.windows, "window"),
        )
        for level in levels
    ]


def slice_bars(report: Report) -> list[tuple[str, list[Bar]]]:
    """Error by the values of further columns, and that of the best baseline, by column."""
    form, (name, baseline) = formatting.errors_of(report), report.best_baseline
    columns = []
    for column, errors in report.chosen.test.slices.items():
        reference = baseline.test.slices.get(column, {})
        longest = max(errors.values(), default=0.0)
        bars = [
            Bar(
                label=value,
                value=form(error),
                share=_share(error, longest),
                note=f"{name} {form(reference[value])}" if value in reference else "",
            )
            for value, error in errors.items()
        ]
        columns.append((column, bars))
    return columns


def ladder_bars(report: Report) -> list[Bar]:
    """Test error after each step from the teacher to the integer model, and what the step changed."""
    form, chosen = formatting.errors_of(report), report.chosen
    steps = formatting.ladder(report)
    longest = max(error for _, error in steps)
    bars, before = [], None
    for name, error in steps:
        note = "" if before is None else f"{formatting.against(error, before)} before"
        state = "chosen" if error is chosen.test.error else ""
        bars.append(Bar(label=name, value=form(error), share=_share(error, longest), note=note, state=state))
        before = error
    return bars


def comparison_rows(report: Report) -> list[tuple[ComparedNetwork, str]]:
    """Networks that are no candidates, and how they compare with the chosen one at the same stage's data."""
    chosen = report.chosen_candidate.stage1.val.error
    return [(other, formatting.against(other.val.error, chosen)) for other in report.comparisons]


def stage_bars(report: Report) -> list[Bar]:
    """Seconds by stage, the longest first."""
    stages = formatting.stages(report)
    longest = max(stages.values(), default=0.0)
    return [Bar(label=name, value=formatting.duration(s), share=_share(s, longest)) for name, s in stages.items()]


def _options(options: Mapping[str, float | str]) -> str:
    parts: Sequence[Any] = [
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in options.items()
    ]
    return ", ".join(parts)


def _share(value: float, longest: float) -> str:
    return f"{100 * value / longest:.1f}" if longest > 0 else "0"
