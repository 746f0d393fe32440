"""Affine forms of integer operators: found where there is one, proved, and in small numbers."""

import numpy as np
import pytest

from edgekd.program.lowering.affine import X8, binary, unary

LIMITS = (-128, 127)


def stairs_of(value: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(value + 0.5), *LIMITS).astype(np.int64)


@pytest.mark.parametrize(
    ("slopes", "start"),
    [
        ((1.0, -0.5420372967835007), 3.7942610774845047),
        ((1.0, -0.4912132385832563), 2.9472794314995374),  # the inputs nearest to a stair all lie below it
        ((1.1618545978598365, 0.14769738649288625), 19.685438723038054),
        ((0.3141592, 0.7182818), -5.0),
        ((-0.9142136, 1.7320508), 11.3),
    ],
)
def test_the_form_of_a_sum_climbs_the_same_stairs(slopes: tuple[float, float], start: float) -> None:
    stairs = stairs_of(slopes[0] * X8[:, None] + slopes[1] * X8[None, :] + start)
    found = binary(stairs, *LIMITS, slopes, start)
    assert found is not None
    sums = found.factors[0] * X8[:, None] + found.factors[1] * X8[None, :] + found.offset
    assert np.array_equal(np.clip(sums >> found.shift, *LIMITS), stairs)


def test_what_is_no_staircase_of_a_line_has_no_form() -> None:
    stairs = stairs_of(0.5 * X8[:, None] + 0.5 * X8[None, :])
    stairs[7, 9] += 1
    assert binary(stairs, *LIMITS, (0.5, 0.5), 0.0) is None


def test_forms_in_small_numbers() -> None:
    same = unary(X8[None, :], *LIMITS)
    assert same is not None and same.is_identity and same.bounded
    half = unary(stairs_of(X8 / 2)[None, :], *LIMITS)
    assert half is not None and not half.is_identity and half.bounded
    assert (int(half.factors[0][0]), int(half.offset[0]), half.shift) == (1, 1, 1)
    twice = unary(stairs_of(2.0 * X8)[None, :], *LIMITS)
    assert twice is not None and not twice.bounded
