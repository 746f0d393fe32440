from dataclasses import replace

import pytest
import torch
from torch import Tensor

from edgekd.contracts.declarations import distillation_losses
from edgekd.distill.examples import Examples
from edgekd.distill.losses.loss_step import LossStep, TrainingStep, hard_loss, masked_l1, masked_mse
from edgekd.distill.losses.memkd import Changes, memkd, relative_change, step_pairs
from edgekd.distill.losses.output_cosine import output_cosine
from edgekd.distill.losses.soft_labels import soft_labels
from edgekd.distill.optim import Optimizer, clipped, hidden_matrices, orthogonalized
from edgekd.distill.trainer import Distillation, Recipe, fit, forecast, supervised
from edgekd.models.kinds import KINDS, build
from edgekd.models.population import Shape

SHAPE = Shape(patches=4, columns=1, outputs=3, rank=0)
FORECASTING = [  # what is prepared with a teacher is tested in test_losses.py
    name
    for name, loss in distillation_losses().items()
    if "forecast" in loss.tasks and (loss.hard or loss.needs_states)
]
RECIPE = Recipe(epochs=3, learning_rate=1e-2, batch=16, seed=0)


def examples(count: int = 48, seed: int = 0) -> Examples:
    g = torch.Generator().manual_seed(seed)
    relative, level = torch.randn(count, 4, 1, generator=g), torch.randn(count, 1, generator=g)
    target = relative[:, -3:, 0].cumsum(1) + level
    return Examples(
        relative=relative, level=level, target=target, mask=(torch.rand(count, 3, generator=g) > 0.2).float()
    )


def training_step(y: Tensor, data: Examples, rows: Tensor, progress: float) -> TrainingStep:
    return TrainingStep(y=y, states=[y], windows=data, rows=rows, progress=progress, forward=lambda *features: y)


def loss_step(y: Tensor, soft: Tensor) -> LossStep:
    """A step for a loss that looks at outputs and soft targets alone."""
    empty = torch.zeros(y.shape[1], 0)
    windows = Examples(relative=empty, level=empty, target=empty, mask=empty)
    rows = torch.arange(y.shape[1])
    return LossStep(y=y, soft=soft, states=[], windows=windows, rows=rows, progress=0.0, forward=lambda *features: y)


