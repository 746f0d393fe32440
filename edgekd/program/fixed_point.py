"""gemmlowp's exp, logistic and tanh on 32-bit fixed point, and TFLite's 16-bit table: what its activations compute.

Raw values are int64 arrays that hold int32. Q4 has 4 integer bits, Q0 none. Source: gemmlowp's fixedpoint.h.
"""

import numpy as np

from edgekd.program.requantize import I64, INT32_MAX, INT32_MIN, doubling_high_mul, rounding_shift_right

# exp(-2^k) in Q0, for k = -2 ... 4
_EXPONENTS = {
    -2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242,
}  # fmt: skip
_EXP_EIGHTH, _THIRD = 1895147668, 715827883  # exp(-1/8) and 1/3 in Q0
_HALF_SQRT_2 = 1518500250  # in Q0
_48_OVER_17, _MINUS_32_OVER_17 = 1515870810, -1010580540  # in Q2


def _sigmoid_table() -> I64:
    """TFLite's 16-bit table: sigmoid(i / 24) in 1/65536, half the greatest error of linear interpolation added (a
    sixteenth of the curvature), the last entry full scale. Equal to the published table entry by entry.
    """
    s = 1 / (1 + np.exp(-np.arange(256) / 24))
    table = np.floor(65536 * (s + s * (1 - s) * (2 * s - 1) / 24**2 / 16) + 0.5).astype(np.int64)
    table[255] = 65535
    return table


SIGMOID_TABLE = _sigmoid_table()


def logistic_q4(x: I64) -> I64:
    """1 / (1 + exp(-x)), Q4 -> Q0."""
    positive = one_over_one_plus(exp_negative(-np.abs(x), 4))
    result = np.where(x > 0, positive, INT32_MAX - positive)
    return np.where(x == 0, 1 << 30, result)


def tanh_q4(x: I64) -> I64:
    """(1 - exp(-2x)) / (1 + exp(-2x)), Q4 -> Q0: 2x in Q5 has the bits of x in Q4."""
    size = _one_minus_over_one_plus(exp_negative(-np.abs(x), 5))
    return np.where(x == 0, 0, np.where(x < 0, -size, size))


def exp_negative(x: I64, integer_bits: int) -> I64:
    """exp(x) for x <= 0 to Q0: a polynomial on [-1/4, 0), times a factor for each bit above."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within = (x & (quarter - 1)) - quarter
    result = _exp_quarter(within << integer_bits)
    remainder = within - x
    for exponent, factor in _EXPONENTS.items():
        if exponent < integer_bits:
            bit = 1 << (fraction_bits + exponent)
            result = np.where(remainder & bit, doubling_high_mul(result, factor), result)
    return np.where(x == 0, INT32_MAX, result)


def _exp_quarter(x: I64) -> I64:
    """exp(x) on [-1/4, 0), Q0 -> Q0: Taylor around -1/8."""
    y = x + (1 << 28)
    y2 = doubling_high_mul(y, y)
    y3 = doubling_high_mul(y2, y)
    y4 = doubling_high_mul(y2, y2)
    quartic = rounding_shift_right(y4, 2)
    tail = rounding_shift_right(doubling_high_mul(quartic + y3, _THIRD) + y2, 1)
    return _EXP_EIGHTH + doubling_high_mul(y + tail, _EXP_EIGHTH)


def one_over_one_plus(x: I64) -> I64:
    """1 / (1 + x) for x in [0, 1], Q0 -> Q0: three steps of Newton-Raphson on half the denominator."""
    return _saturate(_reciprocal(x) << 1)


def _one_minus_over_one_plus(x: I64) -> I64:
    """(1 - x) / (1 + x) for x in [0, 1], Q0 -> Q0."""
    return _saturate((_reciprocal(x) - (1 << 29)) << 2)


def _reciprocal(x: I64) -> I64:
    """2 / (1 + x), Q0 -> Q2, scaled as both callers want it."""
    total = x + INT32_MAX
    half = (total + np.where(total >= 0, 1, -1)) // 2  # RoundingHalfSum; both terms are >= 0
    estimate = _48_OVER_17 + doubling_high_mul(half, _MINUS_32_OVER_17)
    for _ in range(3):
        product = doubling_high_mul(half, estimate)
        missing = (1 << 29) - product
        estimate = estimate + _saturate(doubling_high_mul(estimate, missing) << 2)
    return estimate


def _saturate(x: I64) -> I64:
    return np.clip(x, INT32_MIN, INT32_MAX)


def logistic_16(x: I64) -> I64:
    """X in units of 1 / (3 * 4096) -> logistic in units of 1 / 32768, interpolated in TFLite's table."""
    size = np.abs(x)
    high, low = np.minimum(size >> 9, 254), size & 0x1FF
    value = (SIGMOID_TABLE[high] << 9) + low * (SIGMOID_TABLE[high + 1] - SIGMOID_TABLE[high])
    value = np.where(size >> 9 >= 255, 0x7FFF << 10, value)
    return np.where(x >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1) >> 10


def tanh_16(x: I64) -> I64:
    """X in units of 1 / (3 * 4096) -> tanh in units of 1 / 32768: 2 logistic(2x) - 1 from the same table."""
    size = np.abs(x)
    high, low = np.minimum(size >> 8, 254), size & 0xFF
    value = (SIGMOID_TABLE[high] << 8) + low * (SIGMOID_TABLE[high + 1] - SIGMOID_TABLE[high])
    value = np.where(size >> 8 >= 255, 0xFFFF << 8, value)
    return np.where(x >= 0, value - (1 << 23) + (1 << 7), -value + (1 << 23) + (1 << 7) - 1) >> 8


def inverse_sqrt(x: I64) -> tuple[I64, I64]:
    """1 / sqrt(x) for integers x >= 1, as a Q0 number and the power of two it is multiplied by.

    Five steps of Newton-Raphson from 1 in Q3 (TFLite's GetInvSqrtQuantizedMultiplierExp); below 2^29 only.
    """
    pairs = (31 - np.frexp(x.astype(np.float64))[1].astype(np.int64)) // 2 - 1  # pairs of bits to shift x left by
    shift = 11 - pairs
    a = (x << (2 * pairs)) >> 1  # Q3
    half = rounding_shift_right(a, 1)
    y = np.full_like(x, 1 << 28)
    for _ in range(5):
        cube = _saturate(doubling_high_mul(doubling_high_mul(y, y), y) << 6)
        y = _saturate((doubling_high_mul(y, (1 << 28) + (1 << 27)) - doubling_high_mul(half, cube)) << 3)
    y = doubling_high_mul(y, _HALF_SQRT_2)
    y, shift = np.where(shift < 0, y << np.maximum(-shift, 0), y), np.maximum(shift, 0)
    return np.where(x <= 1, INT32_MAX, y), np.where(x <= 1, 0, -shift)
