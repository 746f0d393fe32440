"""Optimizers of a population: every member has its own rate, clipping and method, all in a few calls on one matrix.

The parameters of member p are row p of a matrix [P, D]; the network's tensors are views of it. Tiny networks are bound
by the number of calls, so what is done per member is done for all entries at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgekd.models.population import Population

EPS = 1e-6
BETA2, ADAM_EPS = 0.999, 1e-8
MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.775, 2.0315)


@dataclass(frozen=True)
class Matrix:
    """A hidden matrix [P, rows, columns] among the columns `start` to `stop` of [P, D]."""

    start: int
    stop: int
    rows: int


class Optimizer:
    """AdamW (Loshchilov and Hutter 2019), and Muon (Jordan et al. 2024) for the hidden matrices of some members.

    rates [P]: the highest learning rates of a one-cycle schedule (Smith and Topin 2018) over `total` steps; muon [P]
    says which members' hidden matrices Muon moves. Vectors, heads and matrices of one row or column are left to AdamW.
    """

    def __init__(
        self,
        population: Population,
        rates: Tensor,
        total: int,
        *,
        weight_decay: float,
        clip: float,
        muon: Sequence[bool],
    ) -> None:
        self.parameters = list(population.parameters())
        with torch.no_grad():
            self.flat = torch.cat([p.flatten(1) for p in self.parameters], 1)
        at = 0
        for parameter in self.parameters:  # from now on views of `flat`
            size = parameter[0].numel()
            parameter.data = self.flat[:, at : at + size].view(parameter.shape)
            at += size
        self.rates, self.total = rates.to(self.flat).unsqueeze(1), total
        self.weight_decay, self.clip = weight_decay, clip
        self.mean, self.square = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.momentum = torch.zeros_like(self.flat) if any(muon) else None
        self.muon = torch.tensor(list(muon), device=self.flat.device).unsqueeze(1)
        self.matrices = hidden_matrices(population)
        self.count = 0

    def step(self, losses: Tensor) -> None:
        """One step down the gradients of `losses` [P], each clipped to a norm of `clip`."""
        grads = torch.autograd.grad(losses.sum(), self.parameters, materialize_grads=True)
        grad = clipped(torch.cat([g.flatten(1) for g in grads], 1), self.clip)
        factor, beta1 = one_cycle(self.count, self.total)
        rates = self.rates * factor
        self.count += 1
        moved = self._adam(grad, beta1)
        if self.momentum is not None:
            moved = torch.where(self.muon, self._muon(grad, moved), moved)
        self.flat.mul_(1 - rates * self.weight_decay).sub_(rates * moved)

    def _adam(self, grad: Tensor, beta1: float) -> Tensor:
        self.mean.lerp_(grad, 1 - beta1)
        self.square.mul_(BETA2).addcmul_(grad, grad, value=1 - BETA2)
        deviation = self.square.sqrt().div_(math.sqrt(1 - BETA2**self.count)).add_(ADAM_EPS)
        return self.mean / deviation / (1 - beta1**self.count)

    def _muon(self, grad: Tensor, moved: Tensor) -> Tensor:
        assert self.momentum is not None
        self.momentum.mul_(MOMENTUM).add_(grad, alpha=1 - MOMENTUM)
        ahead = grad.lerp(self.momentum, MOMENTUM)
        moved = moved.clone()
        for place in self.matrices:
            matrix = ahead[:, place.start : place.stop].reshape(len(ahead), place.rows, -1)
            moved[:, place.start : place.stop] = orthogonalized(matrix).flatten(1)
        return moved


def hidden_matrices(population: Population) -> list[Matrix]:
    """The matrices of a population that Muon moves: not those of the head, and none of a single row or column."""
    matrices, at = [], 0
    for name, parameter in population.named_parameters():
        size = parameter[0].numel()
        rows = parameter.shape[1] if parameter.dim() > 2 else 1
        if min(rows, size // rows) > 1 and name not in ("down_weight", "out_weight"):
            matrices.append(Matrix(at, at + size, rows))
        at += size
    return matrices


def orthogonalized(matrix: Tensor) -> Tensor:
    """The nearest matrices with equal singular values to [P, rows, columns], by five Newton-Schulz steps.

    Scaled by sqrt(max(1, rows / columns)), in which rows and columns of zeros, that pad a member, do not count.
    """
    a, b, c = NEWTON_SCHULZ
    rows, columns = (matrix.abs().sum(axis).ne(0).sum(1).clamp(min=1) for axis in (2, 1))
    x = matrix / (matrix.flatten(1).norm(dim=1).view(-1, 1, 1) + EPS)
    wide = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if wide else x
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.transpose(1, 2) if wide else x
    return x * (rows / columns).clamp(min=1).sqrt().view(-1, 1, 1)


def clipped(grad: Tensor, limit: float) -> Tensor:
    """Gradients [P, D], each member's scaled so that its norm is at most `limit`."""
    return grad * (limit / (grad.norm(dim=1, keepdim=True) + EPS)).clamp(max=1.0)


def one_cycle(step: int, total: int) -> tuple[float, float]:
    """Factor of the highest rate, and momentum, at a step: up from 1/25 in a tenth of the steps, then down to 4e-6."""
    rise = max(0.1, 2 / total) * total - 1
    if step <= rise:
        return _cosine(1 / 25, 1.0, step / rise), _cosine(0.95, 0.85, step / rise)
    done = (step - rise) / (total - 1 - rise)
    return _cosine(1.0, 1 / 25e4, done), _cosine(0.85, 0.95, done)


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
