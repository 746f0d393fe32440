"""TFLite-Micro's fixed-point arithmetic, in NumPy: the one definition of rounding, which C repeats.

A real factor is a multiplier in [2^30, 2^31) and a power of two. Every function takes int64 arrays that hold the values
of narrower C types, and works element by element.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """Factor = multiplier * 2^(shift - 31) with multiplier in [2^30, 2^31), rounded half away from zero.

    Factors below 2^-32 become (0, 0), as in TFLite.
    """
    if factor == 0:
        return 0, 0
    mantissa, shift = math.frexp(factor)
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def quantize_multipliers(factors: NDArray[np.float64]) -> tuple[I64, I64]:
    """`quantize_multiplier` of each factor: multipliers and shifts."""
    pairs = np.array([quantize_multiplier(float(factor)) for factor in factors], dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def doubling_high_mul(a: I64, b: I64 | int) -> I64:
    """High 32 bits of 2 * a * b, rounded half up; the one overflow, INT32_MIN squared, saturates.

    This is gemmlowp's SaturatingRoundingDoublingHighMul, whose nudge and division that truncates come to half up.
    """
    return np.minimum((a * b + (1 << 30)) >> 31, INT32_MAX)


def rounding_shift_right(x: I64, exponent: I64 | int) -> I64:
    """X / 2^exponent, rounded half away from zero (gemmlowp's RoundingDivideByPOT)."""
    half = (np.int64(1) << exponent) >> 1
    return (x + (half - ((x < 0) & (half > 0)))) >> exponent


def requantize(x: I64, multiplier: I64 | int, shift: I64 | int) -> I64:
    """X * multiplier * 2^(shift - 31) for int32 x, rounded twice: TFLite's MultiplyByQuantizedMultiplier."""
    left, right = np.maximum(shift, 0), np.maximum(-np.asarray(shift), 0)
    if np.any(left):
        x = wrap32(x << left)
    return rounding_shift_right((x * multiplier + (1 << 30)) >> 31, right)  # a multiplier >= 0 cannot overflow


def requantize_wide(x: I64, multiplier: I64 | int, shift: I64 | int) -> I64:
    """The same for int64 accumulators of 16-bit activations: the multiplier is cut to 16 bits, one rounding."""
    reduced = np.where(np.asarray(multiplier) < 0x7FFF0000, (np.asarray(multiplier) + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - np.asarray(shift)
    return wrap32((x * reduced + (np.int64(1) << (total - 1))) >> total)


def reduced_multiplier(multiplier: int) -> int:
    """A multiplier cut to 16 bits, as TFLite does for 64-bit sums."""
    return (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF


def requantize_up(x: I64, multiplier: int, shift: int) -> I64:
    """X * multiplier * 2^(shift - 31) for factors above 1, rounded once (TFLite's ...GreaterThanOne)."""
    return doubling_high_mul(wrap32(x << shift), multiplier)


def round_half_away(x: Any) -> Any:
    """C's round(): half away from zero."""
    return np.copysign(np.floor(np.abs(np.float64(x)) + 0.5), x)


def wrap32(x: I64) -> I64:
    """What is left of x in an int32."""
    return x.astype(np.int32).astype(np.int64)
