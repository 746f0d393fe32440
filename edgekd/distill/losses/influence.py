"""Influence of windows (InfGraND, arXiv 2601.08033): windows that speak for many others count more.

The graph joins each window with its nearest neighbors by features. A window's influence is the mean cosine between its
features and those of all windows after two hops over the graph, A^2 X with the normalized adjacency A, scaled to lie
between 0 and 1; its weight is 1 + influence / 2, in the loss on measured targets as in that on soft ones. We differ in
that the graph is made of windows, as a table of measurements has none, and that both losses have one ratio of weights,
0.5, where the paper has 1/3 and 1/2.
"""

import torch
from torch import Tensor

from edgekd.contracts.declarations import LossSpec
from edgekd.distill.examples import Examples
from edgekd.distill.losses.loss_step import EPS, LossStep, TeacherView

LOSS = LossSpec(
    name="influence",
    code="infl",
    hard=None,
    tasks=("forecast", "estimate", "remaining", "classify"),
    weighs_windows=True,
)
NEIGHBORS = 8
RATIO = 0.5


def influence(step: LossStep) -> Tensor:
    """The weights of the windows, [P, B]."""
    weights: Tensor = 1 + RATIO * step.prepared[step.rows]
    return weights.expand(step.y.shape[:2])


def prepare(view: TeacherView) -> Tensor:
    """The influence [n] of each training window."""
    return influences(features_of(view.windows))


def features_of(windows: Examples) -> Tensor:
    """All features of each window, standardized: [n, N F + F]."""
    x = torch.cat([windows.relative.flatten(1), windows.level], 1)
    return (x - x.mean(0)) / x.std(0).clamp(min=EPS)


def influences(x: Tensor) -> Tensor:
    """Influence of each row of features [n, D] on the graph of nearest neighbors, [n], between 0 and 1."""
    after = hop(hop(x, neighbors := nearest(x)), neighbors)
    shown = [value / value.norm(dim=1, keepdim=True).clamp(min=EPS) for value in (x, after)]
    mean = shown[0] @ shown[1].mean(0)
    return (mean - mean.min()) / (mean.max() - mean.min()).clamp(min=EPS)


def hop(x: Tensor, neighbors: Tensor) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 X for the symmetric graph of pairs [2, E]."""
    degree = torch.bincount(neighbors[0], minlength=len(x)).to(x) + 1
    scaled = x / degree.sqrt().unsqueeze(1)
    return scaled.index_add(0, neighbors[0], scaled[neighbors[1]]) / degree.sqrt().unsqueeze(1)


def nearest(x: Tensor, chunk: int = 1024) -> Tensor:
    """Pairs [2, E] of windows, both ways, of which one is among the nearest of the other."""
    count = min(NEIGHBORS, len(x) - 1)
    parts = []
    for rows in torch.arange(len(x), device=x.device).split(chunk):
        distances = torch.cdist(x[rows], x)
        distances[torch.arange(len(rows)), rows] = torch.inf
        near = distances.topk(count, largest=False).indices
        parts.append(torch.stack([rows.repeat_interleave(count), near.flatten()]))
    pairs = torch.cat(parts, 1)
    return torch.unique(torch.cat([pairs, pairs.flip(0)], 1), dim=1)
