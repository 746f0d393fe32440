"""The training loop: one tensor program for a population, each member with its own loss, clipping and best epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from edgekd.distill.examples import Examples
from edgekd.distill.losses import function_of, spec_of
from edgekd.distill.losses.loss_step import LossStep, TrainingStep, hard_loss, mean_per_member, mixing
from edgekd.distill.optim import Optimizer
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.population import Population


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


Loss = Callable[[TrainingStep], Tensor]
"""A step -> the loss of each member [P]."""


def supervised(step: TrainingStep) -> Tensor:
    """The loss on measured targets alone."""
    return hard_loss(step.windows.criterion, step.y, step.windows, step.window_weights)


@dataclass(frozen=True)
class Distillation:
    """Named losses with the soft targets [P or 1, n, O] for all n training windows.

    names: the loss of each member, or one for all. weights [P]: the constant weight of the measured target in each
    member's loss; NaN, or no weights: the schedule of `mixing`. prepared: by name of a loss, what its `prepare`
    returned. output: the loss between outputs to which those are added that compare something else.
    """

    names: str | Sequence[str]
    soft: Tensor
    prepared: Mapping[str, Any] = field(default_factory=dict)
    weights: Tensor | None = None
    output: str = "output_l1"
    temperature: float = 1.0

    def __call__(self, step: TrainingStep) -> Tensor:
        """The loss of each member, [P]."""
        y = step.y
        weight = torch.full((len(y),), mixing(step.progress), device=y.device)
        if self.weights is not None:
            weight = torch.where(self.weights.isnan(), weight, self.weights)
        soft = self.soft[:, step.rows].expand_as(y)
        names = [self.names] * len(y) if isinstance(self.names, str) else list(self.names)
        if len(set(names)) == 1:
            return self._loss(names[0], step, slice(None), soft, weight)
        total = torch.zeros_like(weight)
        for name in sorted(set(names)):
            members = torch.tensor([m for m, own in enumerate(names) if own == name], device=y.device)
            total = total.index_add(0, members, self._loss(name, step, members, soft, weight))
        return total

    def _loss(self, name: str, step: TrainingStep, members: Tensor | slice, soft: Tensor, weight: Tensor) -> Tensor:
        """The loss `name` of some members: soft [P, B, O] and weight [P] of all -> [members]."""
        spec = spec_of(name)
        given = LossStep(
            y=step.y[members],
            soft=soft[members],
            states=[state[members] for state in step.states] if spec.hard is None else [],
            windows=step.windows,
            rows=step.rows,
            progress=step.progress,
            temperature=self.temperature,
            prepared=self.prepared.get(name),
            forward=lambda relative, level: step.forward(relative, level)[members],
            window_weights=None if step.window_weights is None else step.window_weights[members],
        )
        output, weight, window_weights = name if spec.hard else self.output, weight[members], given.window_weights
        if spec.weighs_windows:
            own = function_of(name)(given)
            window_weights = own if window_weights is None else own * window_weights
        hard = hard_loss(spec_of(output).hard or "l1", given.y, step.windows, window_weights)
        loss = weight * hard + (1 - weight) * mean_per_member(function_of(output)(given), window_weights)
        if output == name or spec.weighs_windows or (spec.needs_states and len(step.states) < 2):
            return loss
        return loss + (1 - weight) * mean_per_member(function_of(name)(given), window_weights)


def fit(
    population: Population,
    train: Examples,
    val: Examples | None,
    loss: Loss,
    recipe: Recipe,
    *,
    quantizer: FakeQuantizer | None = None,
    each_epoch: Callable[[int], None] = lambda epoch: None,
    window_mask: Tensor | None = None,
) -> Tensor:
    """Train every member and leave it at its epoch of lowest validation error; returns those errors [P].

    Without `val` members stay as they are after the last epoch, and the errors are those on the training windows. The
    members share nothing but the order of the windows. window_mask [P, n]: 0 in windows that a member does not see.
    """
    quantizer = quantizer or FakeQuantizer.off(population.size)
    total = max(4, recipe.epochs * -(-len(train) // recipe.batch))  # the rate has a way up and a way down
    rates = torch.as_tensor(recipe.learning_rate, dtype=torch.float32).expand(population.size)
    muon = [recipe.muon] * population.size if isinstance(recipe.muon, bool) else recipe.muon
    optimizer = Optimizer(population, rates, total, weight_decay=recipe.weight_decay, clip=recipe.clip, muon=muon)
    order = torch.Generator().manual_seed(recipe.seed)

    def forward(relative: Tensor, level: Tensor) -> Tensor:
        outputs: Tensor = population(relative, level, quantizer)[0]
        return outputs

    best = torch.full((population.size,), torch.inf, device=train.relative.device)
    kept = optimizer.flat.clone()
    for epoch in range(recipe.epochs):
        for rows in torch.randperm(len(train), generator=order).to(train.relative.device).split(recipe.batch):
            batch = train[rows]
            y, states = population(batch.relative, batch.level, quantizer)
            progress = epoch / recipe.epochs
            seen = None if window_mask is None else window_mask[:, rows]
            step = TrainingStep(
                y=y,
                states=states,
                windows=batch,
                rows=rows,
                progress=progress,
                forward=forward,
                window_weights=seen,
            )
            optimizer.step(loss(step))
        if val is not None:
            now = evaluate(population, val, quantizer)
            kept[now < best] = optimizer.flat[now < best]
            best = torch.fmin(now, best)
        each_epoch(epoch + 1)
    if val is None:
        return evaluate(population, train, quantizer, window_mask).cpu()
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


def evaluate(
    population: Population, examples: Examples, quantizer: FakeQuantizer, window_weights: Tensor | None = None
) -> Tensor:
    """The loss of each member on measured targets, [P], in normalized units; weights of the windows [P, n]."""
    return hard_loss(examples.criterion, forecast(population, examples, quantizer), examples, window_weights)
