from hypothesis import given
from hypothesis import strategies as st

from edgekd.candidate import Candidate
from edgekd.pareto import front
from edgekd.search.space import propose


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


def grid(count: int, seed: int = 0, **changes: list[float]) -> list[Candidate]:
    space = {"kinds": ["liquid", "gru", "mlp"], "hidden": [4, 8, 16, 32], "sparsity": [0.0, 0.5]}
    space |= {"weight_bits": [8], "activation_bits": [8, 16]}
    return propose(**(space | changes), count=count, seed=seed)  # type: ignore[arg-type]


def test_a_small_grid_is_proposed_whole_and_a_sample_treats_kinds_alike() -> None:
    assert len(grid(1000)) == len(set(grid(1000))) == 3 * 4 * 2 * 2
    sample = grid(16)
    assert len(sample) == 16
    assert {kind: sum(c.kind == kind for c in sample) for kind in ("liquid", "gru", "mlp")} == {
        "liquid": 6, "gru": 5, "mlp": 5,
    }  # fmt: skip
    assert sample == grid(16)
    assert sample != grid(16, seed=1)


def test_four_bits_of_weights_go_with_eight_of_activations() -> None:
    found = grid(1000, weight_bits=[8, 4], blocks=[0.0, 0.5])
    assert len(found) == 3 * 4 * 2 * 3 * 2
    assert all(c.activation_bits == 8 for c in found if c.weight_bits == 4)


def test_sparsities_that_leave_equal_units_are_one_point() -> None:
    assert len(grid(1000, hidden=[1], sparsity=[0.0, 0.3, 0.9])) == 3 * 2
    assert all(c.kept == 1 for c in grid(1000, hidden=[1], sparsity=[0.0, 0.9]))
