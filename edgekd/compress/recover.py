"""Pruned and quantized students: take units away, let the rest recover, then train on the export's integer grid."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from edgekd.compress.prune import importance, prune, prune_blocks
from edgekd.contracts.candidate import Candidate
from edgekd.distill.examples import Examples
from edgekd.distill.trainer import Loss, Recipe, fit, forecast
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.kinds import select
from edgekd.models.population import Population


def recover(
    pruned: Population,
    candidates: Sequence[Candidate],
    train: Examples,
    val: Examples,
    loss: Loss,
    recipe: Recipe,
    each_epoch: Callable[[int], None] = lambda epoch: None,
) -> tuple[FakeQuantizer, Tensor]:
    """Train pruned members again, candidates[p] is member p: half of the epochs float, the other half on the integer
    grid, whose ranges are those of the recovered float members over all training windows.

    Returns the ranges and grids of their tensors, and the validation errors on that grid [P].
    """
    half = recipe.epochs // 2
    fit(pruned, train, val, loss, replace(recipe, epochs=half), each_epoch=each_epoch)
    quantizer = integer_grid(pruned, candidates, train)
    quiet = replace(recipe.slower(), epochs=recipe.epochs - half)
    errors = fit(
        pruned, train, val, loss, quiet, quantizer=quantizer, each_epoch=lambda epoch: each_epoch(half + epoch)
    )
    return quantizer, errors


def pruned_members(
    stage1: Population, made_from: Sequence[int], candidates: Sequence[Candidate], train: Examples, batch: int
) -> Population:
    """Candidates from the stage-1 students made_from[p], without the units and blocks they lose; not trained again."""
    population = select(stage1, made_from)
    scores = importance(population, train, batch)
    prune(population, scores, [c.units_left for c in candidates])
    prune_blocks(population, [c.block_sparsity for c in candidates])
    return population


def integer_grid(population: Population, candidates: Sequence[Candidate], train: Examples) -> FakeQuantizer:
    """The grids of the members' tensors, from the ranges they have over all training windows."""
    bits = [[c.weight_bits for c in candidates], [c.activation_bits for c in candidates]]
    quantizer = FakeQuantizer(*torch.tensor(bits, device=train.relative.device))
    quantizer.observe()
    forecast(population, train, quantizer)
    quantizer.freeze()
    return quantizer
