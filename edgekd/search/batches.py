"""Which candidates train together."""

from collections.abc import Sequence

from edgekd.contracts.batch import Batch
from edgekd.contracts.candidate import Candidate

CALLS = 24
"""How many units of one member take as long as the calls of a step: measured, batches of 256 windows on one core."""


def divide(candidates: Sequence[Candidate], label: str, seeds: Sequence[int], epoch_factor: int = 1) -> list[Batch]:
    """Divide candidates into what can be one tensor program, by widths so that training takes the least time."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        more = f"_p{candidate.patch}" if candidate.patch else ""
        more += f"_e{candidate.euler_steps}" if candidate.euler_steps else ""
        groups.setdefault(f"{candidate.kind}{more}", []).append(candidate)
    return [
        Batch(
            name=f"search/{label}_{name}_{members[-1].hidden}",
            candidates=tuple(members),
            seeds=tuple(seeds),
            epoch_factor=epoch_factor,
        )
        for name, group in sorted(groups.items())
        for members in _by_width(sorted(group, key=lambda candidate: (candidate.hidden, candidate.name)), len(seeds))
    ]


def _by_width(candidates: Sequence[Candidate], seeds: int) -> list[Sequence[Candidate]]:
    """Cut candidates, sorted by width, where that costs least: a batch takes as long as its calls, CALLS, and the width
    of its widest member for each of its members.
    """
    best: list[tuple[float, list[Sequence[Candidate]]]] = [(0.0, [])]
    for end in range(1, len(candidates) + 1):
        widest = candidates[end - 1].hidden * seeds
        costs = [best[start][0] + CALLS + (end - start) * widest for start in range(end)]
        start = costs.index(min(costs))
        best.append((costs[start], [*best[start][1], candidates[start:end]]))
    return best[-1][1]
