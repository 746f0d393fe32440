"""Structured pruning: whole hidden units are removed, so the exported matrices are smaller."""

from collections.abc import Sequence

import torch
from torch import Tensor

from edgekd.models.fake import Fake
from edgekd.models.population import Population


def importance(population: Population, rel: Tensor, lvl: Tensor, target: Tensor, mask: Tensor, batch: int) -> Tensor:
    """First-order importance of each unit, [P, H]: the squared change of the error if the unit were gone
    (Molchanov et al. 2019), summed over batches. The mask of live units carries the gradient.
    """
    live = population.live
    total = torch.zeros_like(live)
    for rows in torch.arange(len(rel)).split(batch):
        population.live = live.clone().requires_grad_()
        y, _ = population(rel[rows], lvl[rows], Fake.off(population.size))
        error = ((y - target[rows]).abs() * mask[rows]).sum((1, 2)) / mask[rows].sum().clamp(min=1)
        (grad,) = torch.autograd.grad(error.sum(), population.live)
        total += (grad * live).square()
    population.live = live
    return total


@torch.no_grad()
def prune(population: Population, scores: Tensor, keep: Sequence[int]) -> None:
    """Leave `keep[p]` live units in member p, those of the highest score [P, H]; the others are masked for good."""
    live = population.live
    for member, count in enumerate(keep):
        ranked = torch.where(live[member] > 0, scores[member], -1.0).argsort(descending=True, stable=True)
        live[member] = 0
        live[member, ranked[:count]] = 1
