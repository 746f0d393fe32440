"""Fronts and the volume they dominate. Every objective is to be made small."""

from collections.abc import Iterable, Sequence

Point = Sequence[float]
MARGIN = 1.1  # the reference point of a hypervolume is the worst value on any front times this


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other one dominates, by the first objective; of equal points the first stays."""
    order = sorted(range(len(points)), key=lambda i: tuple(points[i]))
    kept: list[int] = []
    for i in order:  # what dominates a point comes before it
        if not any(all(a <= b for a, b in zip(points[j], points[i], strict=True)) for j in kept):
            kept.append(i)
    return kept


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Volume between the points and `reference` that at least one point dominates, exact, for 2 or 3 objectives.

    Two objectives: a sum of rectangles along the front. Three: slices along the last objective, each as high as the
    step to the next point (Fonseca, Paquete and Lopez-Ibanez 2006, in its plain form: O(n^2 log n)). Points that are
    not better than the reference in every objective add nothing.
    """
    if len(reference) not in (2, 3) or any(len(point) != len(reference) for point in points):
        raise ValueError(f"hypervolume is for 2 or 3 objectives, the same for points and reference ({len(reference)})")
    inside = [point for point in points if all(a < b for a, b in zip(point, reference, strict=True))]
    if len(reference) == 2:
        return _area(inside, reference)
    inside.sort(key=lambda point: point[2])
    heights = [*(point[2] for point in inside), reference[2]]
    return sum(
        (heights[i + 1] - heights[i]) * _area(inside[: i + 1], reference)
        for i in range(len(inside))
        if heights[i + 1] > heights[i]
    )


def reference_point(runs: Iterable[Sequence[Point]]) -> tuple[float, ...]:
    """The worst value of each objective on the front of any run, times MARGIN."""
    best = [points[i] for points in runs for i in front(points)]
    return tuple(MARGIN * max(values) for values in zip(*best, strict=True))


def dominated_share(points: Sequence[Point], reference: Point) -> float:
    """Hypervolume as a fraction of the box between zero and the reference, so that units do not matter.

    0 where the box has no volume.
    """
    if min(reference) <= 0:
        return 0.0
    scaled = [tuple(value / limit for value, limit in zip(point, reference, strict=True)) for point in points]
    return hypervolume(scaled, (1.0,) * len(reference))


def shares_over_time(points: Sequence[Point], reference: Point) -> list[float]:
    """The dominated share of the first point, of the first two, and so on."""
    shares: list[float] = []
    best: list[Point] = []
    for point in points:
        candidates = [*best, point]
        kept = front(candidates)
        if len(best) in kept:  # else the point is dominated and nothing changes
            best = [candidates[i] for i in kept]
            shares.append(dominated_share(best, reference))
        else:
            shares.append(shares[-1])
    return shares


def _area(points: Sequence[Point], reference: Point) -> float:
    total, ceiling = 0.0, reference[1]
    for point in sorted(points, key=lambda point: (point[0], point[1])):
        if point[1] < ceiling:
            total += (reference[0] - point[0]) * (ceiling - point[1])
            ceiling = point[1]
    return total
