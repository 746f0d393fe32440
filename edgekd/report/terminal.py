"""The report on a terminal: rich tables that fit narrow windows and are plain text in a pipe."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgekd.contracts.results import Report
from edgekd.contracts.text import printable
from edgekd.report import formatting
from edgekd.report.comparison import RunComparison
from edgekd.report.report_view import score_rows

STYLES = {"PASS": "green", "FAIL": "bold red", "INFO": "dim"}
LONGEST_SENTENCE = 4096


def tables(report: Report, run: str = "RUN") -> list[RenderableType]:
    """Results, candidates, compression, parity and warnings; at the end the outcome and what to do next.

    run: the folder of the run, as commands take it.
    """
    parts = [
        _results(report),
        *_candidates(report),
        _ladder(report),
        *_ablations(report),
        *_parity(report),
        *_warnings(report),
        _ending(report, run),
    ]
    return [Group(part, Text("")) for part in parts]


def _ending(report: Report, run: str) -> RenderableType:
    """What was done, what came out, what it costs, whether the engines agree, and three commands."""
    headline, better = formatting.headline(report)
    title = _safe(f"{report.name}: {report.chosen.name}", style="bold")
    if report.simulated:
        title.append("  [simulated data]", style="bold yellow")
    failed = bool(formatting.parity_failed(report))
    facts = Table.grid(padding=(0, 1, 0, 0))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_row("result", _safe(headline, style="green" if better else "red"))
    facts.add_row("", Text(formatting.caveat(report), style="dim"))
    facts.add_row("cost", _safe(formatting.cost_line(report)))
    facts.add_row("parity", _safe(formatting.parity_line(report), style=STYLES["FAIL"] if failed else ""))
    commands = Table.grid(padding=(0, 1, 0, 0))
    commands.add_column(no_wrap=True, overflow="fold")  # a command is copied: it is not cut at its spaces
    commands.add_column()
    for command, purpose in formatting.next_commands(run):
        commands.add_row(_safe(command, style="bold"), Text(purpose, style="dim"))
    facts.add_row("next", commands)
    return Group(title, _safe(formatting.what_was_done(report)), facts)


def _table(title: str, columns: list[str], *, left: int = 1) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right", no_wrap=index == 0, header_style="dim")
    return table


def _results(report: Report) -> Table:
    form = formatting.errors_of(report)
    table = _table(
        f"{report.error_name}, {report.error_unit}, 95 % interval over groups", ["model", "test", "validation"]
    )
    for row in score_rows(report):
        test, val = formatting.with_interval(row.test, form), formatting.with_interval(row.val, form)
        table.add_row(_safe(row.name), test, val, style="bold" if row.role == "chosen" else "")
    return table


def _candidates(report: Report) -> list[RenderableType]:
    """The front, and how many candidates are not on it."""
    form, chosen = formatting.errors_of(report), report.chosen.name
    shown = [candidate for candidate in report.candidates if candidate.on_front or candidate.name == chosen]
    measured = any(candidate.measured for candidate in shown)
    columns = [
        "candidate",
        f"val {report.error_name}",
        ".tflite B",
        "arena B",
        *(["flash B", "RAM B", "ms"] if measured else []),
        "",
    ]
    table = _table("Candidates on the front, validation", columns)
    for candidate in sorted(shown, key=lambda candidate: (candidate.val.error, candidate.name)):
        sizes = f"{candidate.tflite_bytes:,}", f"{candidate.arena_bytes:,}"
        cost = candidate.measured
        costs = [f"{cost.flash_bytes:,}", f"{cost.ram_bytes:,}", f"{cost.ms:.3g}"] if cost else [""] * 3 * measured
        state = "chosen" if candidate.name == chosen else "" if candidate.meets_budget else "over budget"
        style = "bold" if candidate.name == chosen else ""
        table.add_row(_safe(candidate.name), form(candidate.val.error), *sizes, *costs, state, style=style)
    dominated = len(report.candidates) - len(shown)
    if not dominated:
        return [table]
    others = formatting.plural(dominated, "dominated candidate")
    return [Group(table, Text(f"and {others}, all in report.html", style="dim"))]


def _ladder(report: Report) -> Table:
    form = formatting.errors_of(report)
    table = _table(f"From the teacher to {report.chosen.name}", ["step", f"test {report.error_name}"])
    for name, error in formatting.ladder(report):
        table.add_row(name, form(error))
    for other in report.comparisons:
        table.add_row(_safe(f"{other.name} (validation)"), form(other.val.error), style="dim")
    return table


def _ablations(report: Report) -> list[RenderableType]:
    if not report.ablations:
        return []
    form = formatting.errors_of(report)
    table = _table(
        f"What distillation and stage 2 are worth: validation {report.error_name}", ["candidate", *formatting.ABLATIONS]
    )
    for ablation in report.ablations:
        errors = [formatting.mean_and_range(ablation, left_out, form) for left_out in formatting.ABLATIONS.values()]
        table.add_row(_safe(ablation.name), *errors)
    return [table]


def _parity(report: Report) -> list[RenderableType]:
    """A row for each pair of engines where one fails; else the ending says it in one line."""
    if not formatting.parity_failed(report):
        return []
    table = _table("Parity", ["", "engines", "required", "equal", "of"], left=3)
    for _, pair in sorted(report.parity.items()):
        counts = f"{pair.equal:,}", f"{pair.windows:,}"
        table.add_row(Text(pair.verdict, style=STYLES[pair.verdict]), pair.label, formatting.demand(pair), *counts)
    return [table]


def _warnings(report: Report) -> list[RenderableType]:
    problems = sorted(report.data.problems.items())
    lines = [f"{count:,} x {formatting.PROBLEMS.get(kind, kind)}" for kind, count in problems]
    if report.data.left_out:
        lines.append(f"too short for a window, left out: {', '.join(report.data.left_out)}")
    lines += [f"left out, {candidate.name}: {candidate.reason}" for candidate in report.excluded]
    return [Group(Text("Warnings", style="bold yellow"), *map(_safe, lines))] if lines else []


def _safe(text: str, style: str = "") -> Text:
    """Text that may hold names from outside, safe to show."""
    return Text(printable(text, LONGEST_SENTENCE), style=style)


def comparison_tables(comparison: RunComparison) -> list[RenderableType]:
    """The runs, and who owns which part of the common front."""
    errors = [candidate.error for run in comparison.runs for candidate in run.candidates]
    form = formatting.error_format(errors, shares=comparison.shares)
    table = _table(
        f"Hypervolume of validation {comparison.error_name} and {comparison.size_name}",
        ["run", "hypervolume", "alone", "chosen", f"test {comparison.error_name}"],
    )
    for run in comparison.runs:
        volume, alone = f"{run.hypervolume:.4f}", formatting.per_cent(run.alone)
        table.add_row(_safe(run.label), volume, alone, _safe(run.chosen), form(run.chosen_test_error))
    owners = _table("Common front", ["run", "from B", "to B", f"{comparison.error_name} from", "to"])
    for segment in comparison.segments:
        first, last = segment.candidates[0], segment.candidates[-1]
        sizes = f"{first.size:,}", f"{last.size:,}"
        owners.add_row(_safe(" = ".join(segment.runs)), *sizes, form(first.error), form(last.error))
    warnings: list[RenderableType] = []
    if comparison.differences:
        warnings.append(Text("Scored on different data, compared all the same:", style="bold red"))
    warnings += [_safe(difference) for difference in comparison.differences]
    if any(run.simulated for run in comparison.runs):
        warnings.append(Text("[simulated data]", style="bold yellow"))
    return [Group(part, Text("")) for part in [*warnings, table, owners]]
