"""Folds: no group on both sides, members that never see what they leave out, errors and intervals on all groups."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from edgekd.compress.recover import integer_grid, pruned_members, recover
from edgekd.contracts.candidate import Candidate
from edgekd.contracts.errors import ConfigError
from edgekd.distill.examples import Examples
from edgekd.distill.folds import fold_masks, out_of_fold, repeated
from edgekd.distill.trainer import Distillation, Recipe, fit, forecast, supervised
from edgekd.models.kinds import build
from edgekd.models.population import Population, Shape

SHAPE = Shape(patches=4, columns=1, outputs=3, rank=0)
RECIPE = Recipe(epochs=4, learning_rate=1e-2, batch=16, seed=0)
FOLDS = 3


def examples(count: int = 90, seed: int = 0) -> tuple[Examples, Tensor]:
    """Windows of nine groups; targets differ from group to group."""
    g = torch.Generator().manual_seed(seed)
    relative, level = torch.randn(count, 4, 1, generator=g), torch.randn(count, 1, generator=g)
    groups = torch.arange(count) * 9 // count
    target = relative[:, -3:, 0].cumsum(1) + level + 0.1 * groups.unsqueeze(1)
    return Examples(relative=relative, level=level, target=target, mask=torch.ones(count, 3)), groups


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(1, 6), st.integers(0, 3))
def test_each_group_is_left_out_once_and_folds_are_alike(groups: list[int], folds: int, seed: int) -> None:
    of = torch.tensor(groups)
    if len(set(groups)) < folds:
        with pytest.raises(ConfigError, match=f"{folds} folds need as many"):
            fold_masks(of, folds, seed)
        return
    masks = fold_masks(of, folds, seed)
    assert masks.shape == (folds, len(groups))
    assert ((masks == 0).sum(0) == 1).all()
    for group in set(groups):
        assert torch.equal(masks[:, of == group], masks[:, of == group][:, :1].expand(-1, groups.count(group)))
    sizes = (masks == 0).sum(1)
    assert sizes.max() - sizes.min() <= max(groups.count(group) for group in set(groups))


@pytest.mark.parametrize("distilled", [False, True])
def test_a_member_does_not_depend_on_what_it_leaves_out(distilled: bool) -> None:
    data, groups = examples()
    masks = fold_masks(groups, FOLDS, 0)
    spoilt = replace(data, target=torch.where(masks[0].bool().unsqueeze(1), data.target, 1e3))
    candidate = Candidate(kind="gru", hidden=4, weight_bits=8, activation_bits=8, sparsity=0.5)

    def trained(windows: Examples) -> tuple[Population, Tensor, dict[str, tuple[Tensor, Tensor]]]:
        population = build("gru", [4] * FOLDS, [0] * FOLDS, SHAPE)
        loss = Distillation("output_l1", windows.target[None]) if distilled else supervised
        fit(population, windows, None, loss, RECIPE, window_mask=masks)
        pruned = pruned_members(population, range(FOLDS), [candidate] * FOLDS, windows, 16, masks)
        quantizer, errors = recover(pruned, [candidate] * FOLDS, windows, None, loss, RECIPE, window_mask=masks)
        return pruned, errors, quantizer.ranges

    (one, errors, ranges), (other, changed, their_ranges) = trained(data), trained(spoilt)
    assert torch.equal(forecast(one, data)[0], forecast(other, data)[0])
    assert not torch.equal(forecast(one, data)[1], forecast(other, data)[1])
    assert errors[0] == changed[0]
    assert all(torch.equal(low[0], their_ranges[name][0][0]) for name, (low, _) in ranges.items())


def test_ranges_are_those_of_the_windows_that_a_member_sees() -> None:
    data, groups = examples()
    masks = fold_masks(groups, FOLDS, 0)
    candidate = Candidate(kind="mlp", hidden=4, weight_bits=8, activation_bits=8, sparsity=0.0)
    population = build("mlp", [4] * FOLDS, range(FOLDS), SHAPE)
    found = integer_grid(population, [candidate] * FOLDS, data, masks).ranges
    for fold in range(FOLDS):
        seen = data[torch.nonzero(masks[fold]).flatten()]
        wanted = integer_grid(population, [candidate] * FOLDS, seen).ranges
        assert all(torch.equal(found[name][0][fold], low[fold]) for name, (low, _) in wanted.items())


def test_out_of_fold_errors_are_those_of_the_members_that_have_not_seen_a_window() -> None:
    data, groups = examples()
    masks = fold_masks(groups, FOLDS, 0)
    population = build("mlp", repeated([4, 9], FOLDS), repeated([1, 2], FOLDS), SHAPE)
    fit(population, data, None, supervised, RECIPE, window_mask=masks.repeat(2, 1))
    found = out_of_fold(population, data, masks, groups)
    y = forecast(population, data)
    for candidate in range(2):
        for window in (0, 40, 89):
            member = candidate * FOLDS + int((masks[:, window] == 0).nonzero())
            assert torch.equal(found.outputs[candidate, window], y[member, window])
    wanted = (found.outputs - data.target).abs().mean((1, 2))
    torch.testing.assert_close(found.error, wanted)
    assert (found.low < found.error).all()
    assert (found.error < found.high).all()
    torch.testing.assert_close(found.by_group.sum(1) / found.counts.sum(), wanted)


def test_candidates_that_groups_cannot_tell_apart_are_as_good() -> None:
    data, groups = examples()
    masks = fold_masks(groups, FOLDS, 0)
    population = build("mlp", [4] * 3 * FOLDS, repeated([1, 1, 2], FOLDS), SHAPE)
    with torch.no_grad():
        population.out_bias[2 * FOLDS :] += 5  # far behind in every group
    found = out_of_fold(population, data, masks, groups)
    assert found.as_good_as(0).tolist() == [True, True, False]


def test_no_mask_and_a_mask_of_ones_train_alike() -> None:
    data, _ = examples()
    populations = [build("gru", [4], [0], SHAPE) for _ in range(2)]
    errors = [
        fit(population, data, data, supervised, RECIPE, window_mask=mask)
        for population, mask in zip(populations, (None, torch.ones(1, len(data))), strict=True)
    ]
    torch.testing.assert_close(errors[0], errors[1], rtol=1e-4, atol=1e-5)
