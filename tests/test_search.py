from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.errors import ConfigError
from edgekd.pareto import front
from edgekd.search.sampler import Objectives, Sampler
from edgekd.search.space import grid, spread


def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


points = st.lists(st.tuples(*[st.integers(0, 6)] * 2).map(lambda p: tuple(map(float, p))), min_size=1, max_size=20)


@given(points)
def test_the_front_is_what_nothing_dominates(values: list[tuple[float, ...]]) -> None:
    kept = front(values)
    assert all(not dominates(other, values[i]) for i in kept for other in values)
    left_out = set(range(len(values))) - set(kept)
    assert all(any(dominates(values[i], values[j]) or values[i] == values[j] for i in kept) for j in left_out)
    assert len({values[i] for i in kept}) == len(kept)
    assert [values[i] for i in kept] == sorted(values[i] for i in kept)


def space(**changes: list[Any]) -> list[Candidate]:
    choices: dict[str, list[Any]] = {"kind": ["liquid", "gru", "mlp"], "hidden": [4, 8, 16, 32], "weight_bits": [8]}
    choices |= {"activation_bits": [8, 16], "sparsity": [0.0, 0.5]}
    return grid(choices | changes)


def test_the_space_holds_every_point_once_and_a_sample_treats_kinds_alike() -> None:
    assert len(space()) == len(set(space())) == 3 * 4 * 2 * 2
    sample = spread(space(), 16, 0)
    assert len(sample) == len(set(sample)) == 16
    assert {kind: sum(c.kind == kind for c in sample) for kind in ("liquid", "gru", "mlp")} == {
        "liquid": 6, "gru": 5, "mlp": 5,
    }  # fmt: skip
    assert sample == spread(space(), 16, 0)
    assert sample != spread(space(), 16, 1)
    assert spread(space(), 5, 0) == sample[:5]


def test_four_bits_of_weights_go_with_eight_of_activations() -> None:
    found = space(weight_bits=[8, 4], block_sparsity=[0.0, 0.5])
    assert len(found) == 3 * 4 * 2 * 3 * 2
    assert all(c.activation_bits == 8 for c in found if c.weight_bits == 4)


def test_sparsities_that_leave_equal_units_are_one_point() -> None:
    assert len(space(hidden=[1], sparsity=[0.0, 0.3, 0.9])) == 3 * 2
    assert all(c.units_left == 1 for c in space(hidden=[1], sparsity=[0.0, 0.9]))


def test_what_has_no_meaning_for_a_kind_is_not_varied() -> None:
    found = space(euler_steps=[1, 2], loss=["output_l1", "memkd"], patch=[5, 10])
    assert {c.euler_steps for c in found if c.kind != "liquid"} == {None}
    assert {c.euler_steps for c in found if c.kind == "liquid"} == {1, 2}
    assert {c.loss for c in found if c.kind == "mlp"} == {"output_l1"}
    assert len(found) == 16 * 2 * (4 + 2 + 1)


def test_a_space_too_large_is_refused() -> None:
    with pytest.raises(ConfigError, match="has 480000 points"):
        space(hidden=list(range(1, 101)), patch=list(range(1, 101)), sparsity=[0.0, 0.1, 0.2, 0.3], kind=["mlp"] * 6)


def measured(one: Candidate) -> tuple[Objectives, Objectives]:
    """Wider is better and larger; only one kind is good."""
    error = 1 / one.units_left + (one.kind != "gru") * 0.5 + 0.01 * (one.weight_bits == 4)
    return (error, 100.0 * one.units_left * one.weight_bits, float(one.units_left)), (one.units_left / 40 - 1,)


def searched(points: list[Candidate], wanted: int, seed: int, size: int = 8) -> list[str]:
    study, names = Sampler(points, size, seed), []
    while len(names) < wanted and (ours := study.ask([], wanted - len(names))):
        assert len(ours) <= size
        study.tell({candidate: measured(candidate) for candidate in ours})
        names += [one.name for one in ours]
    return names


def wide() -> list[Candidate]:
    return space(hidden=[2, 4, 6, 8, 12, 16, 24, 32], sparsity=[0.0, 0.25, 0.5], weight_bits=[8, 4])


def test_a_search_asks_for_nothing_twice_and_ends_when_all_is_known() -> None:
    for points in (space(weight_bits=[8, 4]), space(hidden=[8], euler_steps=[1, 2], loss=["output_l1", "memkd"])):
        names = searched(points, 10_000, 0)
        assert sorted(names) == sorted(one.name for one in points)


def test_a_search_is_repeatable_and_more_budget_goes_on_from_less() -> None:
    names = searched(wide(), 48, 0)
    assert names == searched(wide(), 48, 0)
    assert names != searched(wide(), 48, 1)
    assert searched(wide(), 80, 0)[:48] == names


def test_a_search_breeds_from_what_was_good() -> None:
    late = [name for seed in range(3) for name in searched(wide(), 80, seed)[40:]]
    assert sum(name.startswith("gru") for name in late) > 1.3 * len(late) / 3  # a third by chance


def test_the_first_generation_is_the_one_given() -> None:
    points = wide()
    assert Sampler(points, 8, 0).ask(points[10:18], 8) == sorted(points[10:18])