def test_losses_count_measured_points_only() -> None:
    y = torch.tensor([[[1.0, 5.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    target, mask = torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    torch.testing.assert_close(masked_l1(y, target, mask), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(masked_mse(y, target, mask), torch.tensor([5 / 3, 0.0]))


def test_cosine_ignores_length_and_is_two_at_most() -> None:
    soft = torch.tensor([[[1.0, 2.0, 2.0]]])
    y = torch.cat([3 * soft, -soft])
    found = output_cosine(loss_step(y, soft.expand_as(y))).mean(1)
    torch.testing.assert_close(found, torch.tensor([0.0, 2.0]))


def test_memkd_compares_relative_changes_of_the_state() -> None:
    states = [torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[3.0, 9.0]]]), torch.tensor([[[3.0, 4.0]]])]
    pairs = torch.tensor([[0, 1, 0], [1, 2, 2]])
    change = relative_change(states, pairs)
    torch.testing.assert_close(change, torch.tensor([[[1.0, 5 / 90**0.5, 0.0]]]), rtol=1e-4, atol=1e-5)
    step = replace(loss_step(states[0], states[0]), states=states, prepared=Changes(change, pairs))
    assert memkd(step).tolist() == [[[0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("steps", [2, 3, 20])
def test_memkd_pairs_go_forward_within_the_window(steps: int) -> None:
    pairs = step_pairs(steps, torch.Generator().manual_seed(0))
    assert (pairs[0] < pairs[1]).all()
    assert pairs.min() == 0
    assert pairs.max() == steps - 1


@pytest.mark.parametrize("name", FORECASTING)
def test_distillation_moves_from_the_soft_to_the_measured_target(name: str) -> None:
    data = examples()
    soft = data.target[None] + 1
    y = data.target[None].clone()
    rows = torch.arange(len(data))
    loss = Distillation(name, soft)
    early, late = (loss(training_step(y, data, rows, progress)) for progress in (0.0, 1.0))
    assert late < early
    step = training_step(y, data, rows, 0.5)
    assert float(Distillation(name, data.target[None])(step)) == pytest.approx(0.0, abs=1e-6)


def test_an_error_above_a_bound_does_not_count() -> None:
    empty, target = torch.zeros(3, 0), torch.tensor([[10.0], [10.0], [10.0]])
    bound, mask = torch.tensor([[1.0], [1.0], [0.0]]), torch.ones(3, 1)
    windows = Examples(relative=empty, level=empty, target=target, mask=mask, bound=bound)
    y = torch.tensor([[[12.0], [7.0], [12.0]]], requires_grad=True)
    error = hard_loss("l1", y, windows)
    (grad,) = torch.autograd.grad(error.sum(), y)
    assert float(error.detach()) == pytest.approx(5 / 3)
    assert grad.sign().flatten().tolist() == [0, -1, 1]


def labelled(count: int = 96, classes: int = 3, seed: int = 0) -> Examples:
    """Windows whose class is the patch, of three, that is highest."""
    g = torch.Generator().manual_seed(seed)
    relative, level = torch.randn(count, 4, 1, generator=g), torch.zeros(count, 1)
    target = torch.nn.functional.one_hot(relative[:, :classes, 0].argmax(1), classes).float()
    return Examples(relative=relative, level=level, target=target, mask=torch.ones(count, 1), criterion="cross_entropy")


def test_cross_entropy_is_torchs() -> None:
    data = labelled(20)
    y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(1))
    wanted = [torch.nn.functional.cross_entropy(own, data.target.argmax(1)) for own in y]
    torch.testing.assert_close(hard_loss("cross_entropy", y, data), torch.stack(wanted))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_soft_labels_are_the_divergence_of_softened_classes(temperature: float) -> None:
    g = torch.Generator().manual_seed(0)
    y, soft = torch.randn(2, 5, 4, generator=g), torch.randn(2, 5, 4, generator=g)
    given = replace(loss_step(y, soft), temperature=temperature)
    student, teacher = (torch.softmax(value / temperature, 2) for value in (y, soft))
    wanted = temperature**2 * (teacher * (teacher / student).log()).sum(2)
    torch.testing.assert_close(soft_labels(given), wanted)
    torch.testing.assert_close(soft_labels(replace(given, y=soft + 3)), torch.zeros(2, 5), atol=1e-5, rtol=0)


def test_students_learn_classes_from_a_teacher() -> None:
    train, val = labelled(256), labelled(128, seed=1)
    teacher = 4 * train.target[None] + torch.randn(1, 256, 3, generator=torch.Generator().manual_seed(2))
    population = build("mlp", [16], [0], SHAPE)
    recipe = Recipe(epochs=30, learning_rate=2e-2, batch=32, seed=0)
    fit(population, train, val, Distillation("soft_labels", teacher, output="soft_labels"), recipe)
    right = forecast(population, val).argmax(2)[0] == val.target.argmax(1)
    assert right.float().mean() > 0.85


def test_training_alone_and_in_a_batch_gives_the_same_student() -> None:
    train, val = examples(), examples(24, seed=1)
    together = build("liquid", [3, 6], [0, 1], SHAPE)
    fit(together, train, val, supervised, RECIPE)
    for member, (width, seed) in enumerate(((3, 0), (6, 1))):
        alone = build("liquid", [width], [seed], SHAPE)
        fit(alone, train, val, supervised, RECIPE)
        torch.testing.assert_close(forecast(together, val)[member], forecast(alone, val)[0], rtol=1e-3, atol=1e-4)


def test_two_runs_are_equal_to_the_last_bit() -> None:
    def once() -> Tensor:
        population = build("gru", [4], [0], SHAPE)
        fit(population, examples(), examples(24, seed=1), supervised, RECIPE)
        return forecast(population, examples())

    assert torch.equal(once(), once())


def test_training_learns_and_keeps_the_best_epoch() -> None:
    train, val = examples(256), examples(64, seed=1)
    population = build("mlp", [16], [0], SHAPE)
    start = masked_l1(forecast(population, val), val.target, val.mask)
    seen: list[int] = []
    recipe = Recipe(epochs=30, learning_rate=2e-2, batch=32, seed=0)
    best = fit(population, train, val, supervised, recipe, each_epoch=seen.append)
    assert seen == list(range(1, 31))
    assert float(best) < 0.3 * float(start)
    torch.testing.assert_close(masked_l1(forecast(population, val), val.target, val.mask), best)


def test_each_member_is_clipped_by_itself() -> None:
    grad = torch.tensor([[30.0, 40.0], [0.3, 0.4]])
    torch.testing.assert_close(clipped(grad, 1.0), torch.tensor([[0.6, 0.8], [0.3, 0.4]]))


def test_the_optimizer_is_torchs_adamw_with_its_one_cycle_rate() -> None:
    """Five parameters of a member, 20 steps of a given gradient, against torch.optim."""
    population = build("mlp", [4], [0], SHAPE)
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in population.parameters()]
    adam = torch.optim.AdamW(theirs, lr=0.02, weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 0.02, total_steps=20, pct_start=0.1)
    ours = Optimizer(population, torch.tensor([0.02]), 20, weight_decay=1e-2, clip=1e9, muon=[False])
    for _ in range(20):
        adam.zero_grad()
        torch.stack([(p - 0.3).square().sum() for p in theirs]).sum().backward()
        adam.step()
        rate.step()
        ours.step(torch.stack([(p - 0.3).square().flatten(1).sum(1) for p in population.parameters()]).sum(0))
    for one, other in zip(population.parameters(), theirs, strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(6, 4), (4, 6)])
def test_newton_schulz_makes_singular_values_about_one(rows: int, columns: int) -> None:
    matrix = torch.randn(3, rows, columns, generator=torch.Generator().manual_seed(0))
    matrix[2, 3:] = 0  # a padded member: the rows it has, alone
    found = orthogonalized(matrix)
    values = torch.linalg.svdvals(found[0]) / max(1, rows / columns) ** 0.5
    assert 0.6 < values.min() < values.max() < 1.3
    torch.testing.assert_close(found[2, :3], orthogonalized(matrix[2:, :3])[0], rtol=1e-4, atol=1e-5)


def test_muon_moves_hidden_matrices_and_leaves_heads_to_adamw() -> None:
    population = build("gru", [4], [0], Shape(patches=4, columns=1, outputs=3, rank=2))
    names = [name for name, _ in population.named_parameters()]
    sizes = [p[0].numel() for p in population.parameters()]
    starts = {name: sum(sizes[:i]) for i, name in enumerate(names)}
    assert [one.start for one in hidden_matrices(population)] == [
        starts[name] for name in names if name in ("update_weight", "reset_weight", "new_weight")
    ]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_members_with_options_of_their_own_train_as_they_would_alone(kind: str) -> None:
    """Rates, losses, weights of the target, optimizers, ranks and widths differ in one batch."""
    train, val = examples(), examples(24, seed=1)
    shape = Shape(patches=4, columns=1, outputs=3, rank=3)
    widths, ranks, rates, muon = [3, 6, 5], [3, 1, 2], [1e-2, 3e-2, 1e-3], [True, False, True]
    names, weights = ["output_l1", "output_cosine", "memkd"], torch.tensor([float("nan"), 0.4, 0.9])
    soft = train.target[None] + 0.1
    pairs = step_pairs(4, torch.Generator().manual_seed(0))
    changes = torch.rand(1, len(train), pairs.shape[1], generator=torch.Generator().manual_seed(0))

    def trained(members: list[int]) -> Tensor:
        population = build(kind, [widths[m] for m in members], members, shape, ranks=[ranks[m] for m in members])
        recipe = replace(RECIPE, learning_rate=[rates[m] for m in members], muon=[muon[m] for m in members])
        prepared = {"memkd": Changes(changes, pairs)}
        loss = Distillation([names[m] for m in members], soft, prepared, weights[members])
        fit(population, train, val, loss, recipe)
        return forecast(population, val)

    together = trained([0, 1, 2])
    for member in range(3):
        torch.testing.assert_close(together[member], trained([member])[0], rtol=1e-3, atol=1e-4)


def test_a_member_that_diverges_harms_no_other() -> None:
    train, val = examples(), examples(24, seed=1)
    together = build("mlp", [4, 4], [0, 1], SHAPE)
    best = fit(together, train, val, supervised, replace(RECIPE, learning_rate=[1e-2, 1e30]))
    alone = build("mlp", [4], [0], SHAPE)
    fit(alone, train, val, supervised, RECIPE)
    torch.testing.assert_close(forecast(together, val)[0], forecast(alone, val)[0], rtol=1e-3, atol=1e-4)
    assert torch.isfinite(best[0])
