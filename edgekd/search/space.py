"""The points of a search: every combination of what is tried, and a sample to begin with that treats kinds alike."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product, zip_longest
from typing import Any

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.declarations import distillation_losses, model_kinds
from edgekd.contracts.errors import ConfigError

MOST_POINTS = 200_000


def choices(config: Config) -> dict[str, Sequence[Any]]:
    """The values that are tried for each field of a candidate."""
    settings = config.search
    return {
        "kind": config.students.kinds,
        "hidden": config.students.hidden,
        "weight_bits": config.compress.weight_bits,
        "activation_bits": config.compress.activation_bits,
        "sparsity": config.compress.sparsity,
        "block_sparsity": config.compress.block_sparsity,
        "patch": settings.patch or [None],
        "euler_steps": settings.euler_steps or [None],
        "rank": settings.rank or [None],
        "loss": settings.loss or [None],
        "target_weight": settings.target_weight or [None],
        "optimizer": settings.optimizer or [None],
    }


def grid(values_of: Mapping[str, Sequence[Any]], output_loss: str = "output_l1") -> list[Candidate]:
    """All different points. ConfigError for too many.

    values_of: the values tried for each field of a candidate; output_loss: the task's own.

    Two sparsities that leave the same number of units of one width are one point; the smaller sparsity stays. Weights
    of 4 bits go with activations of 8 bits only, as in TFLite-Micro.
    """
    size = 1
    for values in values_of.values():
        size *= len(values)
    if size > MOST_POINTS:
        raise ConfigError(f"the search space has {size} points, at most {MOST_POINTS} are possible", hint="try less")
    seen: dict[tuple[Any, ...], Candidate] = {}
    for values in product(*(sorted(v) if name == "sparsity" else v for name, v in values_of.items())):
        point = applicable(Candidate(**dict(zip(values_of, values, strict=True))), output_loss)
        if point.weight_bits == 8 or point.activation_bits == 8:
            seen.setdefault((point.units_left, replace(point, sparsity=0.0)), point)
    return list(seen.values())


def applicable(point: Candidate, output_loss: str = "output_l1") -> Candidate:
    """The same point without what its kind does not have: Euler steps, and a loss on hidden states."""
    kind, loss = model_kinds()[point.kind], distillation_losses()[point.loss] if point.loss else None
    if not kind.euler_steps:
        point = replace(point, euler_steps=None)
    if loss and loss.needs_states and not kind.recurrent:
        point = replace(point, loss=output_loss)
    return point


def spread(points: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """At most `count` of the points, dealt from the kinds in turn; fewer points are the first of more."""
    decks = []
    for kind in dict.fromkeys(point.kind for point in points):
        deck = [point for point in points if point.kind == kind]
        random.Random(f"{seed}:{kind}").shuffle(deck)
        decks.append(deck)
    dealt = [point for turn in zip_longest(*decks) for point in turn if point is not None]
    return dealt[:count]
