"""Pruned and quantised students: take units away, let the rest recover, then train on the integer grid of the export."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from edgekd.candidate import Candidate
from edgekd.compress.prune import importance, prune
from edgekd.distill.train import Examples, Loss, Recipe, evaluate, fit, forecast
from edgekd.models.fake import Fake
from edgekd.models.kinds import select
from edgekd.models.population import Population


@dataclass(frozen=True)
class Recovered:
    """Compressed members in the order of the candidates, the ranges of their tensors, and validation errors [P] as
    float and on the integer grid (normalised units)."""

    population: Population
    fake: Fake
    float_error: torch.Tensor
    grid_error: torch.Tensor


def recover(
    stage1: Population,
    candidates: Sequence[Candidate],
    train: Examples,
    val: Examples,
    loss: Loss,
    recipe: Recipe,
    each_epoch: Callable[[int], None] = lambda epoch: None,
) -> Recovered:
    """Make all candidates of one kind from their stage-1 students, as one batch.

    Half of the epochs are float after pruning; the other half run on the grid, whose ranges are those of the recovered
    float members over all training windows.
    """
    population = select(stage1, [stage1.widths.index(c.hidden) for c in candidates])
    scores = importance(population, train.rel, train.lvl, train.target, train.mask, recipe.batch)
    prune(population, scores, [c.kept for c in candidates])
    half = recipe.epochs // 2
    float_error = fit(population, train, val, loss, replace(recipe, epochs=half), each_epoch=each_epoch)
    fake = Fake(
        torch.tensor([c.weight_bits for c in candidates]), torch.tensor([c.activation_bits for c in candidates])
    )
    fake.observe()
    forecast(population, train, fake)
    fake.freeze()
    quiet = replace(recipe, epochs=recipe.epochs - half, learning_rate=recipe.learning_rate / 2)
    fit(population, train, val, loss, quiet, fake=fake, each_epoch=lambda epoch: each_epoch(half + epoch))
    return Recovered(population, fake, float_error, evaluate(population, val, fake))
