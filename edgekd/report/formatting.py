"""Numbers and sentences as people read them, the same in the page, on the terminal and in pictures."""

import math
import shlex
from collections.abc import Callable, Iterable

from edgekd.contracts.results import Ablation, PairParity, Report, Score
from edgekd.report.palette import kind_style

NOTICEABLE = 0.005  # smaller relative differences are called equal
PROBLEMS = {
    "missing_input": "input missing or not a number: the last value is carried forward",
    "missing_target": "target missing or not a number: not learned from, not scored",
    "duplicate_order": "the same position twice in one group: the first is kept",
    "unsorted": "rows out of order: sorted",
    "gap_filled": "short gap: inputs carried forward, no targets",
    "gap_split": "long gap: no window crosses it",
    "short": "group too short for one window: left out",
    "units": "values look like another unit",
    "classes": "few whole values: is it a class?",
    "resampled": "rows between samples that are `every` apart: the last ones are used",
    "censored": "series never gets to the limit: its truth is a bound",
    "mixed_label": "window over a change of label: left out",
    "split_by_time": "group in training, validation and test alike, divided by time: a weaker test than unseen groups",
}
ABLATIONS = {"with everything": "nothing", "no stage 2": "stage 2", "no distillation": "distillation"}
"""What is left out, by the head of its column."""
Format = Callable[[float], str]


def error_format(values: Iterable[float], significant: int = 3, *, shares: bool = False) -> Format:
    """Write errors with equal decimals, enough for the smallest of them to show its first digits.

    shares: the errors are shares of windows, written in per cent.
    """
    if shares:
        return lambda value: f"{100 * value:.1f} %"
    smallest = min((value for value in values if value > 0), default=1.0)
    decimals = min(12, max(0, significant - 1 - math.floor(math.log10(smallest))))
    return lambda value: f"{value:.{decimals}f}"


def errors_of(report: Report) -> Format:
    """The format of a report's errors."""
    errors = [candidate.val.error for candidate in report.candidates]
    errors += [report.teacher.test.error, report.chosen.test.error]
    return error_format(errors, shares=bool(report.task.classes))


def with_interval(score: Score, form: Format) -> str:
    """`0.00243 [0.00221, 0.00268]`."""
    return form(score.error) + (f" [{form(score.interval[0])}, {form(score.interval[1])}]" if score.interval else "")


def kilobytes(count: int) -> str:
    """Bytes as kB (1000 bytes), exact below 1 kB."""
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} kB"


