import pytest
import torch
from torch import Tensor

from edgekd.distill import losses
from edgekd.distill.train import Distillation, Examples, Recipe, clip_members, fit, forecast, supervised
from edgekd.models.kinds import build
from edgekd.models.population import Shape

SHAPE = Shape(patches=4, columns=1, outputs=3, rank=0)
RECIPE = Recipe(epochs=3, learning_rate=1e-2, batch=16, seed=0)


def examples(count: int = 48, seed: int = 0) -> Examples:
    g = torch.Generator().manual_seed(seed)
    rel, lvl = torch.randn(count, 4, 1, generator=g), torch.randn(count, 1, generator=g)
    target = rel[:, -3:, 0].cumsum(1) + lvl
    return Examples(rel=rel, lvl=lvl, target=target, mask=(torch.rand(count, 3, generator=g) > 0.2).float())


def test_losses_count_measured_points_only() -> None:
    y = torch.tensor([[[1.0, 5.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    target, mask = torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    torch.testing.assert_close(losses.masked_l1(y, target, mask), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(losses.masked_mse(y, target, mask), torch.tensor([5 / 3, 0.0]))


def test_cosine_ignores_length_and_is_two_at_most() -> None:
    soft = torch.tensor([[[1.0, 2.0, 2.0]]])
    y = torch.cat([3 * soft, -soft])
    torch.testing.assert_close(losses.output_cosine(y, soft.expand_as(y)), torch.tensor([0.0, 2.0]))


def test_memory_compares_relative_changes_of_the_state() -> None:
    states = [torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[3.0, 9.0]]]), torch.tensor([[[3.0, 4.0]]])]
    pairs = torch.tensor([[0, 1, 0], [1, 2, 2]])
    change = losses.relative_change(states, pairs)
    torch.testing.assert_close(change, torch.tensor([[[1.0, 5 / 90**0.5, 0.0]]]), rtol=1e-4, atol=1e-5)
    assert losses.memory(change, change).tolist() == [0.0]


@pytest.mark.parametrize("steps", [2, 3, 20])
def test_memory_pairs_go_forward_within_the_window(steps: int) -> None:
    pairs = losses.memory_pairs(steps, torch.Generator().manual_seed(0))
    assert (pairs[0] < pairs[1]).all()
    assert pairs.min() == 0
    assert pairs.max() == steps - 1


@pytest.mark.parametrize("name", losses.NAMES)
def test_distillation_moves_from_the_soft_to_the_measured_target(name: str) -> None:
    data = examples()
    soft = data.target[None] + 1
    y = data.target[None].clone()
    rows = torch.arange(len(data))
    loss = Distillation(name, soft)
    early, late = (loss(y, [y], data, rows, progress) for progress in (0.0, 1.0))
    assert late < early
    assert float(Distillation(name, data.target[None])(y, [y], data, rows, 0.5)) == pytest.approx(0.0, abs=1e-6)


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
    start = losses.masked_l1(forecast(population, val), val.target, val.mask)
    seen: list[int] = []
    recipe = Recipe(epochs=30, learning_rate=2e-2, batch=32, seed=0)
    best = fit(population, train, val, supervised, recipe, each_epoch=seen.append)
    assert seen == list(range(1, 31))
    assert float(best) < 0.3 * float(start)
    torch.testing.assert_close(losses.masked_l1(forecast(population, val), val.target, val.mask), best)


def test_each_member_is_clipped_by_itself() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2, 2))
    parameter.grad = torch.tensor([[30.0, 40.0], [0.3, 0.4]])
    clip_members([parameter], 1.0)
    torch.testing.assert_close(parameter.grad, torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
