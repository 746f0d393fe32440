"""Distillation losses, chosen by name. Every one is per member: forecasts [P, B, O] -> [P].

Each mixes the measured target and the soft one with DLNet's schedule (arXiv 2601.06227): lambda grows from 0.1 to 0.9.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, smooth_l1_loss

NAMES = ("output_l1", "output_mse", "output_cosine", "memory")
EPS = 1e-6


def mixing(progress: float) -> float:
    """Weight of the measured target, for training progress in [0, 1]: 0.1 + 0.8 * progress."""
    return 0.1 + 0.8 * progress


def masked_l1(y: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over measured points: y [P, B, O], target and mask [B, O] -> [P]."""
    return ((y - target).abs() * mask).sum((1, 2)) / mask.sum().clamp(min=1)


def masked_mse(y: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over measured points, shapes as `masked_l1`."""
    return ((y - target).square() * mask).sum((1, 2)) / mask.sum().clamp(min=1)


def output_l1(y: Tensor, soft: Tensor) -> Tensor:
    """Mean absolute difference to the soft target; y and soft [P, B, O] -> [P]."""
    return (y - soft).abs().mean((1, 2))


def output_mse(y: Tensor, soft: Tensor) -> Tensor:
    """Mean squared difference to the soft target; y and soft [P, B, O] -> [P]."""
    return (y - soft).square().mean((1, 2))


def output_cosine(y: Tensor, soft: Tensor) -> Tensor:
    """1 - cosine between forecast and soft target, mean over windows; y and soft [P, B, O] -> [P]."""
    return 1 - cosine_similarity(y, soft, dim=2, eps=EPS).mean(1)


def memory_pairs(steps: int, generator: torch.Generator, random: int = 100) -> Tensor:
    """Pairs (start, end) of steps, [2, K]: consecutive ones and `random` drawn, start < end (arXiv 2601.04264)."""
    consecutive = torch.stack([torch.arange(steps - 1), torch.arange(1, steps)])
    if steps < 3:
        return consecutive
    start = torch.randint(0, steps - 1, (random,), generator=generator)
    gap = torch.rand(random, generator=generator) * (steps - 1 - start)
    return torch.cat([consecutive, torch.stack([start, start + 1 + gap.long()])], dim=1)


def relative_change(states: Sequence[Tensor], pairs: Tensor) -> Tensor:
    """|h_end - h_start| / (|h_start| + eps): N states [P, B, H] and pairs [2, K] -> [P, B, K]."""
    h = torch.stack(list(states), dim=2)
    start, end = h[:, :, pairs[0]], h[:, :, pairs[1]]
    return (end - start).norm(dim=3) / (start.norm(dim=3) + EPS)


def memory(student: Tensor, teacher: Tensor) -> Tensor:
    """Smooth L1 between relative state changes (MemKD, arXiv 2601.04264); both [P, B, K] -> [P]."""
    return smooth_l1_loss(student, teacher.expand_as(student), reduction="none").mean((1, 2))
