"""Normalized knowledge distillation (NKD, as in FedKDX, arXiv 2601.04587): the right class, and the wrong ones.

The teacher's probability of the right class weighs the student's, and the wrong classes are compared among themselves:
how a teacher ranks them is kept even where it is sure. We take the formula with a teacher that does not learn; the
released code of FedKDX lets both learn and divides each term by the sum of the cross-entropies, which has no stable
minimum. Weight of the wrong classes: 1.5, from NKD (Yang et al. 2023, arXiv 2303.13005).
"""

import torch
from torch import Tensor

from edgekd.contracts.declarations import LossSpec
from edgekd.contracts.errors import ConfigError
from edgekd.distill.losses.loss_step import LossStep, TeacherView

LOSS = LossSpec(name="negative", code="nkd", hard="cross_entropy", tasks=("classify",))
WRONG_CLASSES = 1.5
LEAST_CLASSES = 3


def negative(step: LossStep) -> Tensor:
    """-p_t[c] log p_s[c] of the right class c, and -1.5 T^2 sum of p_t log p_s over the others, [P, B]."""
    right = step.windows.target.argmax(1).expand(step.y.shape[:2]).unsqueeze(2)
    student, teacher = torch.log_softmax(step.y, 2), torch.softmax(step.soft, 2)
    of_right = -(teacher * student).gather(2, right).squeeze(2)
    return of_right + WRONG_CLASSES * step.temperature**2 * _among_wrong(step, right)


def prepare(view: TeacherView) -> None:
    """Refuse two classes: there would be one wrong class, and nothing to compare."""
    classes = view.soft.shape[2]
    if classes < LEAST_CLASSES:
        raise ConfigError(
            f"loss negative compares wrong classes, of which {classes} classes have one", hint="soft_labels"
        )


def _among_wrong(step: LossStep, right: Tensor) -> Tensor:
    """Cross-entropy between the softened probabilities of the wrong classes, each normalized to one, [P, B]."""
    count = step.y.shape[2]
    wrong = torch.arange(count - 1, device=right.device)
    wrong = wrong + (wrong >= right)  # the classes without the right one, [P, B, C - 1]
    student = torch.log_softmax(step.y.gather(2, wrong) / step.temperature, 2)
    teacher = torch.softmax(step.soft.gather(2, wrong) / step.temperature, 2)
    return -(teacher * student).sum(2)
