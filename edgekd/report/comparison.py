"""Several runs on the same test data: their fronts, the volume each dominates, and which run owns which part."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekd.contracts.errors import ConfigError, DataError
from edgekd.contracts.results import Json, Report
from edgekd.pareto import dominated_share, front, reference_point
from edgekd.report.front_scene import COSTS, Measure, cost_of, measures_of

OWN_TO_A_RUN = frozenset({"table", "inputs", "patch", "level", "train_stride"})
"""Options of `data` that leave the scored windows and targets alone. The table itself is compared by its hash."""


@dataclass(frozen=True, kw_only=True)
class ComparedCandidate:
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
    would lose without this one, as a fraction of it; owned: its candidates on the common front.
    """

    label: str
    simulated: bool
    candidates: tuple[ComparedCandidate, ...]
    front: tuple[int, ...]
    hypervolume: float
    hypervolume_3d: float
    alone: float
    owned: int
    chosen: str
    chosen_val_error: float
    chosen_test_error: float
    chosen_size: int
    best_baseline: str
    best_baseline_test_error: float


@dataclass(frozen=True, kw_only=True)
class FrontSegment:
    """Neighbors on the common front that belong to the same runs (several where candidates are equal)."""

    runs: tuple[str, ...]
    candidates: tuple[ComparedCandidate, ...]


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """What `compare` found. measures: the costs that every candidate has, size and third first; reference: error, size,
    third; differences: why the runs are not comparable, if forced; error_name: what errors are; shares: of windows.
    """

    measures: tuple[Measure, ...]
    third: str
    reference: tuple[float, float, float]
    runs: tuple[RunResult, ...]
    segments: tuple[FrontSegment, ...]
    differences: tuple[str, ...]
    error_name: str
    shares: bool

    @property
    def best(self) -> RunResult:
        """The run with the largest hypervolume; the first of equal ones."""
        return max(self.runs, key=lambda run: run.hypervolume)

    @property
    def size_name(self) -> str:
        return COSTS[self.measures[0]].title


def compare(reports: Mapping[str, Report], *, force: bool = False) -> RunComparison:
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
    measures, first = measures_of(reports.values()), next(iter(reports.values()))
    candidates = {label: _candidates(label, report, measures) for label, report in reports.items()}
    reference = reference_point([candidate.space for candidate in run] for run in candidates.values())
    size, error, third = reference
    segments = _segments(candidates)
    return RunComparison(
        measures=measures,
        third=COSTS[measures[1]].unit if measures[1] == "latency" else COSTS[measures[1]].title,
        reference=(error, size, third),
        runs=tuple(_result(label, report, candidates, reference, segments) for label, report in reports.items()),
        segments=segments,
        differences=tuple(different),
        error_name=first.error_name,
        shares=bool(first.task.classes),
    )


def differences(reports: Mapping[str, Report]) -> list[str]:
    """Everything in which the scored data of the runs differ from the first one's, one sentence each."""
    (first, reference), *others = reports.items()
    sentences = []
    for label, report in others:
        if report.hashes.get("table") != reference.hashes.get("table"):
            sentences.append(f"{first} and {label} read tables with different contents")
        expected, actual = _scored_data(reference), _scored_data(report)
        sentences += [
            f"data.{key} is {expected.get(key)!r} in {first} and {actual.get(key)!r} in {label}"
            for key in sorted(expected.keys() | actual.keys())
            if expected.get(key) != actual.get(key)
        ]
        sentences += [
            f"{first} and {label} have different {part} groups"
            for part, a, b in _scored_groups(reference, report)
            if sorted(a) != sorted(b)
        ]
    return sentences


