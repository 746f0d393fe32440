"""report.html: one file that needs no network, no script and no font of its own. Beside it lies front.html."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from edgekd.contracts.declarations import model_kinds
from edgekd.report import formatting, svg_charts
from edgekd.report.schema import Comparison, Report, Score
from edgekd.report.svg import SHAPES, Chart

WIDE, NARROW, PANEL = 1040, 400, 400


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One number of the top row."""

    label: str
    value: str
    note: str
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model in the table of results: errors on validation and test."""

    name: str
    role: str
    note: str
    val: Score
    test: Score


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A labelled bar; `share` in per cent of the longest."""

    label: str
    value: str
    share: str
    note: str = ""
    state: str = ""


def render(report: Report) -> str:
    """Return the whole page as text; equal reports give equal pages."""
    form = formatting.errors_of(report)
    rows = results(report)
    candidates = sorted(report.candidates, key=lambda one: (one.val.mae, one.name))
    measured = [one for one in candidates if one.native]
    headline, better = formatting.headline(report)
    return environment().get_template("report.html.j2").render(
        report=report, text=formatting, form=form, kinds=SHAPES, headline=headline, better=better, tiles=tiles(report),
        rows=rows, whisker_val=svg_charts.whiskers(row.val for row in rows),
        whisker_test=svg_charts.whiskers(row.test for row in rows),
        whisker_candidates=svg_charts.whiskers(one.val for one in candidates), candidates=candidates, measured=measured,
        fronts=fronts(report, bool(measured)),
        horizon=[svg_charts.horizon_chart(report, width) for width in (WIDE, NARROW)],
        examples=[(one, svg_charts.forecast_chart(report, one, PANEL)) for one in report.chosen.forecasts],
        groups=group_bars(report), ladder=ladder_bars(report), comparisons=comparison_rows(report),
        stages=stage_bars(report), config=json.dumps(report.config, indent=2, ensure_ascii=False, sort_keys=True),
    )  # fmt: skip


@functools.cache
def environment() -> jinja2.Environment:
    """Templates of this folder: HTML is escaped, a misspelt name is an error."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["model_kinds"] = lambda: list(model_kinds().values())
    return templates


def tiles(report: Report) -> list[Tile]:
    """The numbers a reader looks for first."""
    form, chosen = formatting.errors_of(report), report.chosen
    name, baseline = report.best_baseline
    _, better = formatting.headline(report)
    relation = f"{formatting.against(chosen.test.mae, baseline.test.mae)} {name}, the best baseline"
    size = Tile(
        label="Model",
        value=formatting.kilobytes(chosen.tflite_bytes),
        note=f".tflite, {chosen.arena_bytes:,} B of arena",
    )
    return [
        Tile(label="Test error (MAE)", value=form(chosen.test.mae), note=relation, state="good" if better else "bad"),
        size,
        *_cost_tiles(report),
        _parity_tile(report),
    ]


def _cost_tiles(report: Report) -> list[Tile]:
    native = report.chosen.native
    if not native:
        one = report.chosen_candidate
        return [
            Tile(label="Work per forecast", value=f"{one.macs:,}", note=f"multiply-adds, {one.params:,} parameters")
        ]
    return [
        Tile(
            label="Flash, RAM",
            value=formatting.kilobytes(native.flash_bytes),
            note=f"linked image; {native.ram_bytes:,} B of RAM",
        ),
        Tile(label="Latency", value=f"{native.ms:.3g} ms", note=f"{native.energy_uj:.3g} µJ, emulated {native.board}"),
    ]


def _parity_tile(report: Report) -> Tile:
    failed = formatting.parity_failed(report)
    pairs = [one for one in report.parity.values() if one.tolerance is not None]
    if not pairs:
        return Tile(label="Parity", value="none", note="no pair of engines was compared")
    if failed:
        return Tile(label="Parity", value="FAIL", note=f"{', '.join(failed)} differ", state="bad")
    windows = formatting.plural(max(one.windows for one in pairs), "window")
    note = f"{formatting.plural(len(pairs), 'pair')} of engines on {windows}"
    return Tile(label="Parity", value="PASS", note=note, state="good")


def results(report: Report) -> list[Row]:
    """Baselines, teacher and the chosen candidate: all that was scored on test."""
    chosen, teacher = report.chosen, report.teacher
    members = f"mean of {teacher.members} {formatting.kind_name(teacher.kind)} of {teacher.hidden} units, float"
    rows = [
        Row(name=name, role="baseline", note=_options(one.options), val=one.val, test=one.test)
        for name, one in report.baselines.items()
    ]
    rows += [
        Row(name="teacher", role="teacher", note=members, val=teacher.val, test=teacher.test),
        Row(name=chosen.name, role="chosen", note="integer model", val=chosen.val, test=chosen.test),
    ]
    return sorted(rows, key=lambda row: (row.test.mae, row.name))


def fronts(report: Report, measured: bool) -> list[tuple[str, list[Chart]]]:
    """Title and drawings (wide, narrow) of each front: by .tflite, and by flash where it was measured."""
    found = [("Size of the model file", [svg_charts.front_chart(report, width) for width in (WIDE, NARROW)])]
    if measured:
        drawings = [svg_charts.front_chart(report, width, "flash") for width in (WIDE, NARROW)]
        found.insert(0, ("Flash of the linked image", drawings))
    return found


def group_bars(report: Report) -> list[Bar]:
    """Error of the chosen candidate on each test group, the worst first."""
    form = formatting.errors_of(report)
    ranked = sorted(report.chosen.by_group.items(), key=lambda item: (-item[1].mae, item[0]))
    longest = max((one.mae for _, one in ranked), default=0.0)
    return [
        Bar(
            label=name,
            value=form(one.mae),
            share=_share(one.mae, longest),
            note=formatting.plural(one.windows, "window"),
        )
        for name, one in ranked
    ]


def ladder_bars(report: Report) -> list[Bar]:
    """Test error after each step from the teacher to the integer model, and what the step changed."""
    form, chosen = formatting.errors_of(report), report.chosen
    steps = formatting.ladder(report)
    longest = max(error for _, error in steps)
    bars, before = [], None
    for name, error in steps:
        note = "" if before is None else f"{formatting.against(error, before)} before"
        state = "chosen" if error is chosen.test.mae else ""
        bars.append(Bar(label=name, value=form(error), share=_share(error, longest), note=note, state=state))
        before = error
    return bars


def comparison_rows(report: Report) -> list[tuple[Comparison, str]]:
    """Networks that are no candidates, and how they compare with the chosen one at the same stage's data."""
    chosen = report.chosen_candidate.stage1.val.mae
    return [(one, formatting.against(one.val.mae, chosen)) for one in report.comparisons]


def stage_bars(report: Report) -> list[Bar]:
    """Seconds by stage, the longest first."""
    found = formatting.stages(report)
    longest = max(found.values(), default=0.0)
    return [Bar(label=name, value=formatting.duration(s), share=_share(s, longest)) for name, s in found.items()]


def _options(options: Mapping[str, float | str]) -> str:
    parts: Sequence[Any] = [
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in options.items()
    ]
    return ", ".join(parts)


def _share(value: float, longest: float) -> str:
    return f"{100 * value / longest:.1f}" if longest > 0 else "0"
