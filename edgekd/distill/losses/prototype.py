"""Pairing-free group distillation (arXiv 2601.09209): groups of windows lie to each other as in the teacher's states.

A prototype is the mean state of a class, or of an eighth of the windows by target where the task has no classes. The
teacher says how near its prototypes are to each other; a window of the student should be as near to the student's
prototypes as its group is in the teacher. No window is compared with itself, so a teacher may see columns that the
device lacks, and other windows. We differ in that prototypes of the student are those of the batch, and distances are
compared instead of states: the two need no common width and no projector.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.examples import Examples
from edgekd.distill.losses.loss_step import EPS, LossStep, TeacherView
from edgekd.models.fake_quant import FakeQuantizer

LOSS = LossSpec(name="prototype", code="proto", hard=None, tasks=("forecast", "estimate", "remaining", "classify"))
GROUPS = 8
"""Groups by target, of a task without classes."""


@dataclass(frozen=True)
class Prototypes:
    """Group [n] of each training window, and distances [G, G] between the teacher's prototypes, in their mean."""

    groups: Tensor
    distances: Tensor


def prototype(step: LossStep) -> Tensor:
    """KL divergence between nearness to the prototypes, teacher's to student's, [P, B]."""
    given: Prototypes = step.prepared
    group, state = given.groups[step.rows], step.states[-1]
    count = len(given.distances)
    present = torch.bincount(group, minlength=count) > 0
    absent = torch.where(present, 0.0, -torch.inf)
    distances = distances_to(state, prototypes(state, group, count))
    scale = distances[..., present].mean((1, 2), keepdim=True).clamp(min=EPS)
    student = torch.log_softmax(absent - distances / scale, dim=2)[..., present]
    teacher = torch.log_softmax(absent - given.distances[group], dim=1)[:, present]
    return (teacher.exp() * (teacher - student)).sum(2)


def prepare(view: TeacherView) -> Prototypes:
    """Group the windows and measure the teacher's prototypes."""
    groups = groups_of(view.windows)
    teacher, windows, quantizer = view.teacher, view.teacher_windows, FakeQuantizer.off(view.teacher.size)
    with torch.no_grad():
        parts = [
            teacher(windows.relative[rows], windows.level[rows], quantizer)[1][-1].transpose(0, 1).flatten(1)
            for rows in torch.arange(len(windows)).split(512)
        ]
    centers = prototypes(torch.cat(parts)[None], groups, int(groups.max()) + 1)
    distances = distances_to(centers, centers)[0]
    return Prototypes(groups, distances / distances.mean().clamp(min=EPS))


def groups_of(windows: Examples) -> Tensor:
    """The class of each window, or its eighth by the mean of its target, [n]."""
    if windows.criterion == "cross_entropy":
        return windows.target.argmax(1)
    value = windows.target.mean(1)
    edges = torch.quantile(value, torch.linspace(0, 1, GROUPS + 1, device=value.device)[1:-1])
    return torch.unique(torch.bucketize(value, edges), return_inverse=True)[1]


def prototypes(states: Tensor, groups: Tensor, count: int) -> Tensor:
    """Mean state of each group: states [P, B, H], groups [B] -> [P, G, H], zero for a group without windows."""
    members = torch.nn.functional.one_hot(groups, count).to(states)
    return members.T @ states / members.sum(0).clamp(min=1).unsqueeze(1)


def distances_to(states: Tensor, centers: Tensor) -> Tensor:
    """Squared distances: [P, B, H] to [P, G, H] -> [P, B, G]."""
    return (states.unsqueeze(2) - centers.unsqueeze(1)).square().sum(3)
