import pytest
import torch

from edgekd.compress.prune import importance, prune, prune_blocks
from edgekd.compress.recover import integer_grid, pruned_members, recover
from edgekd.contracts.candidate import Candidate
from edgekd.distill.examples import Examples
from edgekd.distill.trainer import Recipe, evaluate, fit, supervised
from edgekd.models.kinds import KINDS, build
from edgekd.models.population import Shape

SHAPE = Shape(patches=4, columns=1, outputs=3, rank=2)


def examples(count: int = 64, seed: int = 0) -> Examples:
    g = torch.Generator().manual_seed(seed)
    relative, level = torch.randn(count, 4, 1, generator=g), torch.randn(count, 1, generator=g)
    return Examples(
        relative=relative, level=level, target=relative[:, -3:, 0].cumsum(1) + level, mask=torch.ones(count, 3)
    )


def test_a_unit_nothing_reads_is_the_least_important() -> None:
    population = build("mlp", [5], [0], SHAPE)
    with torch.no_grad():
        population.down_weight[0, :, 2] = 0
    data = examples()
    scores = importance(population, data, 16)
    assert scores[0].argmin() == 2
    assert scores[0, 2] == 0
    prune(population, scores, [4])
    assert population.unit_mask[0].tolist() == [1, 1, 0, 1, 1]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_recovered_candidates_have_the_units_and_bits_of_their_names(kind: str) -> None:
    train, val = examples(), examples(32, seed=1)
    students = build(kind, [4, 8], [0, 0], SHAPE)
    recipe = Recipe(epochs=40, learning_rate=1e-2, batch=32, seed=0)
    fit(students, train, val, supervised, recipe)
    wanted = [
        Candidate(kind=kind, hidden=hidden, weight_bits=8, activation_bits=bits, sparsity=sparsity)
        for hidden, sparsity, bits in ((8, 0.5, 8), (8, 0.5, 16), (4, 0.0, 16), (8, 0.0, 8))
    ]
    population = pruned_members(students, [1, 1, 0, 1], wanted, train, 32)
    worse = evaluate(population, val, integer_grid(population, wanted, train))
    quantizer, errors = recover(population, wanted, train, val, supervised, recipe)
    assert population.unit_mask.sum(1).tolist() == [4, 4, 4, 8]
    assert quantizer.activation_bits.tolist() == [8, 16, 16, 8]
    torch.testing.assert_close(errors, evaluate(population, val, quantizer))
    assert (errors < worse).all()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_blocks_of_the_exported_matrices_are_zero_and_stay_so(kind: str) -> None:
    train, val = examples(), examples(32, seed=1)
    population = build(kind, [8, 8], [0, 1], SHAPE)
    population.unit_mask[0, ::2] = 0
    prune_blocks(population, [0.5, 0.0])
    fit(population, train, val, supervised, Recipe(epochs=2, learning_rate=1e-2, batch=32, seed=0))
    for name, value in population.extract(0).items():
        if name.endswith("_weight"):
            rows = value.flatten(1)
            blocks = torch.nn.functional.pad(rows, (0, -rows.shape[1] % 4)).view(-1, 4).abs().sum(1)
            assert int((blocks == 0).sum()) == round(0.5 * len(blocks))
    assert all((value != 0).any(dim=-1).all() for name, value in population.extract(1).items() if "weight" in name)
