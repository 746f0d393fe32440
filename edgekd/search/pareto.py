"""Pareto front and the choice on it. Every objective is to be made small."""

from collections.abc import Sequence


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other one dominates, by the first objective; of equal points the first stays."""
    kept = [
        i
        for i, point in enumerate(points)
        if not any(
            dominates(other, point) or (tuple(other) == tuple(point) and j < i) for j, other in enumerate(points)
        )
    ]
    return sorted(kept, key=lambda i: tuple(points[i]))
