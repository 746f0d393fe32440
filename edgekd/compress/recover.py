"""Prune students, fine-tune them in float, then train them on the integer grid of the export."""

from collections.abc import Sequence
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
    val: Examples | None,
    loss: Loss,
    recipe: Recipe,
    window_mask: Tensor | None = None,
) -> tuple[FakeQuantizer, Tensor]:
    """Train pruned members again, candidates[p] is member p: half of the epochs float, the other half on the integer
    grid, whose ranges are those of the recovered float members over their training windows.

    window_mask [P, n]: 0 in windows that a member does not see. Returns the ranges and grids of their tensors, and the
    errors on that grid [P], as `fit` does.
    """
    half = recipe.epochs // 2
    fit(pruned, train, val, loss, replace(recipe, epochs=half), window_mask=window_mask)
    quantizer = integer_grid(pruned, candidates, train, window_mask)
    quiet = replace(recipe.slower(), epochs=recipe.epochs - half)
    errors = fit(pruned, train, val, loss, quiet, quantizer=quantizer, window_mask=window_mask)
    return quantizer, errors


def pruned_members(
    stage1: Population,
    student_index: Sequence[int],
    candidates: Sequence[Candidate],
    train: Examples,
    batch: int,
    window_mask: Tensor | None = None,
) -> Population:
    """Candidates from the stage-1 students student_index[p], without the units and blocks they lose; not trained again.

    window_mask [P, n]: 0 in windows that a member does not see.
    """
    population = select(stage1, student_index)
    scores = importance(population, train, batch, window_mask)
    prune(population, scores, [c.units_left for c in candidates])
    prune_blocks(population, [c.block_sparsity for c in candidates])
    return population


def integer_grid(
    population: Population, candidates: Sequence[Candidate], train: Examples, window_mask: Tensor | None = None
) -> FakeQuantizer:
    """The grids of the members' tensors, from the ranges they have over the training windows that they see."""
    bits = [[c.weight_bits for c in candidates], [c.activation_bits for c in candidates]]
    quantizer = FakeQuantizer(*torch.tensor(bits, device=train.relative.device))
    quantizer.observe()
    if window_mask is None:
        forecast(population, train, quantizer)
    else:
        masks, mask_of = torch.unique(window_mask, dim=0, return_inverse=True)
        for number, mask in enumerate(masks):
            quantizer.observed = mask_of == number
            forecast(population, train[torch.nonzero(mask).flatten()], quantizer)
    quantizer.freeze()
    return quantizer
