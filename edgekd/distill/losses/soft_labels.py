"""Soft labels (Hinton et al. 2015, arXiv 1503.02531): the student's class probabilities follow the teacher's.

Both are softened by a temperature, which shows how the teacher ranks the wrong classes; the factor T^2 keeps gradients
of one size for every T. Outputs are logits. The mix with cross-entropy follows DLNet's schedule instead of a constant.
"""

import torch
from torch import Tensor

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.losses.loss_step import LossStep

LOSS = LossSpec(name="soft_labels", code="soft", hard="cross_entropy", tasks=("classify",))


def soft_labels(step: LossStep) -> Tensor:
    """T^2 KL(softmax(soft / T) || softmax(y / T)), [P, B]."""
    return softened_divergence(step.y, step.soft, step.temperature)


def softened_divergence(y: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """The same of two logits [..., C] -> [...]."""
    student = torch.log_softmax(y / temperature, dim=-1)
    teacher = torch.log_softmax(soft / temperature, dim=-1)
    return temperature**2 * (teacher.exp() * (teacher - student)).sum(-1)
