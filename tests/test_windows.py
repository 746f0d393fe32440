"""Cutting windows: what is inside one, and that none crosses a gap, a group or a split."""

from collections import Counter
from typing import Any

import data_sections
import numpy as np
import pytest
from data_sections import forecast, section
from hypothesis import given
from hypothesis import strategies as st

from edgekd.contracts.config import Data
from edgekd.contracts.errors import DataError
from edgekd.data.describe import describe
from edgekd.data.split import Split
from edgekd.data.table import Problem, Series, Table
from edgekd.data.windows import cut, cut_split

TASK = forecast("q")


def Section(**changes: Any) -> Data:
    return section(**{"inputs": ["q", "t"], "stride": 3, "train_stride": 3} | changes)


def series(group: str, n: int, *, first: int = 1, at: float = 0.0, bad: tuple[int, ...] = ()) -> Series:
    """A series whose values say where they come from: `at` + position."""
    order = np.arange(first, first + n)
    value = (at + order).astype(np.float32)
    inputs = np.stack([value, -value], axis=1)
    return data_sections.series(group, value, inputs, order=order, usable=~np.isin(np.arange(n), bad))


def table(*pieces: Series, problems: tuple[Problem, ...] = ()) -> Table:
    counts = Counter(problem.kind for problem in problems)
    rows = sum(len(p.order) for p in pieces)
    return Table(series=pieces, problems=problems, rows=rows, ignored=0, task=TASK, counts=counts)


def test_targets_follow_the_window_in_every_column():
    windows = cut([series("a", 20)], ["a"], Section(), TASK, 3)
    assert windows.raw.shape == (4, 6, 2) and windows.target.shape == (4, 4)
    assert windows.raw.dtype == windows.target.dtype == np.float32
    np.testing.assert_array_equal(windows.start, [1, 4, 7, 10])
    for i, start in enumerate(windows.start):
        np.testing.assert_array_equal(windows.raw[i, :, 0], np.arange(start, start + 6))
        np.testing.assert_array_equal(windows.raw[i, :, 1], -np.arange(start, start + 6.0))
        np.testing.assert_array_equal(windows.target[i], np.arange(start + 6, start + 10))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30)), min_size=1, max_size=8), st.integers(1, 7))
def test_a_window_never_crosses_a_gap_or_a_group(pieces, stride):
    """Each series has values of its own range, so a window or target from two of them would show."""
    made = [series(g, n, first=100 * i, at=1e4 * (i + 1)) for i, (g, n) in enumerate(pieces)]
    windows = cut(made, ["a", "b", "c"], Section(), TASK, stride)
    both = np.concatenate([windows.raw[:, :, 0], windows.target], axis=1)
    np.testing.assert_array_equal(np.diff(both, axis=1), np.ones_like(both[:, 1:]))
    for i in range(len(windows)):
        source = made[int(both[i, 0] // 1e4) - 1]
        assert source.group == windows.groups[windows.group[i]]
        assert source.order[0] <= windows.start[i] and windows.start[i] + 9 <= source.order[-1]
    expected = sum(max(0, (n - 10) // stride + 1) for _, n in pieces if n >= 10)
    assert len(windows) == expected


@pytest.mark.parametrize(("bad", "kept"), [((), True), ((6, 7), True), ((6, 7, 8), False), ((0, 1, 2, 3), True)])
def test_half_of_the_targets_must_be_usable(bad, kept):
    windows = cut([series("a", 10, bad=bad)], ["a"], Section(), TASK, 3)
    assert len(windows) == kept
    if kept:
        np.testing.assert_array_equal(windows.mask[0], ~np.isin(np.arange(6, 10), bad))


def test_parts_hold_their_own_groups_only():
    names = ["a", "b", "c", "d"]
    data = table(*(series(name, 20, at=1000.0 * i) for i, name in enumerate(names)))
    parts = cut_split(data, Split(train=("a", "d"), val=("b",), test=("c",)), Section())
    assert {part: len(windows) for part, windows in parts.items()} == {"train": 8, "val": 4, "test": 4}
    seen = {part: set((windows.raw[:, :, 0] // 1000).ravel()) for part, windows in parts.items()}
    assert seen == {"train": {0.0, 3.0}, "val": {1.0}, "test": {2.0}}


def test_training_windows_are_cut_more_densely_than_those_that_are_scored():
    data = table(*(series(name, 20) for name in "abc"))
    parts = cut_split(data, Split(train=("a",), val=("b",), test=("c",)), Section(train_stride=1))
    assert {part: windows.start.tolist() for part, windows in parts.items()} == {
        "train": list(range(1, 12)),
        "val": [1, 4, 7, 10],
        "test": [1, 4, 7, 10],
    }


def test_windows_do_not_depend_on_the_order_of_series():
    pieces = [series("b", 15), series("a", 15, first=50), series("a", 15)]
    one, other = cut(pieces, ["a", "b"], Section(), TASK, 3), cut(pieces[::-1], ["a", "b"], Section(), TASK, 3)
    np.testing.assert_array_equal(one.raw, other.raw)
    np.testing.assert_array_equal(one.group, other.group)
    assert (np.diff(one.group) >= 0).all()


def test_part_without_windows_is_an_error_with_counts():
    bad = tuple(range(6, 20))
    data = table(series("a", 20), series("b", 20, bad=bad), series("c", 20))
    with pytest.raises(DataError, match="no windows for val .train 4, val 0, test 4"):
        cut_split(data, Split(train=("a",), val=("b",), test=("c",)), Section())


def test_describe_counts_what_was_read():
    problems = tuple(
        Problem(kind=kind, group=group, row=row, message="")
        for kind, group, row in [
            ("short", "z", 9),
            ("missing_input", "a", 3),
            ("missing_input", "b", 4),
            ("short", "a", 7),
        ]
    )
    data = table(series("a", 20), series("b", 20, bad=(7,)), series("c", 20), series("u", 20), problems=problems)
    split = Split(train=("a",), val=("b",), test=("c",), unused=("u",))
    found = describe(data, split, cut_split(data, split, Section()))
    assert (found.rows, found.groups, found.left_out, found.unused) == (80, 4, ["z"], ["u"])
    assert found.problems == {"missing_input": 2, "short": 2}
    assert found.parts.val.to_dict() == {"groups": 1, "samples": 20, "windows": 4, "usable_targets": 15, "names": ["b"]}
