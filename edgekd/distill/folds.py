"""Folds over groups: members of one batch that leave out different groups, and the error on what each left out.

Member p trains on the windows whose weight in row p of a matrix [P, n] is 1. The K folds of a candidate are K members
next to each other, so one batch trains them all, and every training window has one of them that has not seen it: the
mean of these errors, the out-of-fold error, uses every training group where a validation part uses a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgekd.contracts.errors import ConfigError
from edgekd.distill.examples import Examples
from edgekd.distill.losses.loss_step import hard_loss_by_window
from edgekd.distill.trainer import forecast
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.population import Population

RESAMPLES = 2000


@dataclass(frozen=True)
class OutOfFold:
    """Errors [C] of candidates on windows that they have not seen, in normalized units, and their 95 % intervals.

    outputs [C, n, O]: of the member that has not seen the window. by_group [C, G]: sum of the errors of each group,
    counts [G]: of its measured targets; groups are resampled for all intervals.
    """

    error: Tensor
    low: Tensor
    high: Tensor
    outputs: Tensor
    by_group: Tensor
    counts: Tensor

    def as_good_as(self, best: int, seed: int = 0) -> Tensor:
        """Which candidates [C] the interval of the difference cannot tell from the candidate `best`: bool.

        Groups are resampled for both alike, as the same groups are hard for all.
        """
        samples = _resampled(self.by_group - self.by_group[best], self.counts, seed)
        low, high = _interval(samples)
        return (low <= 0) & (high >= 0)


def fold_masks(groups: Tensor, folds: int, seed: int) -> Tensor:
    """Weights [K, n] of windows for the members of K folds: 0 in the windows a fold leaves out, else 1.

    groups [n] are never divided: each is left out by one fold. Folds have about equally many windows. ConfigError when
    there are fewer groups than folds.
    """
    names, sizes = torch.unique(groups, return_counts=True)
    if len(names) < folds:
        raise ConfigError(f"{folds} folds need as many training groups, there are {len(names)}", hint="fewer folds")
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    order = order[sizes[order].argsort(descending=True, stable=True)]
    windows_of = [0] * folds
    left_out_by = torch.empty(len(names), dtype=torch.long)
    for group in order.tolist():
        fold = windows_of.index(min(windows_of))
        left_out_by[group] = fold
        windows_of[fold] += int(sizes[group])
    fold_of = left_out_by.to(groups.device)[torch.searchsorted(names, groups)]
    return (fold_of != torch.arange(folds, device=groups.device).unsqueeze(1)).float()


def out_of_fold(
    population: Population,
    windows: Examples,
    masks: Tensor,
    groups: Tensor,
    *,
    quantizer: FakeQuantizer | None = None,
    seed: int = 0,
) -> OutOfFold:
    """Score the candidates of a population of C times K members on the windows that each member left out.

    masks [K, n] are those of `fold_masks`, for members ordered by candidate and then by fold; groups [n].
    """
    folds = len(masks)
    outputs = forecast(population, windows, quantizer).unflatten(0, (-1, folds))
    left_out = (masks == 0).to(outputs)
    outputs = (outputs * left_out.unsqueeze(2)).sum(1)
    errors, weights = hard_loss_by_window(windows.criterion, outputs, windows)
    names, places = torch.unique(groups, return_inverse=True)
    by_group = errors.new_zeros(len(errors), len(names)).index_add(1, places, errors)
    counts = weights.new_zeros(len(names)).index_add(0, places, weights)
    low, high = _interval(_resampled(by_group, counts, seed))
    return OutOfFold(by_group.sum(1) / counts.sum().clamp(min=1), low, high, outputs, by_group, counts)


def repeated(values: Sequence[int], folds: int) -> list[int]:
    """Each value of the candidates once for each fold: the members' order."""
    return [value for value in values for _ in range(folds)]


def _resampled(by_group: Tensor, counts: Tensor, seed: int) -> Tensor:
    """Mean errors [R, C] over groups that are drawn with replacement."""
    groups = len(counts)
    drawn = torch.randint(groups, (RESAMPLES, groups), generator=torch.Generator().manual_seed(seed))
    times = torch.zeros(RESAMPLES, groups).scatter_add_(1, drawn, torch.ones(RESAMPLES, groups)).to(by_group)
    return times @ by_group.T / (times @ counts).clamp(min=1).unsqueeze(1)


def _interval(samples: Tensor) -> tuple[Tensor, Tensor]:
    """The 2.5 % and 97.5 % quantiles of samples [R, C]: each [C]."""
    low, high = torch.quantile(samples, samples.new_tensor([0.025, 0.975]), dim=0)
    return low, high
