"""Absolute difference between outputs."""

from torch import Tensor

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.losses.loss_step import LossStep

LOSS = LossSpec(name="output_l1", code="l1", hard="l1")


def output_l1(step: LossStep) -> Tensor:
    """|y - soft|, [P, B, O]."""
    return (step.y - step.soft).abs()
