"""The training loop: one tensor program for a population, each member with its own loss, clipping and best epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgekd.distill import losses
from edgekd.distill.optim import Optimizer
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.population import Population


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Preprocessed windows: relative [B, N, F], level [B, F], target and mask [B, O] (mask 1 where really measured)."""

    relative: Tensor
    level: Tensor
    target: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.relative)

    def __getitem__(self, rows: Tensor) -> "Examples":
        return Examples(
            relative=self.relative[rows], level=self.level[rows], target=self.target[rows], mask=self.mask[rows]
        )

    def to(self, device: str | torch.device) -> "Examples":
        return Examples(
            relative=self.relative.to(device),
            level=self.level.to(device),
            target=self.target.to(device),
            mask=self.mask.to(device),
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long and how fast. One permutation of the windows per epoch, from `seed`, is shared by all members.

    learning_rate and muon: of all members, or one for each. `muon` moves hidden matrices by Muon instead of AdamW.
    """

    epochs: int
    learning_rate: float | Sequence[float]
    batch: int
    seed: int
    weight_decay: float = 1e-4
    clip: float = 1.0
    muon: bool | Sequence[bool] = False

    def slower(self) -> "Recipe":
        """The same with half of the learning rate."""
        rates = self.learning_rate
        return replace(self, learning_rate=rates / 2 if isinstance(rates, float) else [rate / 2 for rate in rates])


Loss = Callable[[Tensor, list[Tensor], Examples, Tensor, float], Tensor]


def supervised(y: Tensor, states: list[Tensor], batch: Examples, rows: Tensor, progress: float) -> Tensor:
    """L1 on the measured target alone."""
    return losses.masked_l1(y, batch.target, batch.mask)


@dataclass(frozen=True)
class Distillation:
    """Named losses with the soft targets [P or 1, n, O] for all n training windows.

    names: the loss of each member, or one for all. weights [P]: the constant weight of the measured target in each
    member's loss; NaN, or no weights: the schedule of `losses.mixing`. `changes` [1, n, K] and `pairs` [2, K] are the
    teacher's relative state changes, for `memory`.
    """

    names: str | Sequence[str]
    soft: Tensor
    changes: Tensor | None = None
    pairs: Tensor | None = None
    weights: Tensor | None = None

    def __call__(self, y: Tensor, states: list[Tensor], batch: Examples, rows: Tensor, progress: float) -> Tensor:
        weight = torch.full((len(y),), losses.mixing(progress), device=y.device)
        if self.weights is not None:
            weight = torch.where(self.weights.isnan(), weight, self.weights)
        soft = self.soft[:, rows].expand_as(y)
        names = [self.names] * len(y) if isinstance(self.names, str) else list(self.names)
        if len(set(names)) == 1:
            return self._loss(names[0], y, soft, states, batch, rows, weight)
        total = torch.zeros_like(weight)
        for name in sorted(set(names)):
            members = torch.tensor([m for m, one in enumerate(names) if one == name], device=y.device)
            their = [state[members] for state in states] if name == "memory" else []
            loss = self._loss(name, y[members], soft[members], their, batch, rows, weight[members])
            total = total.index_add(0, members, loss)
        return total

    def _loss(
        self,
        name: str,
        y: Tensor,
        soft: Tensor,
        states: list[Tensor],
        batch: Examples,
        rows: Tensor,
        weight: Tensor,
    ) -> Tensor:
        """One loss of some members: y and soft [P, B, O], weight [P] -> [P]."""
        if name in ("output_mse", "output_cosine"):
            hard = losses.masked_mse(y, batch.target, batch.mask)
            return weight * hard + (1 - weight) * getattr(losses, name)(y, soft)
        loss = weight * losses.masked_l1(y, batch.target, batch.mask) + (1 - weight) * losses.output_l1(y, soft)
        if name == "memory" and self.changes is not None and self.pairs is not None and len(states) > 1:
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
    quantizer: FakeQuantizer | None = None,
    each_epoch: Callable[[int], None] = lambda epoch: None,
) -> Tensor:
    """Train every member and leave it at its epoch of lowest validation error; returns those errors [P].

    The members share nothing but the order of the windows.
    """
    quantizer = quantizer or FakeQuantizer.off(population.size)
    total = max(4, recipe.epochs * -(-len(train) // recipe.batch))  # the rate has a way up and a way down
    rates = torch.as_tensor(recipe.learning_rate, dtype=torch.float32).expand(population.size)
    muon = [recipe.muon] * population.size if isinstance(recipe.muon, bool) else recipe.muon
    optimizer = Optimizer(population, rates, total, weight_decay=recipe.weight_decay, clip=recipe.clip, muon=muon)
    order = torch.Generator().manual_seed(recipe.seed)
    best = torch.full((population.size,), torch.inf, device=train.relative.device)
    kept = optimizer.flat.clone()
    for epoch in range(recipe.epochs):
        for rows in torch.randperm(len(train), generator=order).to(train.relative.device).split(recipe.batch):
            batch = train[rows]
            y, states = population(batch.relative, batch.level, quantizer)
            optimizer.step(loss(y, states, batch, rows, epoch / recipe.epochs))
        now = evaluate(population, val, quantizer)
        kept[now < best] = optimizer.flat[now < best]
        best = torch.fmin(now, best)
        each_epoch(epoch + 1)
    optimizer.flat.copy_(kept)
    return best.cpu()


@torch.no_grad()
def forecast(
    population: Population, examples: Examples, quantizer: FakeQuantizer | None = None, chunk: int = 2048
) -> Tensor:
    """Forecasts [P, n, O] for all windows, in normalized units."""
    quantizer = quantizer or FakeQuantizer.off(population.size)
    rows = torch.arange(len(examples)).split(chunk)
    return torch.cat([population(examples.relative[i], examples.level[i], quantizer)[0] for i in rows], dim=1)


def evaluate(population: Population, examples: Examples, quantizer: FakeQuantizer) -> Tensor:
    """Masked mean absolute error of each member, [P], in normalized units."""
    return losses.masked_l1(forecast(population, examples, quantizer), examples.target, examples.mask)


@torch.no_grad()
def state_changes(population: Population, examples: Examples, pairs: Tensor, chunk: int = 512) -> Tensor:
    """Relative state changes of a teacher, mean over its members: [1, n, K]."""
    quantizer = FakeQuantizer.off(population.size)
    parts = []
    for rows in torch.arange(len(examples)).split(chunk):
        states = population(examples.relative[rows], examples.level[rows], quantizer)[1]
        parts.append(losses.relative_change(states, pairs).mean(0, keepdim=True))
    return torch.cat(parts, dim=1)
