"""What a picture of Pareto fronts shows, whoever draws it: one run or several, as a page, a picture or a figure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgekd.contracts.results import Report, ReportedCandidate
from edgekd.pareto import front
from edgekd.report.axes import Scale, scale
from edgekd.report.formatting import Format, duration, error_format, plural, with_interval
from edgekd.report.palette import kind_style, run_color

Measure = Literal["tflite", "arena", "flash", "latency", "ram", "energy"]
LOG_FROM = 8.0  # an axis of costs that spans more than this factor is logarithmic
LEAST_SHARE = 0.4  # of an axis belongs to the candidates; references that would take more are named beside it
AXIS_MARGIN = 0.08


@dataclass(frozen=True, kw_only=True)
class CostAxis:
    """An axis of costs: its name, long and short, the unit behind a number, where a report has it and its limits."""

    title: str
    name: str
    unit: str
    field: str
    limit: str = ""


COSTS: dict[Measure, CostAxis] = {
    "tflite": CostAxis(
        title="bytes of .tflite", name=".tflite", unit="bytes", field="tflite_bytes", limit="flash_bytes"
    ),
    "arena": CostAxis(title="bytes of arena", name="arena", unit="bytes", field="arena_bytes", limit="ram_bytes"),
    "flash": CostAxis(
        title="bytes of flash, whole image", name="flash", unit="bytes", field="flash_bytes", limit="flash_bytes"
    ),
    "latency": CostAxis(title="ms per forecast", name="latency", unit="ms", field="ms", limit="latency_ms"),
    "ram": CostAxis(title="bytes of RAM, with stack", name="RAM", unit="bytes", field="ram_bytes", limit="ram_bytes"),
    "energy": CostAxis(title="µJ per forecast", name="energy", unit="µJ", field="energy_uj"),
}
MODEL: tuple[Measure, ...] = ("tflite", "arena")
IMAGE: tuple[Measure, ...] = ("flash", "latency", "ram", "energy")
"""Costs of the linked image and of its run on the emulated board."""


@dataclass(frozen=True, kw_only=True)
class PointGroup:
    """Candidates (by index) of one color: a kind, or a run. color: its name in the palette; broad: of its line."""

    label: str
    color: str
    members: Sequence[int]
    broad: bool = False


@dataclass(frozen=True, kw_only=True)
class FrontScene:
    """Candidates of one run or of several, in colored groups.

    fronts: groups whose own front is linked; descriptions: the figures of each candidate, line by line; references:
    errors of baselines and teacher; limits: of budget and board, by cost; form, error_name: how errors are
    written, and what they are.
    """

    candidates: Sequence[ReportedCandidate]
    descriptions: Sequence[Sequence[str]]
    groups: Sequence[PointGroup]
    fronts: Sequence[PointGroup]
    chosen: Sequence[int]
    references: Mapping[str, float]
    measures: Sequence[Measure]
    limits: Mapping[Measure, Mapping[str, float]]
    form: Format
    error_name: str

    @property
    def errors(self) -> list[float]:
        """Validation error of each candidate."""
        return [candidate.val.error for candidate in self.candidates]

    @property
    def near(self) -> dict[str, float]:
        """References that belong on the axis of errors, from low to high."""
        return split_references(self.errors, self.references)[0]

    @property
    def far_text(self) -> str:
        """The references that lie outside the axis of errors, in words; empty when there are none."""
        far = split_references(self.errors, self.references)[1]
        return ", ".join(f"{name} {self.form(error)}" for name, error in far.items())

    def costs(self, measure: Measure) -> list[float]:
        """One cost of each candidate."""
        return [cost_of(candidate, measure) or 0.0 for candidate in self.candidates]

    def front(self, measure: Measure, group: PointGroup) -> list[int]:
        """The members that no other member dominates on error and a cost, from small to large."""
        costs, errors = self.costs(measure), self.errors
        best = front([(costs[i], errors[i]) for i in group.members])
        return [group.members[at] for at in best]

    def error_scale(self) -> Scale:
        """Axis of errors over 0..1, with the near references."""
        return scale([*self.errors, *self.near.values()], 0, 1, margin=AXIS_MARGIN)

    def cost_scale(self, measure: Measure) -> Scale:
        """Axis of a cost over 0..1, with the limits that are not far from the candidates."""
        costs = self.costs(measure)
        near, _ = split_references(costs, self.limits[measure])
        return scale([*costs, *near.values()], 0, 1, margin=AXIS_MARGIN, log_from=LOG_FROM)


def scene_of(report: Report) -> FrontScene:
    """The candidates of one run, a group for each kind."""
    candidates, measures = report.candidates, measures_of([report])
    form = form_of([report])
    members: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        members.setdefault(candidate.kind, []).append(index)
    return FrontScene(
        candidates=candidates, form=form, measures=measures, references=references_of(report),
        error_name=report.error_name,
        descriptions=[describe(candidate, report, form) for candidate in candidates],
        groups=[
            PointGroup(label=kind_style(kind).label, color=kind_style(kind).color, members=members[kind])
            for kind in sorted(members)
        ],
        fronts=[PointGroup(label="front", color="ink", members=range(len(candidates)))],
        chosen=[index for index, candidate in enumerate(candidates) if candidate.name == report.chosen.name],
        limits={measure: limits_of(report, measure) for measure in measures},
    )  # fmt: skip


def scene_of_runs(reports: Mapping[str, Report]) -> FrontScene:
    """The candidates of several runs by label, a group for each run; references and limits where all runs agree."""
    candidates = [candidate for report in reports.values() for candidate in report.candidates]
    form, measures = form_of(list(reports.values())), measures_of(reports.values())
    groups: list[PointGroup] = []
    descriptions: list[list[str]] = []
    chosen: list[int] = []
    for index, (label, report) in enumerate(reports.items()):
        members = range(len(descriptions), len(descriptions) + len(report.candidates))
        groups.append(PointGroup(label=label, color=run_color(index), members=members))
        for candidate in report.candidates:
            name, *figures = describe(candidate, report, form)
            descriptions.append([f"{label}: {name}", *figures])
        chosen += [i for i in members if candidates[i].name == report.chosen.name]
    common = PointGroup(label="common front", color="measured", members=range(len(candidates)), broad=True)
    return FrontScene(
        candidates=candidates, descriptions=descriptions, groups=groups, fronts=[common, *groups], chosen=chosen,
        measures=measures, form=form, error_name=next(iter(reports.values())).error_name,
        references=_agreed([references_of(report) for report in reports.values()]),
        limits={measure: _agreed([limits_of(report, measure) for report in reports.values()]) for measure in measures},
    )  # fmt: skip


def form_of(reports: Sequence[Report]) -> Format:
    """How the errors of all candidates are written."""
    errors = [candidate.val.error for report in reports for candidate in report.candidates]
    return error_format(errors, shares=bool(reports[0].task.classes))


def describe(candidate: ReportedCandidate, report: Report, form: Format) -> list[str]:
    """All figures of a candidate, its name first."""
    chosen, measured = candidate.name == report.chosen.name, candidate.measured
    test = candidate.test or (report.chosen.test if chosen else None)
    lines = [candidate.name, f"validation {report.error_name} {with_interval(candidate.val, form)}"]
    lines += [f"test {report.error_name} {with_interval(test, form)}"] if test else []
    if measured:
        lines += [
            f"flash {measured.flash_bytes:,} bytes, RAM {measured.ram_bytes:,} bytes",
            f"{measured.cycles:,} cycles, {measured.ms:.3g} ms, {measured.energy_uj:.3g} µJ",
        ]
    lines.append(
        f"{plural(candidate.params, 'parameter')}, {candidate.tflite_bytes:,} bytes of .tflite, "
        f"{candidate.arena_bytes:,} of arena"
    )
    lines += [f"generation {candidate.generation}"] if candidate.generation is not None else []
    lines += [f"known after {duration(candidate.seconds)}"] if candidate.seconds is not None else []
    states = ["chosen"] * chosen + ["on the front"] * candidate.on_front
    states += ["over the budget"] * (not candidate.meets_budget)
    return [*lines, ", ".join(states)] if states else lines


def measures_of(reports: Iterable[Report]) -> tuple[Measure, ...]:
    """The costs that every candidate of every report has: those of the image, else those of the model's file."""
    return IMAGE if all(candidate.measured for report in reports for candidate in report.candidates) else MODEL


