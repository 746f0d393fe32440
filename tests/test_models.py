from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgekd.contracts.declarations import model_kinds
from edgekd.models.dlnet import Dlnet
from edgekd.models.fake_quant import FakeQuantizer, activation_grid
from edgekd.models.kinds import KINDS, build, load, save, select
from edgekd.models.population import Population, Shape

SHAPE = Shape(patches=6, columns=2, outputs=5, rank=3)
KIND = pytest.mark.parametrize("kind", sorted(KINDS))


def windows(count: int = 7, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, 2, generator=generator), torch.randn(count, 2, generator=generator)


def run(population: Population, quantizer: FakeQuantizer | None = None) -> Tensor:
    with torch.no_grad():
        y: Tensor = population(*windows(), quantizer or FakeQuantizer.off(population.size))[0]
    return y


@KIND
@pytest.mark.parametrize("rank", [0, 3])
def test_a_member_computes_the_same_alone_and_in_a_batch(kind: str, rank: int) -> None:
    shape = Shape(patches=6, columns=2, outputs=5, rank=rank)
    together = run(build(kind, [3, 8, 5], [1, 2, 3], shape))
    for member, (width, seed) in enumerate(((3, 1), (8, 2), (5, 3))):
        alone = run(build(kind, [width], [seed], shape))
        torch.testing.assert_close(together[member], alone[0], rtol=1e-5, atol=1e-6)


@KIND
def test_equal_seeds_give_equal_bits(kind: str) -> None:
    one, other = build(kind, [4], [9], SHAPE), build(kind, [4], [9], SHAPE)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(run(one), run(build(kind, [4], [10], SHAPE)))


@KIND
def test_extracted_matrices_hold_live_units_only_and_compute_the_same(kind: str) -> None:
    population = build(kind, [4, 6], [0, 1], SHAPE)
    population.unit_mask[1] = torch.tensor([1.0, 0, 1, 0, 0, 1])
    params = population.extract(1)
    assert params["down_weight"].shape == (3, 3)
    small = build(kind, [3], [0], SHAPE)
    small.load_state_dict({name: value[None] for name, value in params.items()} | {"unit_mask": small.unit_mask})
    torch.testing.assert_close(run(small)[0], run(population)[1], rtol=1e-5, atol=1e-6)


@KIND
def test_pruning_every_unit_changes_the_forecast(kind: str) -> None:
    population = build(kind, [4], [0], SHAPE)
    before = run(population)
    population.unit_mask.zero_()
    after = run(population)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after[0], after[0, :1].expand_as(after[0]))  # no unit left: the same for every window


