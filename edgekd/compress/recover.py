"""Pruned and quantised students: take units away, let the rest recover, then train on the export's integer grid."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from edgekd.candidate import Candidate
from edgekd.compress.prune import importance, prune, prune_blocks
from edgekd.distill.train import Examples, Loss, Recipe, fit, forecast
from edgekd.models.fake import Fake
from edgekd.models.kinds import select
from edgekd.models.population import Population


def recover(
    stage1: Population,
    candidates: Sequence[Candidate],
    train: Examples,
    val: Examples,
    loss: Loss,
    recipe: Recipe,
    each_epoch: Callable[[int], None] = lambda epoch: None,
) -> tuple[Population, Fake]:
    """Make all candidates of one kind from their stage-1 students, as one batch: the members in the order of the
    candidates, and the ranges and grids of their tensors.

    Half of the epochs are float after pruning; the other half run on the grid, whose ranges are those of the recovered
    float members over all training windows.
    """
    population = select(stage1, [stage1.widths.index(c.hidden) for c in candidates])
    scores = importance(population, train.rel, train.lvl, train.target, train.mask, recipe.batch)
    prune(population, scores, [c.kept for c in candidates])
    prune_blocks(population, [c.blocks for c in candidates])
    half = recipe.epochs // 2
    fit(population, train, val, loss, replace(recipe, epochs=half), each_epoch=each_epoch)
    bits = [[c.weight_bits for c in candidates], [c.activation_bits for c in candidates]]
    fake = Fake(*torch.tensor(bits, device=train.rel.device))
    fake.observe()
    forecast(population, train, fake)
    fake.freeze()
    quiet = replace(recipe.slower(), epochs=recipe.epochs - half)
    fit(population, train, val, loss, quiet, fake=fake, each_epoch=lambda epoch: each_epoch(half + epoch))
    return population, fake
