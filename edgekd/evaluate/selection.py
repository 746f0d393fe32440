"""What candidates are weighed by: objectives and limits, the Pareto front, and the one that is chosen."""

from collections.abc import Mapping, Sequence

from edgekd.contracts.board import load_board
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.declarations import model_kinds
from edgekd.contracts.errors import DoesNotFit
from edgekd.contracts.results import BoardLimits, CandidateResult, Outcome, Refused
from edgekd.pareto import dominated_share, front

REFUSED = 1e9
"""Every objective of a candidate that cannot be built."""
Scores = Mapping[Candidate, Outcome]
Costs = tuple[int, int, float]
"""Flash and RAM in bytes, latency in ms."""


def built(scores: Scores) -> dict[Candidate, CandidateResult]:
    """The candidates that could be built for the board, in the same order."""
    return {candidate: outcome for candidate, outcome in scores.items() if isinstance(outcome, CandidateResult)}


def objectives(config: Config, outcome: Outcome) -> tuple[float, ...]:
    """What the search makes small, in the order of search.objectives: validation error, bytes, ms, uJ."""
    if isinstance(outcome, Refused):
        return (REFUSED,) * len(config.search.objectives)
    flash, ram, ms = _costs(outcome)
    energy = outcome.measured.energy_uj if outcome.measured else 0.0
    values = {"error": outcome.val.error, "flash": flash, "ram": ram, "latency": ms, "energy": energy}
    return tuple(float(values[name]) for name in config.search.objectives)


def over_limits(config: Config, outcome: Outcome) -> tuple[float, ...]:
    """By how much flash, RAM and latency are over their limits, as a share of each: kept where <= 0."""
    limits = limits_of(config)
    if isinstance(outcome, Refused):
        return (REFUSED,) * len(limits)
    return tuple(cost / limit - 1 for cost, limit in zip(_costs(outcome), limits, strict=True))


def front_of(config: Config, scores: Scores) -> list[Candidate]:
    """The candidates that no other one dominates, the most accurate first."""
    results = built(scores)
    candidates = list(results)
    return [candidates[index] for index in front([objectives(config, result) for result in results.values()])]


def spread_over_front(config: Config, scores: Scores, count: int) -> list[Candidate]:
    """At most `count` points of the front of what was not refined, spread along it from the most accurate."""
    points = front_of(config, {point: outcome for point, outcome in scores.items() if not point.finetuned})
    count = min(count, len(points))
    places = {round(at * (len(points) - 1) / max(1, count - 1)) for at in range(count)}
    return [points[at] for at in sorted(places)]


def best_recurrent(scores: Scores) -> Candidate | None:
    """The most accurate candidate, on validation, that has a state; None when there is none."""
    results = built(scores)
    recurrent = [candidate for candidate in results if model_kinds()[candidate.kind].recurrent]
    return min(recurrent, key=lambda candidate: results[candidate].val.error, default=None)


def volume(config: Config, scores: Scores, reference: Sequence[float]) -> float:
    """Share of the box between zero and `reference` that the candidates dominate, by the first three objectives."""
    count = min(3, len(reference))
    if count < 2:
        return 0.0
    points = [objectives(config, outcome)[:count] for outcome in scores.values()]
    return dominated_share(points, reference[:count])


def meets_limits(config: Config, outcome: Outcome) -> bool:
    """Whether a candidate keeps the budget and fits the board."""
    return max(over_limits(config, outcome)) <= 0


def choose(config: Config, scores: Scores) -> Candidate:
    """The most accurate candidate, on validation, that meets the budget and fits the board. DoesNotFit when none."""
    results = built(scores)
    fitting = [candidate for candidate, result in results.items() if meets_limits(config, result)]
    if fitting:
        return min(fitting, key=lambda candidate: results[candidate].val.error)
    reasons = [outcome.refused for outcome in scores.values() if isinstance(outcome, Refused)]
    if not results:
        raise DoesNotFit(f"no candidate can be built: {reasons[0]}", hint="try smaller students.hidden")
    smallest = min(results, key=lambda candidate: _costs(results[candidate]))
    needs = "{} bytes of flash, {} of RAM and {:.3g} ms"
    raise DoesNotFit(
        f"no candidate meets the budget of {needs.format(*limits_of(config))}: the smallest, {smallest.name}, needs "
        f"{needs.format(*_costs(results[smallest]))}",
        hint="raise what is too small in `budget`, or try smaller students.hidden",
    )


def limits_of(config: Config) -> Costs:
    """The most flash and RAM in bytes and ms that a candidate may take: of the budget and of the board."""
    board, budget = board_limits(config), config.budget
    return (
        min(budget.flash_bytes, board.flash_bytes or budget.flash_bytes),
        min(budget.ram_bytes, board.ram_bytes or budget.ram_bytes),
        budget.latency_ms,
    )


def board_limits(config: Config) -> BoardLimits:
    """What a sketch may use of the board, which sets no limit of time."""
    board = load_board(config.board)
    return BoardLimits(flash_bytes=board.sketch_flash_bytes or None, ram_bytes=board.ram_bytes or None)


def _costs(result: CandidateResult) -> Costs:
    """Of the measured firmware; of the .tflite and its arena where the board is not emulated."""
    if result.measured is None:
        return result.tflite_bytes, result.arena_bytes, 0.0
    return result.measured.flash_bytes, result.measured.ram_bytes, result.measured.ms
