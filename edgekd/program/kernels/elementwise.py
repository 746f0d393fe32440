"""Element by element: ADD, SUB, MUL, SQUARED_DIFFERENCE, broadcast; LOGISTIC, TANH, RELU, RELU6, RSQRT, QUANTIZE.

Functions of one operand with few inputs are tables of all of them.
"""

import math
from functools import lru_cache

import numpy as np

from edgekd.program.fixed_point import inverse_sqrt, logistic_16, logistic_q4, tanh_16, tanh_q4
from edgekd.program.operands import Call, Values, scale_of, zero_point_of
from edgekd.program.program import Tensor
from edgekd.program.requantize import I64, quantize_multiplier, requantize, round_half_away, rounding_shift_right

RSQRT_BITS = 20


def add(call: Call) -> list[Values]:
    """A + b."""
    return _sum(call, 1)


def sub(call: Call) -> list[Values]:
    """A - b."""
    return _sum(call, -1)


def _sum(call: Call, sign: int) -> list[Values]:
    """Both operands are brought to twice the larger scale with 20 (int16: 15) spare bits, added, and brought back."""
    bits = 15 if call.outputs[0].dtype == "int16" else 20
    twice = 2 * max(call.scale(0), call.scale(1))
    a, b = (requantize(call.aligned(i) << bits, *quantize_multiplier(call.scale(i) / twice)) for i in (0, 1))
    factor = twice / (2**bits * call.out_scale)
    return call.finished(requantize(a + sign * b, *quantize_multiplier(factor)))


def mul(call: Call) -> list[Values]:
    """The product of the integers, rescaled once."""
    factor = call.scale(0) * call.scale(1) / call.out_scale
    return call.finished(requantize(call.aligned(0) * call.aligned(1), *quantize_multiplier(factor)))


def squared_difference(call: Call) -> list[Values]:
    """As SUB with 7 (int16: no) spare bits, squared before it is brought back."""
    bits = 0 if call.outputs[0].dtype == "int16" else 7
    twice = 2 * max(call.scale(0), call.scale(1))
    a, b = (requantize(call.aligned(i) << bits, *quantize_multiplier(call.scale(i) / twice)) for i in (0, 1))
    # C multiplies the output's scale by the power of two in float, and both are exact
    factor = twice * twice / (4**bits * call.out_scale)
    return call.finished(requantize((a - b) ** 2, *quantize_multiplier(factor)))


def relu(call: Call) -> list[Values]:
    """Rescaled to the output's grid, and no less than its zero."""
    factor = call.scale(0) / call.out_scale
    x = requantize(call.aligned(0), *quantize_multiplier(factor))
    return call.finished(np.maximum(x, 0))


def relu6(call: Call) -> list[Values]:
    """Clamped on the operand's own grid: TFLite-Micro does not rescale here."""
    return [np.clip(call.raw(0), *relu6_limits(call.tensor(0), call.what))]


def relu6_limits(x: Tensor, what: str) -> tuple[int, int]:
    """0 and 6 on the operand's grid."""
    zero = zero_point_of(x, what)
    six = int(round_half_away(np.float32(6) / np.float32(scale_of(x, what)))) + zero
    return zero, min(six, int(np.iinfo(x.dtype).max))


def quantize(call: Call) -> list[Values]:
    """From one integer grid to another."""
    factor = call.scale(0) / call.out_scale
    return call.finished(requantize(call.aligned(0), *quantize_multiplier(factor)))


def logistic(call: Call) -> list[Values]:
    """1 / (1 + exp(-x))."""
    x = call.tensor(0)
    return [_look_up(call, _logistic_table(x.dtype, call.scale(0), call.zero_point(0)))]


def tanh(call: Call) -> list[Values]:
    """The hyperbolic tangent."""
    x = call.tensor(0)
    return [_look_up(call, _tanh_table(x.dtype, call.scale(0), call.zero_point(0)))]


def rsqrt(call: Call) -> list[Values]:
    """1 / sqrt(x). Zero gives the greatest integer, and so does what lies below it, where TFLite-Micro stops."""
    y = call.outputs[0]
    grids = (call.scale(0), call.zero_point(0), scale_of(y, call.what), zero_point_of(y, call.what))
    return [_look_up(call, _rsqrt_table(y.dtype, *grids))]


