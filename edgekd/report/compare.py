"""Several runs on the same test data: their fronts, the volume each dominates, and which run owns which part."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekd.errors import ConfigError, DataError
from edgekd.pareto import front, hypervolume
from edgekd.report import schema
from edgekd.report.front import SIZES, Measure, size_of
from edgekd.report.schema import Candidate, Report

MARGIN = 1.1  # the reference point is the worst value on any front times this
OWN_TO_A_RUN = frozenset({"table", "inputs", "patch", "level", "train_stride"})
"""Options of `data` that leave the scored windows and targets alone. The table itself is compared by its hash."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A candidate of a run: validation error, bytes, and the third objective (ms, or bytes of arena)."""

    run: str
    name: str
    kind: str
    error: float
    size: int
    third: float

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
    """What `compare` found. reference: error, size, third; differences: why the runs are not comparable, if forced."""

    measure: Measure
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
        return SIZES[self.measure]


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
    measured = all(one.native for report in reports.values() for one in report.candidates)
    points = {label: _points(label, report, measured) for label, report in reports.items()}
    reference = _reference(points.values())
    owners = _segments(points)
    return Comparison(
        measure="native" if measured else "tflite",
        third="ms" if measured else "bytes of arena",
        reference=(reference[1], reference[0], reference[2]),
        runs=tuple(_result(label, report, points, reference, owners) for label, report in reports.items()),
        segments=owners,
        differences=tuple(different),
    )


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
    """Write comparison.json, overlay.png, side_by_side.png and comparison.html; return what comparison.json holds.

    reports: contents of report.json by label. Equal reports give equal files. Errors as for `compare`.
    """
    from edgekd.report import comparison_page, comparison_picture
    from edgekd.run import write_atomic, write_json

    found = compare({label: _parse(label, report) for label, report in reports.items()}, force=force)
    pictures = comparison_picture.pictures(found)
    page = comparison_page.render(found)
    result = to_json(found)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        write_atomic(out / name, content)
    write_atomic(out / "comparison.html", page)
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


def _points(label: str, report: Report, measured: bool) -> tuple[Point, ...]:
    measure: Measure = "native" if measured else "tflite"
    return tuple(
        Point(
            run=label, name=one.name, kind=one.kind, error=one.val.mae, size=size_of(one, measure) or 0,
            third=_third(one, measured),
        )
        for one in report.candidates
    )  # fmt: skip


def _third(one: Candidate, measured: bool) -> float:
    return one.native.ms if measured and one.native else float(one.arena_bytes)


def _reference(runs: Any) -> tuple[float, float, float]:
    """The worst value of each objective on any run's front over all three of them, times MARGIN."""
    spaces = [points[i].space for points in runs for i in front([one.space for one in points])]
    size, error, third = (MARGIN * max(values) for values in zip(*spaces, strict=True))
    return size, error, third


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
    everything = _fraction(everyone, reference[:2])
    lost = everything - _fraction(without, reference[:2])
    name, baseline = report.best_baseline
    chosen = next(one for one in ours if one.name == report.chosen.name)
    return RunResult(
        label=label, simulated=report.simulated, points=ours, front=tuple(front([one.plane for one in ours])),
        hypervolume=_fraction([one.plane for one in ours], reference[:2]),
        hypervolume_3d=_fraction([one.space for one in ours], reference),
        alone=lost / everything if everything else 0.0,
        owned=sum(len(segment.points) for segment in segments if label in segment.runs),
        chosen=chosen.name, chosen_val_mae=chosen.error, chosen_test_mae=report.chosen.test.mae,
        chosen_size=chosen.size,
        best_baseline=name, best_baseline_test_mae=baseline.test.mae,
    )  # fmt: skip


def _fraction(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Hypervolume as a fraction of the box between zero and the reference, so that units do not matter."""
    if min(reference) <= 0:
        return 0.0
    scaled = [tuple(value / limit for value, limit in zip(point, reference, strict=True)) for point in points]
    return hypervolume(scaled, (1.0,) * len(reference))


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
