"""front.html and fronts.html: fronts to point at, zoom into and switch on and off by parts; one file, no network."""

import html
from collections.abc import Mapping, Sequence

from edgekd.report import formatting
from edgekd.report.comparison_page import COLOURS
from edgekd.report.formatting import kind_name, plural, with_interval
from edgekd.report.front import COSTS, limits_of, measures_of, references_of, split_references
from edgekd.report.importance import parameters
from edgekd.report.page import environment
from edgekd.report.plotly_common import SYMBOLS, Figure, Group, Scene
from edgekd.report.plotly_front import fronts
from edgekd.report.schema import Candidate, Native, Report
from edgekd.report.search_history import hypervolume, importances, parallel


def front_page(report: Report) -> str:
    """front.html of one run; equal reports give equal pages."""
    candidates, measures = report.candidates, measures_of([report])
    form = formatting.error_format(one.val.mae for one in candidates)
    kinds = sorted({one.kind for one in candidates})
    groups = [
        Group(
            label=html.escape(kind_name(kind)), colour=kind if kind in SYMBOLS else "other",
            members=[i for i, one in enumerate(candidates) if one.kind == kind],
        )
        for kind in kinds
    ]  # fmt: skip
    scene = Scene(
        candidates=candidates, texts=[_text(one, report, form) for one in candidates], groups=groups,
        fronts=[Group(label="front", colour="ink", members=range(len(candidates)))],
        chosen=[i for i, one in enumerate(candidates) if one.name == report.chosen.name],
        references=references_of(report), measures=measures,
        limits={measure: limits_of(report, measure) for measure in measures},
    )  # fmt: skip
    search = [Group(label="hypervolume", colour="accent", members=range(len(candidates)))]
    figures = {"fronts": fronts(scene, form), "hypervolume": hypervolume(scene, search)}
    if parameters(candidates):
        figures |= {"parallel": parallel(scene), "importance": importances(scene)}
    return _render(
        f"{report.name}: candidates of the search", figures, scene, back="report.html", outside=_outside(scene, form),
        warnings=["simulated data"] * report.simulated,
    )  # fmt: skip


def fronts_page(reports: Mapping[str, Report], *, different: bool = False) -> str:
    """fronts.html of several runs by label; baselines and limits are drawn where all runs agree on them.

    different: the runs are not scored on the same data, and the page says so.
    """
    candidates = [one for report in reports.values() for one in report.candidates]
    form = formatting.error_format(one.val.mae for one in candidates)
    measures = measures_of(reports.values())
    groups: list[Group] = []
    texts: list[str] = []
    chosen: list[int] = []
    for index, (label, report) in enumerate(reports.items()):
        members = range(len(texts), len(texts) + len(report.candidates))
        groups.append(Group(label=html.escape(label), colour=f"run-{index % COLOURS}", members=members))
        texts += [f"{html.escape(label)}: {_text(one, report, form)}" for one in report.candidates]
        chosen += [i for i in members if candidates[i].name == report.chosen.name]
    common = Group(label="common front", colour="measured", members=range(len(candidates)), broad=True)
    scene = Scene(
        candidates=candidates, texts=texts, groups=groups, fronts=[common, *groups], chosen=chosen, measures=measures,
        references=_agreed([references_of(report) for report in reports.values()]),
        limits={measure: _agreed([limits_of(one, measure) for one in reports.values()]) for measure in measures},
    )  # fmt: skip
    figures = {"fronts": fronts(scene, form), "hypervolume": hypervolume(scene, groups)}
    return _render(
        " · ".join(reports), figures, scene, back="comparison.html", outside=_outside(scene, form),
        warnings=["simulated data"] * any(report.simulated for report in reports.values())
        + ["different data"] * different,
    )  # fmt: skip


def _text(one: Candidate, report: Report, form: formatting.Format) -> str:
    """All figures of a candidate, as plotly shows them: lines of text, names escaped."""
    chosen = one.name == report.chosen.name
    test = one.test or (report.chosen.test if chosen else None)
    lines = [f"<b>{html.escape(one.name)}</b>", f"validation MAE {with_interval(one.val, form)}"]
    lines += [f"test MAE {with_interval(test, form)}"] if test else []
    lines += _native_text(one.native) if one.native else []
    lines += [f"{plural(one.params, 'parameter')}, {one.tflite_bytes:,} bytes of .tflite, {one.arena_bytes:,} of arena"]
    lines += [f"generation {one.generation}"] if one.generation is not None else []
    lines += [f"known after {formatting.duration(one.seconds)}"] if one.seconds is not None else []
    states = ["chosen"] * chosen + ["on the front"] * one.on_front + ["over the budget"] * (not one.meets_budget)
    return "<br>".join([*lines, *([", ".join(states)] if states else [])])


def _native_text(native: Native) -> list[str]:
    return [
        f"flash {native.flash_bytes:,} bytes, RAM {native.ram_bytes:,} bytes",
        f"{native.cycles:,} cycles, {native.ms:.3g} ms, {native.energy_uj:.3g} µJ",
    ]


def _outside(scene: Scene, form: formatting.Format) -> str:
    """Baselines that lie outside the axis of errors, in words."""
    _, far = split_references([one.val.mae for one in scene.candidates], scene.references)
    return ", ".join(f"{name} {form(error)}" for name, error in far.items())


def _agreed(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What is the same in all."""
    return {name: value for name, value in found[0].items() if all(one.get(name) == value for one in found)}


def _render(
    title: str, figures: Mapping[str, Figure], scene: Scene, *, back: str, outside: str, warnings: Sequence[str]
) -> str:
    from plotly.offline import get_plotlyjs

    drawn = figures["parallel"]["wide"]["xaxis"]["tickvals"] if "parallel" in figures else []
    return environment().get_template("interactive.html.j2").render(
        title=title, back=back, outside=outside, warnings=warnings, plotly=get_plotlyjs(), names=list(figures),
        data={"figures": figures, "texts": list(scene.texts)}, candidates=len(scene.candidates),
        columns=len(drawn), axes=[COSTS[measure].axis for measure in scene.measures[:2]],
    )  # fmt: skip
