"""Several runs on the same test data: their fronts, the volume each dominates, and which run owns which part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekd.contracts.errors import ConfigError, DataError
from edgekd.pareto import front
from edgekd.report import schema
from edgekd.report.front import COSTS, Measure, cost_of, measures_of, reference_of, volume
from edgekd.report.schema import Report

OWN_TO_A_RUN = frozenset({"table", "inputs", "patch", "level", "train_stride"})
"""Options of `data` that leave the scored windows and targets alone. The table itself is compared by its hash."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A candidate of a run: validation error, bytes, the third objective (ms, or bytes of arena), and all costs."""

    run: str
    name: str
    kind: str
    error: float
    size: int
    third: float
    costs: Mapping[Measure, float]

    @property
    def plane(self) -> tuple[float, float]:
        return self.size, self.error

    @property
    def space(self) -> tuple[float, float, float]:
        return self.size, self.error, self.third


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run. Hypervolumes are fractions of the box between zero and the reference point.

    hypervolume: error and size; hypervolume_3d: the third objective too; alone: what the volume of all runs together
    would lose without this one, as a fraction of it; owned: its points on the common front.
    """

    label: str
    simulated: bool
    points: tuple[Point, ...]
    front: tuple[int, ...]
    hypervolume: float
    hypervolume_3d: float
    alone: float
    owned: int
    chosen: str
    chosen_val_mae: float
    chosen_test_mae: float
    chosen_size: int
    best_baseline: str
    best_baseline_test_mae: float


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Neighbours on the common front that belong to the same runs (several where points are equal)."""

    runs: tuple[str, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What `compare` found. measures: the costs that every candidate has, size and third first; reference: error, size,
    third; differences: why the runs are not comparable, if forced.
    """

    measures: tuple[Measure, ...]
    third: str
    reference: tuple[float, float, float]
    runs: tuple[RunResult, ...]
    segments: tuple[Segment, ...]
    differences: tuple[str, ...]

    @property
    def best(self) -> RunResult:
        """The run with the largest hypervolume; the first of equal ones."""
        return max(self.runs, key=lambda run: run.hypervolume)

    @property
    def size_name(self) -> str:
        return COSTS[self.measures[0]].axis


def compare(reports: Mapping[str, Report], *, force: bool = False) -> Comparison:
    """Compare runs by label. DataError when their test data differ, unless `force`; ConfigError for fewer than two."""
    if len(reports) < 2:
        raise ConfigError(
            f"a comparison needs at least two runs (got {len(reports)})", hint="edgekd compare runs/a runs/b"
        )
    different = differences(reports)
    if different and not force:
        raise DataError(
            "\n  ".join(["these runs are not scored on the same data", *different]), hint="--force compares them anyway"
        )
    measures = measures_of(reports.values())
    points = {label: _points(label, report, measures) for label, report in reports.items()}
    reference = reference_of([one.space for one in run] for run in points.values())
    owners = _segments(points)
    return Comparison(
        measures=measures,
        third=COSTS[measures[1]].unit if measures[1] == "latency" else COSTS[measures[1]].axis,
        reference=(reference[1], reference[0], reference[2]),
        runs=tuple(_result(label, report, points, reference, owners) for label, report in reports.items()),
        segments=owners,
        differences=tuple(different),
    )


def front_over(measure: Measure, runs: Iterable[RunResult]) -> list[Point]:
    """The points of some runs that no other one of them dominates on error and a cost, from small to large."""
    everyone = [one for run in runs for one in run.points]
    return [everyone[i] for i in front([(one.costs[measure], one.error) for one in everyone])]


def differences(reports: Mapping[str, Report]) -> list[str]:
    """Everything in which the scored data of the runs differ from the first one's, one sentence each."""
    (first, reference), *others = reports.items()
    found = []
    for label, report in others:
        if report.hashes.get("table") != reference.hashes.get("table"):
            found.append(f"{first} and {label} read tables with different contents")
        ours, theirs = _scored_data(reference), _scored_data(report)
        found += [
            f"data.{key} is {ours.get(key)!r} in {first} and {theirs.get(key)!r} in {label}"
            for key in sorted(ours.keys() | theirs.keys())
            if ours.get(key) != theirs.get(key)
        ]
        found += [
            f"{first} and {label} have different {words} groups"
            for words, one, another in _groups(reference, report)
            if sorted(one) != sorted(another)
        ]
    return found


def write_comparison(reports: dict[str, dict[str, Any]], out: Path, force: bool = False) -> dict[str, Any]:
    """Write comparison.json, comparison.html, fronts.html and pictures; return what comparison.json holds.

    reports: contents of report.json by label. Equal reports give equal files. Errors as for `compare`.
    """
    from edgekd.report import comparison_page, comparison_picture, interactive
    from edgekd.run import write_atomic, write_json

    checked = {label: _parse(label, report) for label, report in reports.items()}
    found = compare(checked, force=force)
    files = {
        "comparison.html": comparison_page.render(found).encode(),
        "fronts.html": interactive.fronts_page(checked, different=bool(found.differences)).encode(),
        **comparison_picture.pictures(found),
    }
    result = to_json(found)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(out / name, content)
    write_json(out / "comparison.json", result)
    return result


def to_json(found: Comparison) -> dict[str, Any]:
    """A comparison as plain values."""
    error, size, third = found.reference
    return {
        "objectives": ["validation MAE", found.size_name, found.third],
        "reference": {"mae": error, "size": size, "third": third},
        "differences": list(found.differences),
        "runs": {run.label: asdict(run) | {"points": [asdict(one) for one in run.points]} for run in found.runs},
        "segments": [asdict(one) for one in found.segments],
    }


def _parse(label: str, report: dict[str, Any]) -> Report:
    try:
        return schema.parse(report)
    except DataError as error:
        raise DataError(f"{label}: {error}", hint=error.hint) from None


def _scored_data(report: Report) -> dict[str, Any]:
    data = report.config.get("data")
    own = {"target": report.target, "divide_by": report.divide_by, "window": report.window, "horizon": report.horizon}
    return {
        key: value for key, value in (data if isinstance(data, dict) else {}).items() if key not in OWN_TO_A_RUN
    } | own


def _groups(a: Report, b: Report) -> list[tuple[str, list[str], list[str]]]:
    ours, theirs = a.data.parts, b.data.parts
    return [("validation", ours.val.names, theirs.val.names), ("test", ours.test.names, theirs.test.names)]


def _points(label: str, report: Report, measures: Sequence[Measure]) -> tuple[Point, ...]:
    costs = [{measure: cost_of(one, measure) or 0.0 for measure in measures} for one in report.candidates]
    return tuple(
        Point(
            run=label, name=one.name, kind=one.kind, error=one.val.mae, size=int(own[measures[0]]),
            third=own[measures[1]], costs=own,
        )
        for one, own in zip(report.candidates, costs, strict=True)
    )  # fmt: skip


def _result(
    label: str,
    report: Report,
    points: Mapping[str, Sequence[Point]],
    reference: tuple[float, float, float],
    segments: Sequence[Segment],
) -> RunResult:
    ours = tuple(points[label])
    everyone = [one.plane for run in points.values() for one in run]
    without = [one.plane for other, run in points.items() if other != label for one in run]
    everything = volume(everyone, reference[:2])
    lost = everything - volume(without, reference[:2])
    name, baseline = report.best_baseline
    chosen = next(one for one in ours if one.name == report.chosen.name)
    return RunResult(
        label=label, simulated=report.simulated, points=ours, front=tuple(front([one.plane for one in ours])),
        hypervolume=volume([one.plane for one in ours], reference[:2]),
        hypervolume_3d=volume([one.space for one in ours], reference),
        alone=lost / everything if everything else 0.0,
        owned=sum(len(segment.points) for segment in segments if label in segment.runs),
        chosen=chosen.name, chosen_val_mae=chosen.error, chosen_test_mae=report.chosen.test.mae,
        chosen_size=chosen.size,
        best_baseline=name, best_baseline_test_mae=baseline.test.mae,
    )  # fmt: skip


def _segments(points: Mapping[str, Sequence[Point]]) -> tuple[Segment, ...]:
    """The common front of error and size, cut where its owner changes, from small to large."""
    everyone = [one for run in points.values() for one in run]
    segments: list[Segment] = []
    for i in front([one.plane for one in everyone]):
        point = everyone[i]
        runs = tuple(label for label, run in points.items() if any(one.plane == point.plane for one in run))
        if segments and segments[-1].runs == runs:
            segments[-1] = Segment(runs=runs, points=(*segments[-1].points, point))
        else:
            segments.append(Segment(runs=runs, points=(point,)))
    return tuple(segments)
