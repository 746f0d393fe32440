"""The report on a terminal: rich tables that fit narrow windows and are plain text in a pipe."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgekd.contracts.results import Report
from edgekd.report import formatting
from edgekd.report.comparison import RunComparison
from edgekd.report.report_view import score_rows

STYLES = {"PASS": "green", "FAIL": "bold red", "INFO": "dim"}


def tables(report: Report) -> list[RenderableType]:
    """Headline, results, candidates, ladder, ablations, parity and data warnings."""
    parts = [
        _head(report),
        _results(report),
        _candidates(report),
        _ladder(report),
        *_ablations(report),
        _parity(report),
    ]
    return [Group(one, Text("")) for one in [*parts, *_warnings(report)]]


def _head(report: Report) -> RenderableType:
    headline, better = formatting.headline(report)
    lines = [Text(report.name, style="bold")]
    if report.simulated:
        lines[0].append("  [simulated data]", style="bold yellow")
    lines += [Text(formatting.what_was_done(report)), Text(headline, style="green" if better else "red")]
    return Group(*lines, Text(formatting.caveat(report), style="dim"))


def _table(title: str, columns: list[str], *, left: int = 1) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right", no_wrap=index == 0, header_style="dim")
    return table


def _results(report: Report) -> Table:
    form = formatting.errors_of(report)
    table = _table(f"MAE in {report.error_unit}, 95 % interval over groups", ["model", "test", "validation"])
    for row in score_rows(report):
        style = "bold" if row.role == "chosen" else ""
        table.add_row(
            Text(row.name),
            formatting.with_interval(row.test, form),
            formatting.with_interval(row.val, form),
            style=style,
        )
    return table


def _candidates(report: Report) -> Table:
    form = formatting.errors_of(report)
    native = any(one.measured for one in report.candidates)
    columns = ["candidate", "val MAE", ".tflite B", "arena B", *(["flash B", "RAM B", "ms"] if native else []), ""]
    table = _table("Candidates, validation", columns)
    for one in sorted(report.candidates, key=lambda one: (one.val.error, one.name)):
        chosen = one.name == report.chosen.name
        cells: list[Any] = [Text(one.name), form(one.val.error), f"{one.tflite_bytes:,}", f"{one.arena_bytes:,}"]
        if native:
            n = one.measured
            cells += [f"{n.flash_bytes:,}", f"{n.ram_bytes:,}", f"{n.ms:.3g}"] if n else ["", "", ""]
        cells.append("chosen" if chosen else "front" if one.on_front else "" if one.meets_budget else "over budget")
        table.add_row(*cells, style="bold" if chosen else "" if one.on_front else "dim")
    return table


def _ladder(report: Report) -> Table:
    form = formatting.errors_of(report)
    table = _table(f"From the teacher to {report.chosen.name}", ["step", "test MAE"])
    for name, error in formatting.ladder(report):
        table.add_row(name, form(error))
    for one in report.comparisons:
        table.add_row(Text(f"{one.name} (validation)"), form(one.val.error), style="dim")
    return table


def _ablations(report: Report) -> list[RenderableType]:
    if not report.ablations:
        return []
    form = formatting.errors_of(report)
    table = _table("What distillation and stage 2 are worth: validation MAE", ["candidate", *formatting.ABLATIONS])
    for one in report.ablations:
        table.add_row(
            Text(one.name),
            *(formatting.mean_and_range(one, left_out, form) for left_out in formatting.ABLATIONS.values()),
        )
    return [table]


def _parity(report: Report) -> Table:
    table = _table("Parity", ["", "engines", "required", "equal", "of"], left=3)
    for _, one in sorted(report.parity.items()):
        verdict = Text(one.verdict, style=STYLES[one.verdict])
        table.add_row(verdict, Text(one.label), formatting.demand(one), f"{one.equal:,}", f"{one.windows:,}")
    return table


def _warnings(report: Report) -> list[RenderableType]:
    lines = [
        f"{count:,} x {formatting.PROBLEMS.get(kind, kind)}" for kind, count in sorted(report.data.problems.items())
    ]
    if report.data.left_out:
        lines.append(f"too short for a window, left out: {', '.join(report.data.left_out)}")
    lines += [f"left out, {one.name}: {one.reason}" for one in report.excluded]
    return [Group(Text("Warnings", style="bold yellow"), *map(Text, lines))] if lines else []


def comparison_tables(comparison: RunComparison) -> list[RenderableType]:
    """The runs, and who owns which part of the common front."""
    form = formatting.error_format(candidate.error for run in comparison.runs for candidate in run.candidates)
    table = _table(
        f"Hypervolume of validation MAE and {comparison.size_name}",
        ["run", "hypervolume", "alone", "chosen", "test MAE"],
    )
    for run in comparison.runs:
        volume, alone = f"{run.hypervolume:.4f}", formatting.per_cent(run.alone)
        table.add_row(Text(run.label), volume, alone, Text(run.chosen), form(run.chosen_test_mae))
    owners = _table("Common front", ["run", "from B", "to B", "MAE from", "to"])
    for segment in comparison.segments:
        first, last = segment.candidates[0], segment.candidates[-1]
        sizes = f"{first.size:,}", f"{last.size:,}"
        owners.add_row(Text(" = ".join(segment.runs)), *sizes, form(first.error), form(last.error))
    warnings: list[RenderableType] = []
    if comparison.differences:
        warnings.append(Text("Scored on different data, compared all the same:", style="bold red"))
    warnings += [Text(difference) for difference in comparison.differences]
    if any(run.simulated for run in comparison.runs):
        warnings.append(Text("[simulated data]", style="bold yellow"))
    return [Group(part, Text("")) for part in [*warnings, table, owners]]