def write_comparison(reports: dict[str, Report], out: Path, force: bool = False) -> RunComparison:
    """Write comparison.json, comparison.html, fronts.html and pictures; return the comparison.

    reports: by label. Equal reports give equal files. Errors as for `compare`.
    """
    from edgekd.report import comparison_page, comparison_picture, plotly_page
    from edgekd.report.front_scene import scene_of_runs
    from edgekd.run import write_atomic, write_json

    comparison, scene = compare(reports, force=force), scene_of_runs(reports)
    files = {
        "comparison.html": comparison_page.render(comparison, scene).encode(),
        "fronts.html": plotly_page.fronts_page(reports, different=bool(comparison.differences)).encode(),
        **comparison_picture.comparison_pictures(comparison, scene),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(out / name, content)
    write_json(out / "comparison.json", to_json(comparison))
    return comparison


def to_json(comparison: RunComparison) -> Json:
    """The contents of comparison.json."""
    error, size, third = comparison.reference
    return {
        "objectives": [f"validation {comparison.error_name}", comparison.size_name, comparison.third],
        "reference": {"mae": error, "size": size, "third": third},
        "differences": list(comparison.differences),
        "runs": {run.label: asdict(run) for run in comparison.runs},
        "segments": [asdict(segment) for segment in comparison.segments],
    }


def _scored_data(report: Report) -> Json:
    """Options that decide what is scored, by name."""
    data = report.config.get("data")
    options = {key: value for key, value in (data if isinstance(data, dict) else {}).items() if key not in OWN_TO_A_RUN}
    keys = ("target", "divide_by", "window", "horizon")
    return options | {"task": report.task.says} | {key: getattr(report, key) for key in keys}


def _scored_groups(a: Report, b: Report) -> list[tuple[str, list[str], list[str]]]:
    """Names of the validation and of the test groups of two runs."""
    return [
        ("validation", a.data.parts.val.names, b.data.parts.val.names),
        ("test", a.data.parts.test.names, b.data.parts.test.names),
    ]


def _candidates(label: str, report: Report, measures: Sequence[Measure]) -> tuple[ComparedCandidate, ...]:
    compared = []
    for candidate in report.candidates:
        costs = {measure: cost_of(candidate, measure) or 0.0 for measure in measures}
        compared.append(
            ComparedCandidate(
                run=label, name=candidate.name, kind=candidate.kind, error=candidate.val.error,
                size=int(costs[measures[0]]), third=costs[measures[1]], costs=costs,
            )
        )  # fmt: skip
    return tuple(compared)


def _result(
    label: str,
    report: Report,
    candidates: Mapping[str, Sequence[ComparedCandidate]],
    reference: Sequence[float],
    segments: Sequence[FrontSegment],
) -> RunResult:
    own = tuple(candidates[label])
    planes = [candidate.plane for candidate in own]
    others = [candidate.plane for other, run in candidates.items() if other != label for candidate in run]
    together = dominated_share([*planes, *others], reference[:2])
    lost = together - dominated_share(others, reference[:2])
    baseline_name, baseline = report.best_baseline
    chosen = next(candidate for candidate in own if candidate.name == report.chosen.name)
    return RunResult(
        label=label, simulated=report.simulated, candidates=own, front=tuple(front(planes)),
        hypervolume=dominated_share(planes, reference[:2]),
        hypervolume_3d=dominated_share([candidate.space for candidate in own], reference),
        alone=lost / together if together else 0.0,
        owned=sum(len(segment.candidates) for segment in segments if label in segment.runs),
        chosen=chosen.name, chosen_val_error=chosen.error, chosen_test_error=report.chosen.test.error,
        chosen_size=chosen.size,
        best_baseline=baseline_name, best_baseline_test_error=baseline.test.error,
    )  # fmt: skip


def _segments(candidates: Mapping[str, Sequence[ComparedCandidate]]) -> tuple[FrontSegment, ...]:
    """The common front of error and size, cut where its owner changes, from small to large."""
    everyone = [candidate for run in candidates.values() for candidate in run]
    segments: list[FrontSegment] = []
    for i in front([candidate.plane for candidate in everyone]):
        best = everyone[i]
        runs = tuple(label for label, run in candidates.items() if any(other.plane == best.plane for other in run))
        if segments and segments[-1].runs == runs:
            segments[-1] = FrontSegment(runs=runs, candidates=(*segments[-1].candidates, best))
        else:
            segments.append(FrontSegment(runs=runs, candidates=(best,)))
    return tuple(segments)
