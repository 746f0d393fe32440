"""Structured pruning: whole hidden units are removed, so the exported matrices are smaller; and blocks of weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from edgekd.distill.examples import Examples
from edgekd.distill.losses.loss_step import hard_loss
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.population import Population

BLOCK = 4
"""Weights that are pruned together: what a kernel reads at once."""


def importance(population: Population, train: Examples, batch: int, window_mask: Tensor | None = None) -> Tensor:
    """First-order importance of each unit, [P, H]: the squared change of the error if the unit were gone
    (Molchanov et al. 2019), summed over batches. The mask of live units carries the gradient.

    window_mask [P, n]: 0 in windows that a member does not see.
    """
    unit_mask = population.unit_mask
    total = torch.zeros_like(unit_mask)
    for rows in torch.arange(len(train)).split(batch):
        population.unit_mask = unit_mask.clone().requires_grad_()
        windows = train[rows]
        y, _ = population(windows.relative, windows.level, FakeQuantizer.off(population.size))
        seen = None if window_mask is None else window_mask[:, rows]
        error = hard_loss(windows.criterion, y, windows, seen)
        (grad,) = torch.autograd.grad(error.sum(), population.unit_mask)
        total += (grad * unit_mask).square()
    population.unit_mask = unit_mask
    return total


@torch.no_grad()
def prune(population: Population, scores: Tensor, keep: Sequence[int]) -> None:
    """Leave `keep[p]` units in member p, those of the highest score [P, H]; the others are masked for good."""
    unit_mask = population.unit_mask
    for member, count in enumerate(keep):
        ranked = torch.where(unit_mask[member] > 0, scores[member], -1.0).argsort(descending=True, stable=True)
        unit_mask[member] = 0
        unit_mask[member, ranked[:count]] = 1


@torch.no_grad()
def prune_blocks(population: Population, shares: Sequence[float]) -> None:
    """Hold shares[p] of the 1 x 4 blocks of each weight matrix of member p at zero: those of the smallest norm.

    A block is four neighbors in a row of the matrix as it is exported, without the units that were pruned before.
    """
    if not any(shares):
        return
    for name, value in population.masked().items():
        if not name.endswith("_weight"):
            continue
        kept = torch.ones_like(value)
        for member, share in enumerate(shares):
            places = population.places(name, value[member], member)
            all_of = [places.get(axis, torch.arange(size)) for axis, size in enumerate(value[member].shape)]
            at = torch.meshgrid(*all_of, indexing="ij")
            kept[member][at] = _kept_blocks(value[member][at], share)
        population.weight_mask[name] = kept


def _kept_blocks(matrix: Tensor, share: float) -> Tensor:
    """Ones, and zeros in the smallest `share` of the blocks: matrix [O, ...] -> the same shape."""
    rows = matrix.flatten(1)
    missing = -rows.shape[1] % BLOCK
    norms = torch.nn.functional.pad(rows, (0, missing)).view(-1, BLOCK).norm(dim=1)
    kept = torch.ones_like(norms)
    kept[norms.argsort(stable=True)[: round(share * len(norms))]] = 0
    return kept.repeat_interleave(BLOCK).view(len(rows), -1)[:, : rows.shape[1]].reshape(matrix.shape)
