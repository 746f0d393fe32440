"""Squared difference between outputs: the first of DLNet's two losses (arXiv 2601.06227)."""

from torch import Tensor

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.losses.loss_step import LossStep

LOSS = LossSpec(name="output_mse", code="mse", hard="mse")


def output_mse(step: LossStep) -> Tensor:
    """(y - soft)^2, [P, B, O]."""
    return (step.y - step.soft).square()
