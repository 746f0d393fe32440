"""MEAN and SUM along axes."""

import math

from edgekd.program.operands import Call, Values
from edgekd.program.requantize import I64, quantize_multiplier, requantize, wrap32


def sum_(call: Call) -> list[Values]:
    """The sum above the zero point, rescaled."""
    total, _ = _total(call)
    return call.finished(requantize(total, *quantize_multiplier(call.scale(0) / call.out_scale)))


def mean(call: Call) -> list[Values]:
    """The same with the count divided out of the multiplier, cut off to an integer; the shift keeps its precision."""
    total, count = _total(call)
    multiplier, shift = quantize_multiplier(call.scale(0) / call.out_scale)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return call.finished(requantize(total, (multiplier << bits) // count, shift - bits))


def _total(call: Call) -> tuple[I64, int]:
    """The sum above the zero point as C's int32, and how many elements each has."""
    shape = call.tensor(0).shape
    axes = {axis % len(shape) for axis in call.integers(1)}
    count = math.prod(shape[axis] for axis in axes)
    total = call.value(0).sum(axis=tuple(axis + 1 for axis in axes)) - call.zero_point(0) * count
    return wrap32(total), count
