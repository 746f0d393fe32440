"""Operators that copy: CONCATENATION, SPLIT, SLICE, STRIDED_SLICE, RESHAPE, PACK, UNPACK.

Axes of a tensor are one higher in a value, whose first axis counts windows.
"""

import numpy as np

from edgekd.program.operands import Call, Values
from edgekd.program.program import Op


def concatenation(call: Call) -> list[Values]:
    """Join along an axis; all operands are on the output's grid."""
    axis = call.op.options["axis"] % len(call.outputs[0].shape)
    return [np.concatenate(_same_windows([call.raw(i) for i in range(len(call))]), axis=axis + 1)]


def split(call: Call) -> list[Values]:
    """Equal parts along an axis, which is the first operand."""
    x = call.raw(1)
    axis = call.integers(0)[0] % (x.ndim - 1)
    return list(np.split(x, len(call.outputs), axis=axis + 1))


def slice_(call: Call) -> list[Values]:
    """From begin, as many as the output has."""
    ranges = [slice(begin, begin + size) for begin, size in zip(call.integers(1), call.outputs[0].shape, strict=True)]
    return [call.raw(0)[(slice(None), *ranges)]]


def strided_slice(call: Call) -> list[Values]:
    """From begin, up to end, by stride."""
    x = call.raw(0)
    rows = [call.integers(i) for i in (1, 2, 3)]
    picks = strided_ranges(call.op, x.shape[1:], rows)
    for axis, (start, stop, stride) in enumerate(picks):
        x = x.take(np.arange(start, stop, stride), axis=axis + 1)
    return [x]  # the caller takes the axes away that are shrunk: their length is 1


def strided_ranges(op: Op, shape: tuple[int, ...], rows: list[list[int]]) -> list[tuple[int, int, int]]:
    """Start, stop and stride along each axis, as Python's slices count them; `rows` are begins, ends and strides."""
    found = []
    for axis, (begin, end, stride) in enumerate(zip(*rows, strict=True)):
        first = None if op.options["begin_mask"] >> axis & 1 else begin
        last = None if op.options["end_mask"] >> axis & 1 else end
        start, stop, step = slice(first, last, stride).indices(shape[axis])
        found.append((start, start + 1, 1) if op.options["shrink_axis_mask"] >> axis & 1 else (start, stop, step))
    return found


def reshape(call: Call) -> list[Values]:
    """The same values in the output's shape."""
    return [call.raw(0)]


def pack(call: Call) -> list[Values]:
    """Operands of one shape along a new axis."""
    axis = call.op.options["axis"] % len(call.outputs[0].shape)
    return [np.stack(_same_windows([call.raw(i) for i in range(len(call))]), axis=axis + 1)]


def unpack(call: Call) -> list[Values]:
    """Slices along an axis, which is taken away."""
    x = call.raw(0)
    axis = call.op.options["axis"] % (x.ndim - 1)
    return [x.take(i, axis=axis + 1) for i in range(len(call.outputs))]


def _same_windows(values: list[Values]) -> list[Values]:
    """Constants repeated for every window."""
    windows = max(map(len, values))
    return [np.broadcast_to(one, (windows, *one.shape[1:])) for one in values]