def _look_up(call: Call, table: Values) -> Values:
    """The entry of each element, from a table of all inputs in order."""
    x = call.raw(0)
    return table[x.view(f"u{x.dtype.name}")]  # entries of negative inputs are behind those of the others


def _table(entries: I64, dtype: str) -> Values:
    """Entries in the order of the inputs' unsigned bits, in the output's type."""
    return np.roll(entries, len(entries) // 2).astype(dtype)


def _inputs(dtype: str) -> I64:
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1, dtype=np.int64)


@lru_cache(maxsize=64)
def _logistic_table(dtype: str, scale: float, zero_point: int) -> Values:
    """LOGISTIC of every input, on its fixed grid: 1/256 from -128, or 1/32768."""
    if dtype == "int16":
        return _table(logistic_16(_scaled_16(scale, 0)), dtype)
    x, inside = _scaled_q4(scale, zero_point)
    y = np.clip(rounding_shift_right(logistic_q4(x), 31 - 8) - 128, -128, 127)
    return _table(np.where(inside == 0, y, np.where(inside < 0, -128, 127)), dtype)


@lru_cache(maxsize=64)
def _tanh_table(dtype: str, scale: float, zero_point: int) -> Values:
    """TANH of every input, on its fixed grid: 1/128 or 1/32768."""
    if dtype == "int16":
        return _table(tanh_16(_scaled_16(scale, 0, 1)), dtype)
    x, inside = _scaled_q4(scale, zero_point)
    y = np.clip(rounding_shift_right(tanh_q4(x), 31 - 7), -128, 127)
    return _table(np.where(inside == 0, y, np.where(inside < 0, -128, 127)), dtype)


@lru_cache(maxsize=64)
def _rsqrt_table(dtype: str, scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> Values:
    """RSQRT of every input: a root in fixed point with 20 spare bits, then rescaled."""
    limits = np.iinfo(dtype)
    x = _inputs(dtype) - zero_point
    root, shift = inverse_sqrt(np.maximum(x, 1))
    data = requantize(np.ones_like(x), root, shift + RSQRT_BITS)
    multiplier, out_shift = quantize_multiplier(1 / (math.sqrt(scale) * out_scale))
    y = requantize(data, multiplier, out_shift - RSQRT_BITS) + out_zero_point
    return _table(np.where(x > 0, np.clip(y, limits.min, limits.max), limits.max), dtype)


def _scaled_q4(scale: float, zero_point: int) -> tuple[I64, I64]:
    """All int8 inputs in Q4, and -1 or 1 where one lies beyond what Q4 holds (TFLite's input_range_radius)."""
    multiplier, shift = quantize_multiplier(scale * 2.0 ** (31 - 4))
    radius = int(np.floor(15 * 2.0 ** (31 - 4) / 2.0**shift))
    x = _inputs("int8") - zero_point
    inside = np.where(x <= -radius, -1, np.where(x >= radius, 1, 0))
    return requantize(np.where(inside == 0, x, 0), multiplier, shift), inside


def _scaled_16(scale: float, *powers: int) -> I64:
    """All int16 inputs in units of 1 / (3 * 4096), by a factor of 15 bits, or 3 << power near 2^(power - 12)."""
    x = _inputs("int16")
    multiplier, shift = sigmoid_scaling_16(scale, *powers)
    return (x * multiplier + ((1 << shift) >> 1)) >> shift


def sigmoid_scaling_16(scale: float, *powers: int) -> tuple[int, int]:
    """Factor, of up to 15 bits, and shift from int16 to units of 1 / (3 * 4096)."""
    exponent = math.log2(scale) + 12
    for power in powers:  # near enough to a power of two for TFLite
        if abs(exponent - power) < 1e-3:
            return 3 << power, 0
    factor, shift = scale * 4096 * 3, 0
    while factor <= 32767 / 2 and shift <= 30:
        factor, shift = factor * 2, shift + 1
    return int(factor), shift