def cost_of(candidate: ReportedCandidate, measure: Measure) -> float | None:
    """What a candidate costs; None where it was not measured."""
    holder = candidate if measure in MODEL else candidate.measured
    return getattr(holder, COSTS[measure].field) if holder else None


def amount(value: float, measure: Measure) -> str:
    """`5,512 bytes`, `0.356 ms`."""
    unit = COSTS[measure].unit
    return f"{value:,.0f} {unit}" if unit == "bytes" or value >= 1000 else f"{value:.3g} {unit}"


def references_of(report: Report) -> dict[str, float]:
    """Validation errors of the baselines and of the teacher."""
    return {name: baseline.val.error for name, baseline in report.baselines.items()} | {
        "teacher": report.teacher.val.error
    }


def limits_of(report: Report, measure: Measure) -> dict[str, float]:
    """The budget's and the board's limit on a cost, as far as there are any.

    They are for the image; they hold for the model's file where no image was measured.
    """
    if measure in MODEL and any(candidate.measured for candidate in report.candidates):
        return {}
    owners = {"budget": report.budget, "board": report.limits}
    limits = {name: getattr(owner, COSTS[measure].limit, None) for name, owner in owners.items()}
    return {name: float(limit) for name, limit in limits.items() if limit}


def split_references(
    values: Sequence[float], references: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Divide references into those that leave the values LEAST_SHARE of the axis, and the rest, both ranked."""
    low, high = min(values), max(values)
    span = max(high - low, 0.1 * high)
    near: dict[str, float] = {}
    for name in sorted(references, key=lambda name: (abs(references[name] - (low + high) / 2), name)):
        low, high = min(low, references[name]), max(high, references[name])
        if span < LEAST_SHARE * (high - low):
            break
        near[name] = references[name]
    far = {name: error for name, error in references.items() if name not in near}
    return _ranked(near), _ranked(far)


def limits_text(limits: Mapping[str, float], measure: Measure, x: Scale) -> str:
    """The limits that lie outside the axis of costs, in words; empty when there are none."""
    sides = {
        "right": [f"{name} {amount(limit, measure)}" for name, limit in limits.items() if limit > x.high],
        "left": [f"{name} {amount(limit, measure)}" for name, limit in limits.items() if limit < x.low],
    }
    return "; ".join(f"to the {side}: {', '.join(names)}" for side, names in sides.items() if names)


def space_of(candidate: ReportedCandidate, measures: Sequence[Measure]) -> tuple[float, float, float]:
    """The three objectives of a hypervolume: the first cost, the validation error, the second cost."""
    first, second = (cost_of(candidate, measure) or 0.0 for measure in measures[:2])
    return first, candidate.val.error, second


def _agreed(of_runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What is the same in all."""
    return {name: value for name, value in of_runs[0].items() if all(other.get(name) == value for other in of_runs)}


def _ranked(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: (item[1], item[0])))
