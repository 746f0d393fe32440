"""What a picture of a Pareto front shows, whoever draws it: the pages, front.png or a comparison."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgekd.pareto import front, hypervolume
from edgekd.report.axes import Scale
from edgekd.report.formatting import errors_of
from edgekd.report.schema import Candidate, Report

Measure = Literal["tflite", "arena", "flash", "latency", "ram", "energy"]
LOG_FROM = 8.0  # an axis of costs that spans more than this factor is logarithmic
LEAST_SHARE = 0.4  # of an axis belongs to the candidates; references that would take more are named beside it
MARGIN = 1.1  # the reference point of a hypervolume is the worst value on any front times this


@dataclass(frozen=True, kw_only=True)
class Cost:
    """An axis of costs: its name, long and short, the unit behind a number, where a report has it and its limits."""

    axis: str
    name: str
    unit: str
    field: str
    limit: str = ""


COSTS: dict[Measure, Cost] = {
    "tflite": Cost(axis="bytes of .tflite", name=".tflite", unit="bytes", field="tflite_bytes", limit="flash_bytes"),
    "arena": Cost(axis="bytes of arena", name="arena", unit="bytes", field="arena_bytes", limit="ram_bytes"),
    "flash": Cost(
        axis="bytes of flash, whole image", name="flash", unit="bytes", field="flash_bytes", limit="flash_bytes"
    ),
    "latency": Cost(axis="ms per forecast", name="latency", unit="ms", field="ms", limit="latency_ms"),
    "ram": Cost(axis="bytes of RAM, with stack", name="RAM", unit="bytes", field="ram_bytes", limit="ram_bytes"),
    "energy": Cost(axis="µJ per forecast", name="energy", unit="µJ", field="energy_uj"),
}
MODEL: tuple[Measure, ...] = ("tflite", "arena")
IMAGE: tuple[Measure, ...] = ("flash", "latency", "ram", "energy")
"""Costs of the linked image and of its run on the emulated board."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """Candidates with one cost, and which of them no other one dominates on error and that cost, from small to large.

    near: errors of baselines and teacher that belong on the axis, from low to high; far: the others. limits: of the
    budget and of the board on this cost.
    """

    points: Sequence[tuple[Candidate, float]]
    best: Sequence[int]
    near: Mapping[str, float]
    far: Mapping[str, float]
    limits: Mapping[str, float]

    @property
    def corners(self) -> list[tuple[float, float]]:
        """Cost and validation error along the front."""
        return [(self.points[i][1], self.points[i][0].val.mae) for i in self.best]

    @property
    def names(self) -> set[str]:
        """Of the candidates on the front."""
        return {self.points[i][0].name for i in self.best}

    @property
    def costs(self) -> list[float]:
        """What the axis of costs has to hold: the candidates, and limits that are not far from them."""
        found = [cost for _, cost in self.points]
        near, _ = split_references(found, self.limits)
        return [*found, *near.values()]

    @property
    def errors(self) -> list[float]:
        """What the axis of errors has to hold."""
        return [*(one.val.mae for one, _ in self.points), *self.near.values()]


def front_of(report: Report, measure: Measure) -> Front:
    """Validation error over a cost of the candidates that have it."""
    points = [(one, cost) for one in report.candidates if (cost := cost_of(one, measure)) is not None]
    near, far = split_references([one.val.mae for one, _ in points], references_of(report))
    best = front([(cost, one.val.mae) for one, cost in points])
    return Front(points=points, best=best, near=near, far=far, limits=limits_of(report, measure))


def measures_of(reports: Iterable[Report]) -> tuple[Measure, ...]:
    """The costs that every candidate of every report has: those of the image, else those of the model's file."""
    return IMAGE if all(one.native for report in reports for one in report.candidates) else MODEL


def cost_of(one: Candidate, measure: Measure) -> float | None:
    """What a candidate costs; None where it was not measured."""
    holder = one if measure in MODEL else one.native
    return getattr(holder, COSTS[measure].field) if holder else None


def amount(value: float, measure: Measure) -> str:
    """`5,512 bytes`, `0.356 ms`."""
    unit = COSTS[measure].unit
    return f"{value:,.0f} {unit}" if unit == "bytes" or value >= 1000 else f"{value:.3g} {unit}"


def references_of(report: Report) -> dict[str, float]:
    """Validation errors of the baselines and of the teacher."""
    return {name: one.val.mae for name, one in report.baselines.items()} | {"teacher": report.teacher.val.mae}


def limits_of(report: Report, measure: Measure) -> dict[str, float]:
    """The budget's and the board's limit on a cost, as far as there are any.

    They are for the image; they hold for the model's file where no image was measured.
    """
    if measure in MODEL and any(one.native for one in report.candidates):
        return {}
    found = {name: getattr(one, COSTS[measure].limit, None) for name, one in _limits(report).items()}
    return {name: float(limit) for name, limit in found.items() if limit}


def split_references(
    values: Sequence[float], references: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Divide references into those that leave the values LEAST_SHARE of the axis, and the rest."""
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


def far_text(report: Report, found: Front) -> str:
    """The references that lie outside the axis of errors, in words; empty when there are none."""
    form = errors_of(report)
    names = [f"{name} {form(error)}" for name, error in found.far.items()]
    return f"Outside this axis: {', '.join(names)}." if names else ""


def limits_text(limits: Mapping[str, float], measure: Measure, x: Scale) -> str:
    """The limits that lie outside the axis of costs, in words; empty when there are none."""
    sides = {
        "right": [f"{name} {amount(limit, measure)}" for name, limit in limits.items() if limit > x.high],
        "left": [f"{name} {amount(limit, measure)}" for name, limit in limits.items() if limit < x.low],
    }
    return "; ".join(f"to the {side}: {', '.join(names)}" for side, names in sides.items() if names)


def space_of(one: Candidate, measures: Sequence[Measure]) -> tuple[float, float, float]:
    """The three objectives of a hypervolume: the first cost, the validation error, the second cost."""
    first, second = (cost_of(one, measure) or 0.0 for measure in measures[:2])
    return first, one.val.mae, second


def reference_of(runs: Iterable[Sequence[tuple[float, float, float]]]) -> tuple[float, float, float]:
    """The worst value of each objective on any run's front over all three of them, times MARGIN."""
    spaces = [points[i] for points in runs for i in front(points)]
    first, error, second = (MARGIN * max(values) for values in zip(*spaces, strict=True))
    return first, error, second


def volume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Hypervolume as a fraction of the box between zero and the reference, so that units do not matter."""
    if min(reference) <= 0:
        return 0.0
    scaled = [tuple(value / limit for value, limit in zip(point, reference, strict=True)) for point in points]
    return hypervolume(scaled, (1.0,) * len(reference))


def growth(points: Sequence[Sequence[float]], reference: Sequence[float]) -> list[float]:
    """The volume of the first point, of the first two, and so on."""
    found: list[float] = []
    kept: list[Sequence[float]] = []
    for point in points:
        everyone = [*kept, point]
        best = front(everyone)
        if len(kept) in best:  # else it is dominated and nothing changes
            kept = [everyone[i] for i in best]
            found.append(volume(kept, reference))
        else:
            found.append(found[-1])
    return found


def _limits(report: Report) -> dict[str, object]:
    return {"budget": report.budget, "board": report.limits}


def _ranked(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: (item[1], item[0])))
