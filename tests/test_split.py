"""Splits by group: no group in two parts, the same split for one seed, clear errors for empty parts."""

from typing import Any

import numpy as np
import pytest
from data_sections import forecast, series
from hypothesis import given
from hypothesis import strategies as st

from edgekd.contracts.config import ColumnSplit, FractionSplit
from edgekd.contracts.errors import DataError
from edgekd.data.split import largest_remainder, shuffled, split_groups
from edgekd.data.table import Table


def table(names: list[str], parts: list[str] | None = None) -> Table:
    """Groups with one sample each; what is in them does not matter for a split."""

    pieces = tuple(
        series(name, np.zeros(1, np.float32), np.zeros((1, 1), np.float32), split=parts[i] if parts else None)
        for i, name in enumerate(names)
    )
    return Table(series=pieces, problems=(), rows=len(names), ignored=0, task=forecast(), counts={})


def fractions(val: float, test: float) -> FractionSplit:
    return FractionSplit.model_construct(val=val, test=test)


def by_column(**changes: Any) -> ColumnSplit:
    return ColumnSplit.model_construct(**{"column": "part", "train": "train", "test": "test1", "val": 0.25} | changes)


NAMES = [f"cell{i:02d}" for i in range(20)]


@given(st.integers(4, 60), st.integers(0, 2**31), st.sampled_from([(0.15, 0.25), (0.3, 0.3), (0.25, 0.5)]))
def test_every_group_is_in_exactly_one_part(n, seed, shares):
    names = [f"g{i}" for i in range(n)]
    try:
        split = split_groups(table(names), fractions(*shares), seed)
    except DataError as error:
        assert "would be empty" in str(error)
        return
    assert sorted(split.train + split.val + split.test) == sorted(names)
    for part, share in zip(("val", "test"), shares, strict=True):
        assert abs(len(split.parts()[part]) - share * n) < 1


def test_split_does_not_depend_on_row_order_and_does_on_the_seed():
    one = split_groups(table(NAMES), fractions(0.2, 0.3), seed=5)
    assert one == split_groups(table(NAMES[::-1]), fractions(0.2, 0.3), seed=5)
    assert one != split_groups(table(NAMES), fractions(0.2, 0.3), seed=6)
    assert (len(one.train), len(one.val), len(one.test)) == (10, 4, 6)


def test_split_is_the_same_on_every_machine():
    """The order of `printf 0:a | sha256sum` and so on."""
    assert shuffled(["a", "b", "c", "d"], seed=0) == ["d", "a", "c", "b"]


def test_segments_of_one_group_stay_together():
    doubled = split_groups(table(NAMES + NAMES), fractions(0.2, 0.3), seed=5)
    assert doubled == split_groups(table(NAMES), fractions(0.2, 0.3), seed=5)


@given(st.integers(0, 1000), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_largest_remainder_sums_up_and_is_within_one(total, weights):
    shares = [w / sum(weights) for w in weights]
    counts = largest_remainder(total, shares)
    assert sum(counts) == total
    assert all(abs(count - total * share) < 1 + 1e-6 for count, share in zip(counts, shares, strict=True))


def test_column_with_validation_as_a_fraction_of_training_groups():
    parts = ["train"] * 12 + ["test1"] * 6 + ["test2"] * 2
    split = split_groups(table(NAMES, parts), by_column(), seed=0)
    assert split.test == tuple(NAMES[12:18])
    assert split.unused == tuple(NAMES[18:])
    assert len(split.val) == 3
    assert sorted(split.train + split.val) == NAMES[:12]


def test_column_with_validation_as_a_value():
    parts = ["train"] * 12 + ["test1"] * 6 + ["valid"] * 2
    split = split_groups(table(NAMES, parts), by_column(val="valid"), seed=0)
    assert (split.train, split.val, split.test) == (tuple(NAMES[:12]), tuple(NAMES[18:]), tuple(NAMES[12:18]))


@pytest.mark.parametrize(
    ("parts", "split", "words"),
    [
        (None, fractions(0.01, 0.2), ["val would be empty", "of 20 groups", "train 16, val 0, test 4"]),
        (None, fractions(0.2, 0.0), ["test would be empty"]),
        (None, fractions(0.5, 0.5), ["train would be empty"]),
        (["train"] * 20, by_column(), ["split.test", "no group has 'test1'", "'train' (20 groups)"]),
        (["trian"] * 10 + ["test1"] * 10, by_column(), ["split.train", "no group has 'train'"]),
        (["train"] * 2 + ["test1"] * 18, by_column(val=0.1), ["val would be empty", "of 20 groups"]),
        (["train"] * 10 + ["test1"] * 10, by_column(val="train"), ["two parts have the same value"]),
    ],
)
def test_empty_and_overlapping_parts_are_errors_with_counts(parts, split, words):
    with pytest.raises(DataError) as caught:
        split_groups(table(NAMES, parts), split, seed=0)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.hint
