"""Preprocessed windows with their targets, as the networks are trained on them."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Examples:
    """relative [B, N, F], level [B, F], target and mask [B, O]; mask is 1 where the target was really measured."""

    relative: Tensor
    level: Tensor
    target: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.relative)

    def __getitem__(self, rows: Tensor) -> "Examples":
        return Examples(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def to(self, device: str | torch.device) -> "Examples":
        """The same on a device."""
        return Examples(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})