def per_cent(fraction: float) -> str:
    """`12 %`, with a decimal below 10."""
    value = 100 * fraction
    return f"{value:.0f} %" if abs(value) >= 10 else f"{value:.1f} %"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def plural(count: int, noun: str) -> str:
    """`1 window`, `2 windows`, `12,345 windows`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def against(error: float, reference: float) -> str:
    """How an error compares with another, in words: `16 % lower than`, `2.3 % higher than`, `equal to`."""
    if reference == 0:
        return "equal to" if error == 0 else "higher than"
    change = (error - reference) / reference
    if abs(change) < NOTICEABLE:
        return "equal to"
    return f"{per_cent(abs(change))} {'lower' if change < 0 else 'higher'} than"


def what_was_done(report: Report) -> str:
    """Two sentences: how the candidates came about, and how one was chosen."""
    teacher, parts, students = report.teacher, report.data.parts, len(report.candidates)
    members = f"{plural(teacher.members, kind_style(teacher.kind).label + ' network')} of {teacher.hidden} units"
    them, were = "it" if teacher.members == 1 else "them", "was" if students == 1 else "were"
    val, test = plural(parts.val.groups, "validation group"), plural(parts.test.groups, "test group")
    return (
        f"{members} learned to tell {report.task.says} from the last "
        f"{plural(report.window, report.order_name)}; {plural(students, 'smaller network')} learned from {them}, "
        f"{were} pruned and quantized, and {were} scored as integer models on {val}. The most accurate one that "
        f"meets the budget, {report.chosen.name}, was then scored once on {test}, which nothing before had used."
    )


def headline(report: Report) -> tuple[str, bool]:
    """The chosen candidate against the best baseline on test, and whether it is better."""
    name, baseline = report.best_baseline
    error, reference = report.chosen.test.error, baseline.test.error
    form = errors_of(report)
    better = error < reference * (1 - NOTICEABLE)
    relation = against(error, reference)
    return f"{test_error_name(report)} {form(error)}: {relation} the best baseline, {name} ({form(reference)}).", better


def test_error_name(report: Report) -> str:
    """`Test error`, or what it is where that is no mean distance."""
    return "Test error" if report.error_name == "MAE" else f"Test {report.error_name}"


def caveat(report: Report) -> str:
    """How sure the headline is."""
    name, baseline = report.best_baseline
    own, reference = report.chosen.test.interval, baseline.test.interval
    groups = plural(report.data.parts.test.groups, "test group")
    if not own or not reference:
        return f"Scored on {groups}."
    overlap = own[0] <= reference[1] and reference[0] <= own[1]
    if overlap:
        return f"Their 95 % intervals over {groups} overlap, so other groups may rank them differently."
    return f"Their 95 % intervals over {groups} do not overlap."


def mean_and_range(ablation: Ablation, left_out: str, form: Format) -> str:
    """Mean and extremes over seeds."""
    errors = ablation.errors[left_out]
    return f"{form(ablation.mean(left_out))} [{form(min(errors))}, {form(max(errors))}]"


def demand(pair: PairParity) -> str:
    """What a pair of engines has to keep."""
    if pair.tolerance is None:
        return "near, not required to be equal"
    return "equal to the last bit" if pair.tolerance == 0 else f"within {pair.tolerance:g}"


def parity_failed(report: Report) -> list[str]:
    """Names of the pairs that differ where they must not."""
    return [pair.label for pair in report.parity.values() if pair.verdict == "FAIL"]


def parity_line(report: Report) -> str:
    """The outcome of all comparisons of engines in one sentence."""
    failed = parity_failed(report)
    if failed:
        return f"FAIL: {', '.join(failed)} differ."
    required = [pair for pair in report.parity.values() if pair.tolerance is not None]
    if not required:
        return "No pair of engines was compared."
    windows = plural(max(pair.windows for pair in required), "window")
    return f"PASS: {plural(len(required), 'pair')} of engines agree on {windows}."


def cost_line(report: Report) -> str:
    """What the chosen candidate costs on the board, in one sentence; what is known of it where none was measured."""
    chosen, measured = report.chosen_candidate, report.chosen_candidate.measured
    if not measured:
        return f"{chosen.tflite_bytes:,} bytes of .tflite, {chosen.macs:,} multiply-adds per forecast; not measured."
    return (
        f"{measured.flash_bytes:,} bytes of flash, {measured.ram_bytes:,} bytes of RAM, {measured.ms:.3g} ms and "
        f"{measured.energy_uj:.3g} µJ per forecast on {measured.board} (emulated, {measured.compiler})."
    )


def next_commands(run: str, *, from_page: bool = False) -> list[tuple[str, str]]:
    """Three commands for a finished run, and what they are for. run: its folder; from_page: the report is open."""
    folder = shlex.quote(run)
    commands = [
        (f"edgekd report {folder} --open", "the pictures, in a browser"),
        (f"edgekd flash {folder}", "compile the sketch and put it on a board; --board virtual needs none"),
        (f"edgekd validate {folder}", "replay test windows on the board: equal to the last bit?"),
        (f"edgekd monitor {folder} --plot live.html", "watch its forecasts"),
    ]
    return commands[1:] if from_page else commands[:3]


def stages(report: Report) -> dict[str, float]:
    """Seconds by stage: pieces of one folder (models/..., search/...) are added up where they are alike."""
    by_stage: dict[str, float] = {}
    for piece, seconds in report.seconds.items():
        head, _, rest = piece.partition("/")
        name = f"{head}: {rest.replace('_', ' ')}" if head == "search" and rest else head
        by_stage[name] = by_stage.get(name, 0.0) + seconds
    return dict(sorted(by_stage.items(), key=lambda item: -item[1]))


def ladder(report: Report) -> list[tuple[str, float]]:
    """Test error after each step of the compression of the chosen candidate."""
    chosen = report.chosen
    return [
        ("teacher", chosen.teacher_test_error),
        ("distilled (stage 1)", chosen.stage1_test_error),
        ("pruned (stage 2), float", chosen.float_test_error),
        ("integers, as deployed", chosen.test.error),
    ]
