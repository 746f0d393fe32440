"""Subspace distillation (SubDistill, arXiv 2601.05913): the student's state follows the teacher's where it matters.

Of the teacher's last state only the directions are kept that both vary and move the output: the first eigenvectors of
A'C + C'A + 2 sqrt(tr C'C / tr A'A) A'A + 2 sqrt(tr A'A / tr C'C) C'C with centered states A [n, H] and gradients C of
the output. We differ in three points. The gradient is that of half the squared norm of the output, as there is one per
output. The states of all members of the teacher stand side by side. The orthogonal map from the student's state is not
trained, but is the best one for each batch (orthogonal Procrustes problem, Schonemann 1966), so that nothing is added
to the student.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.losses.loss_step import EPS, LossStep, TeacherView
from edgekd.models.fake_quant import FakeQuantizer

LOSS = LossSpec(name="subspace", code="sub", hard=None, tasks=("forecast", "estimate", "remaining", "classify"))
ENERGY = 0.99
"""Share of the states' variance along the directions that are kept."""
MOST = 8
"""Most directions: small students have hardly more units."""


@dataclass(frozen=True)
class Subspace:
    """The teacher's centered states along the kept directions, [n, k], of mean squared norm 1."""

    states: Tensor


def subspace(step: LossStep) -> Tensor:
    """Squared distance between the teacher's directions and the student's turned state, [P, B]."""
    given: Subspace = step.prepared
    wanted = given.states[step.rows]
    wanted = (wanted - wanted.mean(0)).expand(len(step.y), -1, -1)
    state = step.states[-1]
    state = state - state.mean(1, keepdim=True)
    turned = state @ rotation(state.detach(), wanted)
    return (turned - wanted).square().sum(2)


def prepare(view: TeacherView) -> Subspace:
    """The teacher's states on all training windows, in the directions that matter."""
    states, gradients = states_and_gradients(view)
    centered = states - states.mean(0)
    kept = centered @ directions(centered, gradients - gradients.mean(0))
    return Subspace(kept / kept.square().sum(1).mean().sqrt().clamp(min=EPS))


def directions(states: Tensor, gradients: Tensor) -> Tensor:
    """Orthonormal directions [H, k] of centered states and gradients [n, H], by relevance."""
    size, size_c = states.square().sum(), gradients.square().sum().clamp(min=EPS)
    mixed = states.T @ gradients
    matrix = mixed + mixed.T
    matrix = matrix + 2 * (size_c / size.clamp(min=EPS)).sqrt() * states.T @ states
    matrix = matrix + 2 * (size / size_c).sqrt() * gradients.T @ gradients
    _, vectors = torch.linalg.eigh(matrix)
    ordered = vectors.flip(1)
    share = (states @ ordered).square().sum(0).cumsum(0) / size.clamp(min=EPS)
    return ordered[:, : min(MOST, 1 + int((share < ENERGY).sum()))]


def rotation(state: Tensor, wanted: Tensor) -> Tensor:
    """The map [P, H, k] with orthonormal rows or columns that brings state [P, B, H] nearest to wanted [P, B, k]."""
    left, _, right = torch.linalg.svd(state.transpose(1, 2) @ wanted, full_matrices=False)
    turn: Tensor = left @ right
    return turn


def states_and_gradients(view: TeacherView, chunk: int = 512) -> tuple[Tensor, Tensor]:
    """The last states of all members side by side, and the gradients of half the squared output: both [n, M H]."""
    teacher, windows, quantizer = view.teacher, view.teacher_windows, FakeQuantizer.off(view.teacher.size)
    states, gradients = [], []
    for rows in torch.arange(len(windows)).split(chunk):
        with torch.no_grad():
            state = teacher(windows.relative[rows], windows.level[rows], quantizer)[1][-1]
        state.requires_grad_()
        output = teacher.head(state, quantizer)
        (gradient,) = torch.autograd.grad(output.square().sum() / 2, state)
        states.append(state.detach().transpose(0, 1).flatten(1))
        gradients.append(gradient.transpose(0, 1).flatten(1))
    return torch.cat(states), torch.cat(gradients)
