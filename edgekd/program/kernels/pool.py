"""AVERAGE_POOL_2D and MAX_POOL_2D of x [B, 1, H, W, C]; places outside of x are left out."""

import numpy as np

from edgekd.program.kernels.dense import windows
from edgekd.program.operands import Call, Values, zero_point_of
from edgekd.program.requantize import I64


def average_pool_2d(call: Call) -> list[Values]:
    """The mean of the integers, rounded half away from zero."""
    total = _windows(call, call.value(0), 0).sum(axis=(-2, -1))
    count = _windows(call, np.ones((1, *call.tensor(0).shape), np.int64), 0).sum(axis=(-2, -1))
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return _finished(call, mean)


def max_pool_2d(call: Call) -> list[Values]:
    """The largest integer."""
    lowest = np.iinfo(call.tensor(0).dtype).min
    return _finished(call, _windows(call, call.value(0), lowest).max(axis=(-2, -1)))


def _windows(call: Call, x: I64, fill: int) -> I64:
    options = call.op.options
    return windows(x[:, 0], options["filter_h"], options["filter_w"], options, call.outputs[0].shape, fill)


def _finished(call: Call, x: I64) -> list[Values]:
    """The integers are on the output's grid already."""
    return call.finished(x - zero_point_of(call.outputs[0], call.what))
