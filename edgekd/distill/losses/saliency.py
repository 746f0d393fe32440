"""Temporal saliency distillation (TSD, arXiv 2601.04263): the student looks where the teacher looks.

A span of the window is replaced by that of another window, the donor, and the answer changes: by (y - y')^2, or for
classes by T^2 KL(p || p'). The responses of each network are divided by their own mean, so that only their shape over
the window counts. We differ in that donors and spans are fixed before training, so that the teacher answers once; each
window of a batch has a span of its own, so that a step costs one more run of the student; features are replaced and
the level is kept. The student's mean is part of the gradient: without it the responses collapse.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.examples import Examples
from edgekd.distill.losses.loss_step import EPS, LossStep, TeacherView
from edgekd.distill.losses.soft_labels import softened_divergence
from edgekd.models.fake_quant import FakeQuantizer

LOSS = LossSpec(name="saliency", code="sal", hard=None, tasks=("forecast", "estimate", "remaining", "classify"))
WEIGHT = 0.1
SPANS = 10
"""About how many spans a window has."""


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """For all n training windows: the donor [n] of each, the steps [K, N] of each span, the features [n, N, F] that are
    exchanged, and the teacher's responses [n, K].
    """

    donors: Tensor
    spans: Tensor
    features: Tensor
    teacher: Tensor


def saliency(step: LossStep) -> Tensor:
    """Smooth L1 between the responses of student and teacher to one span of each window, [P, B]."""
    given: Perturbation = step.prepared
    span = (step.rows + step.rows[0]) % len(given.spans)  # another one for a window in every epoch
    changed = exchanged(step.windows.relative, given.features[given.donors[step.rows]], given.spans[span])
    classes = step.windows.criterion == "cross_entropy"
    other = step.forward(changed, step.windows.level)
    student = response(step.y, other, classes=classes, temperature=step.temperature)
    teacher = given.teacher[step.rows, span].expand_as(student)
    return WEIGHT * smooth_l1_loss(_by_mean(student), _by_mean(teacher), reduction="none")


def prepare(view: TeacherView) -> Perturbation:
    """Draw donors, cut the window into spans of whole patches of both networks, and ask the teacher."""
    theirs, own = view.patches
    unit = math.lcm(theirs, own)
    length = unit * max(1, round(view.samples / SPANS / unit))
    donors = _donors(len(view.windows), view.seed).to(view.soft.device)

    def run(relative: Tensor, level: Tensor) -> Tensor:
        outputs: Tensor = view.teacher(relative, level, FakeQuantizer.off(view.teacher.size))[0]
        return outputs.mean(0, keepdim=True)

    teacher = responses(run, view.teacher_windows, donors, span_steps(view.samples, theirs, length))
    spans = span_steps(view.samples, own, length).to(view.soft.device)
    return Perturbation(donors=donors, spans=spans, features=view.windows.relative, teacher=teacher[0])


def span_steps(samples: int, patch: int, length: int) -> Tensor:
    """Which steps of `patch` samples lie in each span of `length` samples: bool [K, N]."""
    span_of = torch.arange(samples // patch) * patch // length
    return span_of == torch.arange(-(-samples // length)).unsqueeze(1)


@torch.no_grad()
def responses(
    run: Callable[[Tensor, Tensor], Tensor], windows: Examples, donors: Tensor, spans: Tensor, chunk: int = 2048
) -> Tensor:
    """How much each network's output changes with each span: [P, n, K]; run: features -> outputs [P, B, O]."""
    classes, parts = windows.criterion == "cross_entropy", []
    for rows in torch.arange(len(windows)).split(chunk):
        relative, level = windows.relative[rows], windows.level[rows]
        y, given = run(relative, level), windows.relative[donors[rows]]
        changed = [run(exchanged(relative, given, span.expand(len(rows), -1)), level) for span in spans.to(y.device)]
        parts.append(torch.stack([response(y, other, classes=classes) for other in changed], dim=2))
    return torch.cat(parts, dim=1)


def exchanged(relative: Tensor, given: Tensor, steps: Tensor) -> Tensor:
    """The features [B, N, F] with those of the donors, `given`, in some steps, bool [B, N]."""
    return torch.where(steps.unsqueeze(2), given, relative)


def response(y: Tensor, other: Tensor, *, classes: bool, temperature: float = 1.0) -> Tensor:
    """How far two outputs [..., O] are apart: mean squared difference, or divergence of classes -> [...]."""
    return softened_divergence(other, y, temperature) if classes else (y - other).square().mean(-1)


def fidelity(student: Tensor, teacher: Tensor) -> Tensor:
    """Rank correlation (Spearman) of two networks' responses [n, K] over the spans, mean over windows: a scalar."""
    ranks = [value.argsort(1).argsort(1).double() for value in (student, teacher)]
    centered = [rank - rank.mean(1, keepdim=True) for rank in ranks]
    norms = centered[0].norm(dim=1) * centered[1].norm(dim=1)
    return ((centered[0] * centered[1]).sum(1) / norms.clamp(min=EPS)).mean()


def _by_mean(values: Tensor) -> Tensor:
    """Responses [P, B] divided by the mean of those above zero of each member."""
    mean = values.sum(1, keepdim=True) / (values > 0).sum(1, keepdim=True).clamp(min=1)
    return values / (mean + EPS**2)


def _donors(count: int, seed: int) -> Tensor:
    """Another window for each of n, [n]: the next one of a shuffled circle."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    donors = torch.empty_like(order)
    donors[order] = order.roll(1)
    return donors
