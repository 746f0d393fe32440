"""Preprocessed windows with their targets, as the networks are trained on them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from edgekd.contracts.declarations import HardLoss


@dataclass(frozen=True, kw_only=True)
class Examples:
    """relative [B, N, F], level [B, F], target and mask [B, O]; mask is 1 where the target was really measured.

    bound [B, O] is 1 where the truth is the target or more; none is where it is not given. criterion: the loss on
    measured targets, by which the best epoch is chosen, too.
    """

    relative: Tensor
    level: Tensor
    target: Tensor
    mask: Tensor
    bound: Tensor | None = None
    criterion: HardLoss = "l1"

    def __len__(self) -> int:
        return len(self.relative)

    def __getitem__(self, rows: Tensor) -> "Examples":
        return self._each(lambda tensor: tensor[rows])

    def to(self, device: str | torch.device) -> "Examples":
        """The same on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def measured(self, y: Tensor) -> Tensor:
        """What outputs y [P, B, O] are compared with, [B, O] or [P, B, O]: more than a bound is no error."""
        if self.bound is None:
            return self.target
        return torch.where((self.bound > 0) & (y > self.target), y.detach(), self.target)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Examples":
        return Examples(
            relative=change(self.relative),
            level=change(self.level),
            target=change(self.target),
            mask=change(self.mask),
            bound=None if self.bound is None else change(self.bound),
            criterion=self.criterion,
        )
