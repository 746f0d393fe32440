"""MemKD (arXiv 2601.04264): the student's state changes as much as the teacher's, in proportion to its size.

States are compared from the first step on, as h before it is zero. Needs no projector and no equal widths. We differ in
that pairs of steps are drawn once for a training, so that the teacher's changes are computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.losses.loss_step import EPS, LossStep, TeacherView
from edgekd.models.fake_quant import FakeQuantizer

LOSS = LossSpec(
    name="memkd",
    code="mem",
    hard=None,
    tasks=("forecast", "estimate", "remaining", "classify"),
    needs_states=True,
    former_name="memory",
)


@dataclass(frozen=True)
class Changes:
    """The teacher's relative state changes [1, n, K] between the pairs [2, K] of the student's steps."""

    teacher: Tensor
    pairs: Tensor


def memkd(step: LossStep) -> Tensor:
    """Smooth L1 between relative state changes, [P, B, K]."""
    changes: Changes = step.prepared
    student = relative_change(step.states, changes.pairs)
    return smooth_l1_loss(student, changes.teacher[:, step.rows].expand_as(student), reduction="none")


def prepare(view: TeacherView) -> Changes:
    """Pairs of steps, and the teacher's changes between the places where its patches end with the student's."""
    theirs, own = view.patches
    pairs = step_pairs(view.samples // own, torch.Generator().manual_seed(view.seed)).to(view.soft.device)
    places = (((pairs + 1) * own - 1) // theirs).clamp(max=view.samples // theirs - 1)
    windows, quantizer = view.teacher_windows, FakeQuantizer.off(view.teacher.size)
    parts = []
    with torch.no_grad():
        for rows in torch.arange(len(windows)).split(512):
            states = view.teacher(windows.relative[rows], windows.level[rows], quantizer)[1]
            parts.append(relative_change(states, places).mean(0, keepdim=True))
    return Changes(torch.cat(parts, dim=1), pairs)


def step_pairs(steps: int, generator: torch.Generator, random: int = 100) -> Tensor:
    """Pairs (start, end) of steps, [2, K]: consecutive ones and `random` drawn, start < end."""
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
