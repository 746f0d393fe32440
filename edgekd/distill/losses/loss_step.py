"""What every distillation loss is given, the losses on the measured target, and how values become one per member."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgekd.contracts.declarations import HardLoss
from edgekd.distill.examples import Examples
from edgekd.models.population import Population

EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class TeacherView:
    """What a loss may look at before training: teacher_windows and windows are the same training windows, in patches of
    the teacher and of the student; soft [1, n, O] is the teacher's mean output on them; samples is T.
    """

    teacher: Population
    teacher_windows: Examples
    windows: Examples
    soft: Tensor
    samples: int
    seed: int

    @property
    def patches(self) -> tuple[int, int]:
        """Samples per patch of the teacher and of the student."""
        steps = (self.teacher_windows.relative.shape[1], self.windows.relative.shape[1])
        return self.samples // steps[0], self.samples // steps[1]


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """One batch of B windows for P members.

    y: their outputs [P, B, O]; states: N hidden states [P, B, H]; windows: the batch; rows [B]: its places among all
    training windows; progress: of the training, in [0, 1); forward: the outputs for other features (relative, level).
    window_weights [P, B]: of the windows for each member; all count alike where it is not given.
    """

    y: Tensor
    states: list[Tensor]
    windows: Examples
    rows: Tensor
    progress: float
    forward: Callable[[Tensor, Tensor], Tensor]
    window_weights: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class LossStep(TrainingStep):
    """The step of members that share a loss.

    soft: soft targets [P, B, O]; temperature: that softens class probabilities; prepared: what the loss computed of the
    teacher.
    """

    soft: Tensor
    temperature: float = 1.0
    prepared: Any = None


def mixing(progress: float) -> float:
    """Weight of the measured target, for training progress in [0, 1]: 0.1 + 0.8 * progress (arXiv 2601.06227)."""
    return 0.1 + 0.8 * progress


def mean_per_member(values: Tensor, window_weights: Tensor | None = None) -> Tensor:
    """Mean over windows and what follows them: values [P, B, ...], weights of the windows [P, B] -> [P]."""
    if window_weights is None:
        return values.flatten(1).mean(1)
    total = window_weights.sum(1).clamp(min=EPS)
    return (values.reshape(*values.shape[:2], -1).mean(2) * window_weights).sum(1) / total


def masked_l1(y: Tensor, target: Tensor, mask: Tensor, window_weights: Tensor | None = None) -> Tensor:
    """Mean absolute error over measured points: y [P, B, O], target and mask [B, O], weights [P, B] -> [P]."""
    return _masked_mean(absolute(y, target), mask, window_weights)


def masked_mse(y: Tensor, target: Tensor, mask: Tensor, window_weights: Tensor | None = None) -> Tensor:
    """Mean squared error over measured points: y [P, B, O], target and mask [B, O], weights [P, B] -> [P]."""
    return _masked_mean(squared(y, target), mask, window_weights)


def absolute(y: Tensor, target: Tensor) -> Tensor:
    """Absolute errors [P, B, O]."""
    return (y - target).abs()


def squared(y: Tensor, target: Tensor) -> Tensor:
    """Squared errors [P, B, O]."""
    return (y - target).square()


def cross_entropy(y: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits y [P, B, C] and shares of the classes target [B, C]: [P, B, 1]."""
    return -(target * torch.log_softmax(y, dim=2)).sum(2, keepdim=True)


HARD: Mapping[HardLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": absolute,
    "mse": squared,
    "cross_entropy": cross_entropy,
}
"""Errors of outputs against measured targets, by the word in `LossSpec.hard`."""


def hard_loss(name: HardLoss, y: Tensor, windows: Examples, window_weights: Tensor | None = None) -> Tensor:
    """A loss on the measured targets of windows: outputs y [P, B, O], weights of the windows [P, B] -> [P]."""
    errors = HARD[name](y, windows.measured(y))
    return _masked_mean(errors, windows.mask[:, : errors.shape[2]], window_weights)


def hard_loss_by_window(name: HardLoss, y: Tensor, windows: Examples) -> tuple[Tensor, Tensor]:
    """The errors of each window, summed over its measured targets, [P, B], and how many of these it has, [B]."""
    errors = HARD[name](y, windows.measured(y))
    mask = windows.mask[:, : errors.shape[2]]
    return (errors * mask).sum(2), mask.sum(1)


def _masked_mean(values: Tensor, mask: Tensor, window_weights: Tensor | None) -> Tensor:
    if window_weights is None:
        return (values * mask).sum((1, 2)) / mask.sum().clamp(min=1)
    weights = mask * window_weights.unsqueeze(2)
    return (values * weights).sum((1, 2)) / weights.sum((1, 2)).clamp(min=EPS)
