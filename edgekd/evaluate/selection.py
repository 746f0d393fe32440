"""What candidates are weighed by: objectives and limits, the Pareto front, and the one that is chosen."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgekd.contracts.board import load_board
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.errors import DoesNotFit
from edgekd.pareto import dominated_share, front

Scores = Mapping[str, Mapping[str, Any]]
"""Contents of models/<candidate>/score.json by candidate; those that fit no board have `refused` instead."""
REFUSED = 1e9
"""Every objective of a candidate that cannot be built."""


def objectives(config: Config, score: Mapping[str, Any]) -> tuple[float, ...]:
    """What the search makes small, in the order of search.objectives: validation error, bytes, ms, uJ."""
    if "refused" in score:
        return (REFUSED,) * len(config.search.objectives)
    flash, ram, ms = _costs(score)
    energy = score["native"]["energy_uj"] if "native" in score else 0.0
    known = {"error": score["val"]["mae"], "flash": flash, "ram": ram, "latency": ms, "energy": energy}
    return tuple(float(known[name]) for name in config.search.objectives)


def over_limits(config: Config, score: Mapping[str, Any]) -> tuple[float, ...]:
    """By how much flash, RAM and latency are over their limits, as a share of each: kept where <= 0."""
    limits = limits_of(config)
    if "refused" in score:
        return (REFUSED,) * len(limits)
    return tuple(cost / limit - 1 for cost, limit in zip(_costs(score), limits, strict=True))


def front_of(config: Config, scores: Scores) -> list[str]:
    """Names of the candidates that no other one dominates, the most accurate first."""
    names = [name for name, score in scores.items() if "refused" not in score]
    return [names[at] for at in front([objectives(config, scores[name]) for name in names])]


def volume(config: Config, scores: Scores, reference: Sequence[float]) -> float:
    """Share of the box between zero and `reference` that the candidates dominate, by the first three objectives."""
    count = min(3, len(reference))
    if count < 2:
        return 0.0
    return dominated_share([objectives(config, score)[:count] for score in scores.values()], reference[:count])


def meets_limits(config: Config, score: Mapping[str, Any]) -> bool:
    """Whether a candidate keeps the budget and fits the board."""
    return max(over_limits(config, score)) <= 0


def choose(config: Config, scores: Scores) -> Candidate:
    """The most accurate candidate, on validation, that meets the budget and fits the board. DoesNotFit when none."""
    limits = limits_of(config)
    fitting = [name for name, score in scores.items() if meets_limits(config, score)]
    if fitting:
        return Candidate.parse(min(fitting, key=lambda name: scores[name]["val"]["mae"]))
    built = [name for name, score in scores.items() if "refused" not in score]
    if not built:
        raise DoesNotFit(
            f"no candidate can be built: {next(iter(scores.values()))['refused']}", hint="try smaller students.hidden"
        )
    least = min(built, key=lambda name: _costs(scores[name]))
    needs = "{} bytes of flash, {} of RAM and {:.3g} ms"
    raise DoesNotFit(
        f"no candidate meets the budget of {needs.format(*limits)}: the smallest, {least}, needs "
        f"{needs.format(*_costs(scores[least]))}",
        hint="raise what is too small in `budget`, or try smaller students.hidden",
    )


def limits_of(config: Config) -> tuple[int, int, float]:
    """The most flash and RAM in bytes and ms that a candidate may take: of the budget and of the board."""
    flash, ram, _ = board_limits(config)
    budget = config.budget
    return (
        min(budget.flash_bytes, flash or budget.flash_bytes),
        min(budget.ram_bytes, ram or budget.ram_bytes),
        budget.latency_ms,
    )


def board_limits(config: Config) -> tuple[int | None, int | None, None]:
    """Flash and RAM in bytes of the board, None where it has no end, and no limit of time."""
    board = load_board(config.board)
    return board.sketch_flash_bytes or None, board.ram_bytes or None, None


def _costs(score: Mapping[str, Any]) -> tuple[int, int, float]:
    """Flash and RAM in bytes and latency in ms of the native code; of the .tflite and its arena on a `host` board."""
    native = score.get("native")
    if native is None:
        return score["tflite_bytes"], score["arena_bytes"], 0.0
    return native["flash_bytes"], native["ram_bytes"], native["ms"]
