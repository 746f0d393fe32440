"""The one rounding rule: against exact fractions, and against TFLite-Micro through vectors that C shares."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgekd.program.fixed_point import SIGMOID_TABLE, inverse_sqrt
from edgekd.program.requantize import (
    INT32_MAX,
    INT32_MIN,
    doubling_high_mul,
    quantize_multiplier,
    quantize_multipliers,
    requantize,
    requantize_up,
    requantize_wide,
    round_half_away,
    rounding_shift_right,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "requantize.json").read_text())
int32s = st.integers(INT32_MIN, INT32_MAX)
multipliers = st.integers(2**30, INT32_MAX)


def as_array(value: int) -> NDArray[np.int64]:
    return np.array([value], dtype=np.int64)


def half_away(x: Fraction) -> int:
    size = int(abs(x) + Fraction(1, 2))
    return size if x >= 0 else -size


def half_up(x: Fraction) -> int:
    return (x + Fraction(1, 2)).__floor__()


@given(int32s, int32s)
def test_doubling_high_mul_is_the_rounded_high_half(a: int, b: int) -> None:
    wanted = min(half_up(Fraction(a * b, 2**31)), INT32_MAX)
    assert int(doubling_high_mul(as_array(a), b)[0]) == wanted


@given(int32s, int32s)
def test_doubling_high_mul_is_that_of_gemmlowp(a: int, b: int) -> None:
    """With the nudge and the truncating division of its source."""
    total = a * b + (1 << 30 if a * b >= 0 else 1 - (1 << 30))
    high = total >> 31 if total >= 0 else -(-total >> 31)
    assert int(doubling_high_mul(as_array(a), b)[0]) == min(high, INT32_MAX)


@given(int32s, st.integers(0, 31))
def test_rounding_shift_is_half_away_from_zero(x: int, exponent: int) -> None:
    assert int(rounding_shift_right(as_array(x), exponent)[0]) == half_away(Fraction(x, 2**exponent))


@given(int32s, multipliers, st.integers(-31, 0))
def test_requantize_rounds_twice(x: int, multiplier: int, shift: int) -> None:
    once = half_up(Fraction(x * multiplier, 2**31))
    assert int(requantize(as_array(x), multiplier, shift)[0]) == half_away(Fraction(once, 2**-shift))


@given(st.integers(-(2**20), 2**20), multipliers, st.integers(1, 10))
def test_requantize_shifts_left_first(x: int, multiplier: int, shift: int) -> None:
    wanted = half_up(Fraction((x << shift) * multiplier, 2**31))
    assert int(requantize(as_array(x), multiplier, shift)[0]) == wanted
    assert int(requantize_up(as_array(x), multiplier, shift)[0]) == wanted


@given(st.integers(-(2**40), 2**40), multipliers, st.integers(-31, -12))
def test_requantize_wide_rounds_once_with_16_bits(x: int, multiplier: int, shift: int) -> None:
    reduced = min((multiplier + 2**15) >> 16, 0x7FFF)
    assert int(requantize_wide(as_array(x), multiplier, shift)[0]) == half_up(Fraction(x * reduced, 2 ** (15 - shift)))


@given(st.floats(2.0**-32, 2.0**30))
def test_a_factor_is_a_multiplier_and_a_power_of_two(factor: float) -> None:
    multiplier, shift = quantize_multiplier(factor)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(factor) - Fraction(multiplier) * Fraction(2) ** (shift - 31)) <= Fraction(2) ** (shift - 32)


def test_extremes_of_the_multiplier() -> None:
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-40) == (0, 0)
    assert quantize_multiplier(1 - 2.0**-40) == (1 << 30, 1)
    assert quantize_multiplier(1.0) == (1 << 30, 1)
    assert quantize_multipliers(np.array([1.0, 0.5]))[1].tolist() == [1, 0]


@given(st.floats(-1e6, 1e6, width=32))
def test_round_half_away(x: float) -> None:
    assert int(round_half_away(np.float32(x))) == half_away(Fraction(float(x)))


@pytest.mark.parametrize("kind", sorted(VECTORS))
def test_vectors(kind: str) -> None:
    function = {"requantize": requantize, "requantize_wide": requantize_wide}[kind]
    x, multiplier, shift, wanted = (np.array(column, dtype=np.int64) for column in zip(*VECTORS[kind], strict=True))
    assert len(x) > 200
    assert np.array_equal(function(x, multiplier, shift), wanted)


def test_the_sigmoid_table_rises_to_full_scale() -> None:
    assert SIGMOID_TABLE[0] == 32768
    assert SIGMOID_TABLE[255] == 65535
    assert (np.diff(SIGMOID_TABLE) >= 0).all()


@given(st.integers(1, 2**17))
def test_inverse_sqrt_is_near_the_root(x: int) -> None:
    root, shift = inverse_sqrt(as_array(x))
    assert float(root[0]) * 2.0 ** (float(shift[0]) - 31) == pytest.approx(x**-0.5, rel=1e-4)
