"""Errors of forecasts, against sums done by hand."""

import data_sections
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.data.metrics import bootstrap_interval, mae, mae_by_group, mae_by_horizon
from edgekd.data.windows import Windows


def windows(target: list[list[float]], mask: list[list[int]], group: list[int], groups: tuple[str, ...]) -> Windows:
    values = np.array(target, dtype=np.float32)
    raw = np.zeros((len(values), 1, 1), dtype=np.float32)
    return data_sections.windows(raw, values, mask=np.array(mask, dtype=bool), group=np.array(group), groups=groups)


# Three windows of two steps; errors against a forecast of 0 are the targets themselves.
THREE = windows([[1, 2], [3, 100], [-5, 7]], [[1, 1], [1, 0], [1, 1]], [0, 0, 2], ("a", "b", "c"))
ZERO = np.zeros((3, 2), dtype=np.float32)


def test_errors_count_usable_targets_only():
    assert mae(ZERO, THREE.target, THREE.mask) == (1 + 2 + 3 + 5 + 7) / 5


def test_error_of_each_group_that_has_windows():
    assert mae_by_group(ZERO, THREE) == {"a": (1 + 2 + 3) / 3, "c": 6.0}


def test_error_of_each_step():
    np.testing.assert_array_equal(mae_by_horizon(ZERO, THREE), [3.0, 4.5])
    never = windows([[1, 2]], [[1, 0]], [0], ("a",))
    np.testing.assert_array_equal(mae_by_horizon(ZERO[:1], never), [1.0, np.nan])


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        mae(ZERO[:, :1], THREE.target, THREE.mask)
    with pytest.raises(ValueError, match="differ in shape"):
        mae(ZERO, THREE.target, THREE.mask[:1])


def test_sums_are_of_double_precision():
    target = np.full((1, 1 << 18), 0.1, dtype=np.float32)
    assert mae(np.zeros_like(target), target, np.ones_like(target, dtype=bool)) == float(np.float32(0.1))


def test_interval_of_two_groups_by_enumeration():
    """Of two groups one draws aa, ab, ba, bb: errors 2, 4 (twice), 6, so the inner half is 2 to 4 or 4 to 6."""
    two = windows([[2, 2], [6, 6]], [[1, 1], [1, 1]], [0, 1], ("a", "b"))
    assert bootstrap_interval(ZERO[:2], two) == (2.0, 6.0)
    assert bootstrap_interval(ZERO[:2], two, confidence=0.2) == (4.0, 4.0)


def test_one_group_has_no_interval():
    one = windows([[1, 2], [3, 4]], [[1, 1], [1, 1]], [0, 0], ("a",))
    assert bootstrap_interval(ZERO[:2], one) == (2.5, 2.5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_interval_holds_the_error_and_is_repeatable(seed):
    random = np.random.default_rng(seed)
    many = windows(
        random.normal(size=(60, 3)).tolist(),
        np.ones((60, 3)).tolist(),
        [i // 6 for i in range(60)],
        tuple("abcdefghij"),
    )
    forecast = np.zeros((60, 3), dtype=np.float32)
    low, high = bootstrap_interval(forecast, many, seed=1)
    assert low <= mae(forecast, many.target, many.mask) <= high
    assert (low, high) == bootstrap_interval(forecast, many, seed=1)
