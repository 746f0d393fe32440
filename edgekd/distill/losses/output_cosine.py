"""Angle between outputs: the second of DLNet's two losses (arXiv 2601.06227)."""

from torch import Tensor
from torch.nn.functional import cosine_similarity

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.losses.loss_step import EPS, LossStep

LOSS = LossSpec(name="output_cosine", code="cos", hard="mse")


def output_cosine(step: LossStep) -> Tensor:
    """1 - cosine between a window's output and its soft target, [P, B]."""
    return 1 - cosine_similarity(step.y, step.soft, dim=2, eps=EPS)
