"""The training loop: one tensor program for a population, each member with its own loss, clipping and best epoch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from edgekd.distill import losses
from edgekd.models.fake import Fake
from edgekd.models.population import Population


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Preprocessed windows: rel [B, N, F], lvl [B, F], target and mask [B, O] (mask 1 where really measured)."""

    rel: Tensor
    lvl: Tensor
    target: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.rel)

    def __getitem__(self, rows: Tensor) -> "Examples":
        return Examples(rel=self.rel[rows], lvl=self.lvl[rows], target=self.target[rows], mask=self.mask[rows])

    def to(self, device: str) -> "Examples":
        return Examples(
            rel=self.rel.to(device), lvl=self.lvl.to(device), target=self.target.to(device), mask=self.mask.to(device)
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long and how fast. One permutation of the windows per epoch, from `seed`, is shared by all members."""

    epochs: int
    learning_rate: float
    batch: int
    seed: int
    weight_decay: float = 1e-4
    clip: float = 1.0


Loss = Callable[[Tensor, list[Tensor], Examples, Tensor, float], Tensor]


def supervised(y: Tensor, states: list[Tensor], batch: Examples, rows: Tensor, progress: float) -> Tensor:
    """L1 on the measured target alone."""
    return losses.masked_l1(y, batch.target, batch.mask)


@dataclass(frozen=True)
class Distillation:
    """A named loss with its soft targets [P or 1, n, O] for all n training windows.

    `changes` [1, n, K] and `pairs` [2, K] are the teacher's relative state changes, for `memory`.
    """

    name: str
    soft: Tensor
    changes: Tensor | None = None
    pairs: Tensor | None = None

    def __call__(self, y: Tensor, states: list[Tensor], batch: Examples, rows: Tensor, progress: float) -> Tensor:
        weight = losses.mixing(progress)
        soft = self.soft[:, rows].expand_as(y)
        if self.name in ("output_mse", "output_cosine"):
            hard = losses.masked_mse(y, batch.target, batch.mask)
            return weight * hard + (1 - weight) * getattr(losses, self.name)(y, soft)
        loss = weight * losses.masked_l1(y, batch.target, batch.mask) + (1 - weight) * losses.output_l1(y, soft)
        if self.changes is not None and self.pairs is not None and len(states) > 1:
            change = losses.relative_change(states, self.pairs)
            loss = loss + (1 - weight) * losses.memory(change, self.changes[:, rows])
        return loss


def fit(
    population: Population,
    train: Examples,
    val: Examples,
    loss: Loss,
    recipe: Recipe,
    *,
    fake: Fake | None = None,
    each_epoch: Callable[[int], None] = lambda epoch: None,
) -> Tensor:
    """Train every member and leave it at its epoch of lowest validation error; returns those errors [P].

    AdamW with a one-cycle rate. The members share nothing but the order of the windows.
    """
    fake = fake or Fake.off(population.size)
    parameters = list(population.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    total = max(4, recipe.epochs * -(-len(train) // recipe.batch))  # OneCycleLR divides by zero below
    rise = max(0.1, 2 / total)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=total, pct_start=rise)
    order = torch.Generator().manual_seed(recipe.seed)
    best = torch.full((population.size,), torch.inf)
    kept = [p.detach().clone() for p in parameters]
    for epoch in range(recipe.epochs):
        for rows in torch.randperm(len(train), generator=order).split(recipe.batch):
            batch = train[rows]
            y, states = population(batch.rel, batch.lvl, fake)
            optimiser.zero_grad()
            loss(y, states, batch, rows, epoch / recipe.epochs).sum().backward()
            clip_members(parameters, recipe.clip)
            optimiser.step()
            rate.step()
        best = _keep_best(population, evaluate(population, val, fake).cpu(), best, kept)
        each_epoch(epoch + 1)
    with torch.no_grad():
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.copy_(value)
    return best


def clip_members(parameters: list[torch.nn.Parameter], limit: float) -> None:
    """Scale each member's gradient so that its norm over all its parameters is at most `limit`."""
    grads = [p.grad for p in parameters if p.grad is not None]
    square = torch.stack([g.square().flatten(1).sum(1) for g in grads]).sum(0)
    factor = (limit / (square.sqrt() + losses.EPS)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(factor.view([-1] + [1] * (grad.dim() - 1)))


@torch.no_grad()
def forecast(population: Population, examples: Examples, fake: Fake | None = None, chunk: int = 2048) -> Tensor:
    """Forecasts [P, n, O] for all windows, in normalised units."""
    fake = fake or Fake.off(population.size)
    rows = torch.arange(len(examples)).split(chunk)
    return torch.cat([population(examples.rel[i], examples.lvl[i], fake)[0] for i in rows], dim=1)


def evaluate(population: Population, examples: Examples, fake: Fake) -> Tensor:
    """Masked mean absolute error of each member, [P], in normalised units."""
    return losses.masked_l1(forecast(population, examples, fake), examples.target, examples.mask)


@torch.no_grad()
def state_changes(population: Population, examples: Examples, pairs: Tensor, chunk: int = 512) -> Tensor:
    """Relative state changes of a teacher, mean over its members: [1, n, K]."""
    fake = Fake.off(population.size)
    parts = []
    for rows in torch.arange(len(examples)).split(chunk):
        states = population(examples.rel[rows], examples.lvl[rows], fake)[1]
        parts.append(losses.relative_change(states, pairs).mean(0, keepdim=True))
    return torch.cat(parts, dim=1)


@torch.no_grad()
def _keep_best(population: Population, now: Tensor, best: Tensor, kept: list[Tensor]) -> Tensor:
    better = now < best
    for parameter, value in zip(population.parameters(), kept, strict=True):
        value[better] = parameter.detach()[better]
    return torch.where(better, now, best)
