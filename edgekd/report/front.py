"""What a picture of the Pareto front shows, whoever draws it: the page, front.png or a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgekd.pareto import front
from edgekd.report.schema import Candidate, Report
from edgekd.report.text import errors_of

Measure = Literal["tflite", "native"]
LOG_FROM = 8.0  # an axis of sizes that spans more than this factor is logarithmic
SIZES: dict[Measure, str] = {"tflite": "bytes of .tflite", "native": "bytes of flash, whole image"}
LEAST_SHARE = 0.4  # of the error axis belongs to the candidates; references that would take more are named beside it


@dataclass(frozen=True, kw_only=True)
class Front:
    """Candidates with their size in bytes, and which of them no other one dominates, from small to large.

    near: errors of baselines and teacher that belong on the axis, from low to high; far: the others.
    """

    points: Sequence[tuple[Candidate, int]]
    best: Sequence[int]
    near: Mapping[str, float]
    far: Mapping[str, float]

    @property
    def corners(self) -> list[tuple[int, float]]:
        """Size and validation error along the front."""
        return [(self.points[i][1], self.points[i][0].val.mae) for i in self.best]


def front_of(report: Report, measure: Measure) -> Front:
    """Validation error over bytes of .tflite, or over flash of the candidates whose image was measured."""
    points = [(one, size) for one in report.candidates if (size := size_of(one, measure)) is not None]
    references = {name: one.val.mae for name, one in report.baselines.items()} | {"teacher": report.teacher.val.mae}
    near, far = split_references([one.val.mae for one, _ in points], references)
    best = front([(size, one.val.mae) for one, size in points])
    return Front(points=points, best=best, near=near, far=far)


def size_of(one: Candidate, measure: Measure) -> int | None:
    """Bytes that count for a front."""
    if measure == "tflite":
        return one.tflite_bytes
    return one.native.flash_bytes if one.native else None


def split_references(
    errors: Sequence[float], references: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Divide reference errors into those that leave the candidates LEAST_SHARE of the axis, and the rest."""
    low, high = min(errors), max(errors)
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
    """The references that lie outside the axis, in words; empty when there are none."""
    form = errors_of(report)
    names = [f"{name} {form(error)}" for name, error in found.far.items()]
    return f"Outside this axis: {', '.join(names)}." if names else ""


def _ranked(errors: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(errors.items(), key=lambda item: (item[1], item[0])))