@KIND
def test_saved_and_selected_members_are_the_same(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    population = build(kind, [3, 8, 5], [1, 2, 3], SHAPE)
    save(population, path)
    assert torch.equal(run(load(build(kind, [3, 8, 5], [7, 7, 7], SHAPE), path)), run(population))
    chosen = select(population, [2, 0, 2])
    assert chosen.widths == (5, 3, 5)
    assert chosen.unit_mask.shape == (3, 5)
    torch.testing.assert_close(run(chosen), run(population)[[2, 0, 2]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["liquid", "gru", "cfc"])
def test_without_feedback_the_gates_do_not_see_the_state(kind: str) -> None:
    shape = Shape(patches=6, columns=2, outputs=5, rank=3, feedback=False)
    population = build(kind, [4], [0], shape)
    plain = run(population)
    with torch.no_grad():
        for name, value in population.named_parameters():
            if population.axes(name) == (0, 1):
                value[..., population.features :] = 100.0
    assert torch.equal(run(population), plain)


@pytest.mark.parametrize("kind", ["liquid", "cfc"])
def test_liquid_states_are_bounded_whatever_the_weights(kind: str) -> None:
    population = build(kind, [8], [0], replace(SHAPE, euler_steps=2 if model_kinds()[kind].euler_steps else 1))
    with torch.no_grad():
        for value in population.parameters():
            value.copy_(10 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
        relative, level = windows()
        states = population(100 * relative, level, FakeQuantizer.off())[1]
    assert max(float(h.abs().max()) for h in states) > 0.9
    assert all((h.abs() <= 1 + 1e-6).all() for h in states)


@pytest.mark.parametrize("euler_steps", [1, 3])
def test_the_liquid_step_is_the_euler_step_of_its_equation(euler_steps: int) -> None:
    """dx/dt = limit * rate * (target - x), steps of 1 / euler_steps."""
    population = build("liquid", [4], [0], replace(SHAPE, euler_steps=euler_steps))
    p = {name: value[0] for name, value in population.named_parameters()}
    relative, level = windows()
    with torch.no_grad():
        h = torch.zeros(len(relative), 4)
        for n in range(6):
            for _ in range(euler_steps):
                z = torch.cat([relative[:, n], level, h], 1)
                rate = torch.sigmoid(z @ p["rate_weight"].T + p["rate_bias"])
                target = torch.tanh(z @ p["target_weight"].T + p["target_bias"])
                h = h + torch.sigmoid(p["limit"]) * rate * (target - h) / euler_steps
        states = population(relative, level, FakeQuantizer.off())[1]
    torch.testing.assert_close(states[-1][0], h)


def test_the_closed_form_cell_is_the_published_one() -> None:
    """Hasani et al. 2022: (1 - t) * tanh(Wf z) + t * tanh(Ws z)."""
    population = build("cfc", [4], [0], SHAPE)
    p = {name: value[0] for name, value in population.named_parameters()}
    relative, level = windows()
    with torch.no_grad():
        h = torch.zeros(len(relative), 4)
        for n in range(6):
            z = torch.cat([relative[:, n], level, h], 1)
            fast, slow = (torch.tanh(z @ p[f"{gate}_weight"].T + p[f"{gate}_bias"]) for gate in ("fast", "slow"))
            time = torch.sigmoid(z @ p["time_weight"].T + p["time_bias"])
            h = (1 - time) * fast + time * slow
        states = population(relative, level, FakeQuantizer.off())[1]
    torch.testing.assert_close(states[-1][0], h)


@pytest.mark.parametrize("kind", ["liquid", "cfc"])
def test_time_constants_are_spread_over_the_window_at_the_start(kind: str) -> None:
    population = build(kind, [512], [0], replace(SHAPE, patches=50))
    if kind == "cfc":
        tau = 1 + torch.exp(population.time_bias.detach()[0])
    else:
        tau = 1 / torch.sigmoid(population.limit.detach()[0])
    assert 1 < tau.min() < 1.2
    assert 45 < tau.max() <= 50.01
    thirds = torch.histc(torch.log(tau), 3, 0, float(torch.log(torch.tensor(50.0))))
    assert thirds.min() > 512 / 3 * 0.75


def test_the_gru_is_the_published_cell() -> None:
    """Against torch.nn.functional's building blocks, with the reset gate before the matrix product."""
    population = build("gru", [4], [0], SHAPE)
    p = {name: value[0] for name, value in population.named_parameters()}
    relative, level = windows()
    with torch.no_grad():
        h = torch.zeros(len(relative), 4)
        for n in range(6):
            x = torch.cat([relative[:, n], level], 1)
            z = torch.sigmoid(torch.nn.functional.linear(torch.cat([x, h], 1), p["update_weight"], p["update_bias"]))
            r = torch.sigmoid(torch.nn.functional.linear(torch.cat([x, h], 1), p["reset_weight"], p["reset_bias"]))
            new = torch.tanh(torch.nn.functional.linear(torch.cat([x, r * h], 1), p["new_weight"], p["new_bias"]))
            h = (1 - z) * new + z * h
        states = population(relative, level, FakeQuantizer.off())[1]
    torch.testing.assert_close(states[-1][0], h)


@pytest.mark.parametrize(("student", "width", "params"), [(False, 128, 155_749), (True, 4, None)])
def test_dlnet_has_the_published_size(student: bool, width: int, params: int | None) -> None:
    population = Dlnet([width], [0], Shape(patches=100, columns=1, outputs=100, rank=0), student=student)
    level_input = 256  # DLNet has no level: one more input of its first layer
    count = sum(value.numel() for value in population.parameters())
    assert params is None or count == params + level_input
    y, _ = population(torch.randn(3, 100, 1), torch.randn(3, 1), FakeQuantizer.off())
    assert y.shape == (1, 3, 100)


def test_grids_are_those_of_tflite() -> None:
    bits = torch.tensor([8, 16, 8])
    grid = activation_grid(torch.tensor([-1.0, -1.0, 0.5]), torch.tensor([3.0, 3.0, 2.0]), bits)
    torch.testing.assert_close(grid.scale, torch.tensor([4 / 255, 3 / 32767, 2 / 255]))
    zero_points = torch.tensor([-128.0, -32768.0, -128.0]) - grid.low
    assert zero_points.tolist() == [-64, 0, -128]  # 0.5..2 is widened to hold zero


@KIND
def test_fake_quantization_rounds_and_keeps_the_gradient(kind: str) -> None:
    population = build(kind, [4, 4], [0, 0], SHAPE)
    quantizer = FakeQuantizer(torch.tensor([8, 8]), torch.tensor([8, 16]))
    quantizer.observe()
    plain = run(population, quantizer)
    quantizer.freeze()
    y, _ = population(*windows(), quantizer)
    coarse, fine = (y.detach() - plain).abs().amax((1, 2))
    assert 0 < fine < coarse
    y.square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in population.parameters())
    steps = y.detach()[0] / quantizer._grid("head.y").scale[0]
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
