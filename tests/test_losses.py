"""Losses that look at more than outputs: what each must hold, whatever the numbers."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from edgekd.contracts.declarations import distillation_losses
from edgekd.contracts.errors import ConfigError
from edgekd.distill import losses
from edgekd.distill.examples import Examples
from edgekd.distill.losses import influence, prototype, saliency, subspace
from edgekd.distill.losses.loss_step import LossStep, TeacherView
from edgekd.distill.losses.negative import negative
from edgekd.distill.trainer import Distillation, Recipe, evaluate, fit, forecast, supervised
from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.kinds import build
from edgekd.models.population import Population, Shape

TEACHER_PATCHES, PATCHES, SAMPLES = 6, 4, 24


def windows(count: int, patches: int, *, classes: bool = False, seed: int = 0) -> Examples:
    """The same windows in patches of another length: means of the samples."""
    g = torch.Generator().manual_seed(seed)
    raw = torch.randn(count, SAMPLES, 1, generator=g).cumsum(1) / 5
    relative = raw.view(count, patches, -1).mean(2, keepdim=True)
    target = raw[:, -3:, 0]
    if classes:
        target = torch.nn.functional.one_hot(
            torch.bucketize(raw[:, -1, 0].contiguous(), torch.tensor([-0.4, 0.4])), 3
        ).float()
    return Examples(
        relative=relative,
        level=raw[:, -1],
        target=target,
        mask=torch.ones_like(target),
        criterion="cross_entropy" if classes else "l1",
    )


def view_of(*, classes: bool = False, members: int = 2, count: int = 96) -> TeacherView:
    """A small trained teacher with patches of its own."""
    theirs, own = (windows(count, patches, classes=classes) for patches in (TEACHER_PATCHES, PATCHES))
    teacher = build("gru", [5] * members, range(members), Shape(patches=TEACHER_PATCHES, columns=1, outputs=3, rank=0))
    fit(teacher, theirs, theirs, supervised, Recipe(epochs=4, learning_rate=2e-2, batch=32, seed=0))
    soft = forecast(teacher, theirs).mean(0, keepdim=True)
    return TeacherView(teacher=teacher, teacher_windows=theirs, windows=own, soft=soft, samples=SAMPLES, seed=0)


def step_of(y: Tensor, state: Tensor, data: Examples, prepared: object, **more: object) -> LossStep:
    given = {
        "y": y, "soft": y, "states": [state], "windows": data, "rows": torch.arange(len(data)), "progress": 0.0,
        "forward": lambda relative, level: y, "prepared": prepared,
    }  # fmt: skip
    return LossStep(**(given | more))  # type: ignore[arg-type]


# ---- saliency --------------------------------------------------------------------------------------------------------


def test_a_span_that_is_not_read_has_no_response() -> None:
    data = windows(40, PATCHES)
    spans = saliency.span_steps(SAMPLES, SAMPLES // PATCHES, 6)
    assert spans.sum(0).tolist() == [1] * PATCHES
    donors = saliency._donors(40, 0)
    assert (donors != torch.arange(40)).all()
    assert sorted(donors.tolist()) == list(range(40))
    found = saliency.responses(lambda relative, level: relative[None, :, 2], data, donors, spans)[0]
    assert (found[:, [0, 1, 3]] == 0).all()
    assert (found[:, 2] > 0).all()


def test_saliency_asks_for_the_shape_of_the_responses_and_not_for_their_size() -> None:
    view = view_of()
    given = saliency.prepare(view)
    assert given.teacher.shape == (96, len(given.spans))
    data = view.windows

    def student(factor: float, weights: Tensor) -> Tensor:
        def forward(relative: Tensor, level: Tensor) -> Tensor:
            return factor * (relative[..., 0] @ weights)[None, :, None]

        y = forward(data.relative, data.level)
        return saliency.saliency(step_of(y, y, data, given, forward=forward))

    one, other = torch.tensor([0.0, 0.2, 0.5, 1.0]), torch.tensor([1.0, 0.5, 0.2, 0.0])
    torch.testing.assert_close(student(1.0, one), student(7.0, one), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(student(1.0, one), student(1.0, other))


def test_saliency_is_zero_for_the_teacher_itself() -> None:
    view = view_of(members=1)
    view = replace(view, windows=view.teacher_windows)

    def forward(relative: Tensor, level: Tensor) -> Tensor:
        y: Tensor = view.teacher(relative, level, FakeQuantizer.off(1))[0]
        return y

    y = forward(view.windows.relative, view.windows.level).detach()
    found = saliency.saliency(step_of(y, y, view.windows, saliency.prepare(view), forward=forward))
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-6, rtol=0)


def test_fidelity_is_the_correlation_of_ranks() -> None:
    values = torch.rand(20, 7, generator=torch.Generator().manual_seed(0))
    assert float(saliency.fidelity(values, values.exp())) == pytest.approx(1)
    assert float(saliency.fidelity(values, -values)) == pytest.approx(-1)


# ---- subspace --------------------------------------------------------------------------------------------------------


def test_directions_that_do_not_vary_or_do_not_matter_come_last() -> None:
    g = torch.Generator().manual_seed(0)
    states, gradients = torch.randn(200, 4, generator=g), torch.randn(200, 4, generator=g)
    states[:, 3] *= 1e-3
    gradients[:, 3] *= 1e-3
    found = subspace.directions(states - states.mean(0), gradients - gradients.mean(0))
    torch.testing.assert_close(found.T @ found, torch.eye(found.shape[1]), atol=1e-5, rtol=0)
    assert found[3].abs().max() < 0.05


def test_a_turned_copy_of_the_teachers_states_has_no_loss() -> None:
    view = view_of()
    given = subspace.prepare(view)
    size = given.states.shape[1]
    turn = torch.linalg.qr(torch.randn(size + 2, size + 2, generator=torch.Generator().manual_seed(0)))[0][:, :size]
    state = (given.states @ turn.T)[None] + 3
    found = subspace.subspace(step_of(state, state, view.windows, given))
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-4, rtol=0)
    noise = torch.randn(state.shape, generator=torch.Generator().manual_seed(1))
    assert subspace.subspace(step_of(state, noise, view.windows, given)).mean() > 0.1


# ---- prototype -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [False, True])
def test_prototypes_ask_for_distances_between_groups_alone(classes: bool) -> None:
    view = view_of(classes=classes, members=1)
    given = prototype.prepare(view)
    with torch.no_grad():
        state = view.teacher(view.teacher_windows.relative, view.teacher_windows.level, FakeQuantizer.off(1))[1][-1]
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0)))[0]
    y = torch.zeros(1, len(view.windows), 3)
    near = prototype.prototype(step_of(y, state, view.windows, given))
    turned = prototype.prototype(step_of(y, 4 * state @ turn + 1, view.windows, given))
    torch.testing.assert_close(near, turned, rtol=1e-3, atol=1e-4)
    mixed = state[:, torch.randperm(len(view.windows), generator=torch.Generator().manual_seed(0))]
    assert near.mean() < 0.7 * prototype.prototype(step_of(y, mixed, view.windows, given)).mean()


def test_prototypes_of_a_batch_without_some_groups_are_finite() -> None:
    view = view_of()
    given = prototype.prepare(view)
    rows = torch.nonzero(given.groups < 2).flatten()
    state = torch.randn(2, len(rows), 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = prototype.prototype(step_of(state, state, view.windows[rows], given, rows=rows))
    assert torch.isfinite(found).all()
    assert torch.isfinite(torch.autograd.grad(found.sum(), state)[0]).all()


# ---- negative --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_negative_is_its_formula(temperature: float) -> None:
    data = windows(6, PATCHES, classes=True)
    g = torch.Generator().manual_seed(0)
    y, soft = torch.randn(2, 6, 3, generator=g), torch.randn(2, 6, 3, generator=g)
    found = negative(step_of(y, y, data, None, soft=soft, temperature=temperature))
    for member in range(2):
        for window in range(6):
            right = int(data.target[window].argmax())
            wrong = [c for c in range(3) if c != right]
            student, teacher = torch.softmax(y[member, window], 0), torch.softmax(soft[member, window], 0)
            soft_student = torch.softmax(y[member, window][wrong] / temperature, 0)
            soft_teacher = torch.softmax(soft[member, window][wrong] / temperature, 0)
            wanted = -teacher[right] * student[right].log()
            wanted = wanted - 1.5 * temperature**2 * (soft_teacher * soft_student.log()).sum()
            assert float(found[member, window]) == pytest.approx(float(wanted), rel=1e-4)


def test_negative_refuses_two_classes() -> None:
    view = view_of(classes=True)
    losses.prepare("negative", view)
    with pytest.raises(ConfigError, match="of which 2 classes have one"):
        losses.prepare("negative", replace(view, soft=view.soft[..., :2]))


# ---- influence -------------------------------------------------------------------------------------------------------


def test_a_hop_is_the_product_with_the_normalized_adjacency() -> None:
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    pairs = influence.nearest(x)
    adjacency = torch.eye(30)
    adjacency[pairs[0], pairs[1]] = 1
    assert torch.equal(adjacency, adjacency.T)
    assert (adjacency.sum(1) >= influence.NEIGHBORS + 1).all()
    root = adjacency.sum(1).rsqrt()
    torch.testing.assert_close(influence.hop(x, pairs), root[:, None] * adjacency * root @ x)


def test_windows_of_the_crowd_weigh_more_than_the_odd_one() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.cat([torch.randn(60, 5, generator=g) * 0.1 + 1, -torch.ones(1, 5)])
    found = influence.influences(x)
    assert found.argmin() == 60
    assert (found.min(), found.max()) == (0, 1)


# ---- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name, loss in distillation_losses().items() if loss.hard is None or name == "negative"]
)
@pytest.mark.parametrize("kind", ["cfc", "tcn"])
def test_every_loss_trains_members_that_do_not_disturb_each_other(name: str, kind: str) -> None:
    classes = "forecast" not in distillation_losses()[name].tasks
    view = view_of(classes=classes)
    output = "soft_labels" if classes else "output_l1"
    shape = Shape(patches=PATCHES, columns=1, outputs=3, rank=0)
    prepared = {name: losses.prepare(name, view)}
    recipe = Recipe(epochs=3, learning_rate=1e-2, batch=32, seed=0)

    def trained(members: list[int]) -> Population:
        population = build(kind, [(6, 3)[m] for m in members], members, shape)
        loss = Distillation([(name, output)[m] for m in members], view.soft, prepared, output=output)
        before = evaluate(population, view.windows, FakeQuantizer.off(len(members)))
        assert (fit(population, view.windows, view.windows, loss, recipe) < before).all()
        return population

    together, alone = trained([0, 1]), trained([0])
    torch.testing.assert_close(
        forecast(together, view.windows)[0], forecast(alone, view.windows)[0], rtol=1e-2, atol=1e-3
    )
