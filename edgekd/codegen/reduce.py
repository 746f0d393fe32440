"""MEAN and SUM -> calls of kernels."""

import math
from collections.abc import Sequence

from edgekd.codegen.ir import Array, Buffer, Call, Kernel, Struct
from edgekd.contracts.errors import ModelError
from edgekd.program import reference
from edgekd.program.program import Op, Tensor
from edgekd.program.requantize import quantize_multiplier

KEPT, SUMMED = 3, 2
"""Axes that the kernels run over."""
Axis = tuple[int, int]
"""Size and stride in elements."""


def sum_(op: Op, tensors: Sequence[Tensor], x: Buffer, out: Buffer, what: str) -> Call:
    """Lower SUM."""
    return _call(op, tensors, x, out, what, quantize_multiplier(_factor(tensors[0], out, what)))


def mean(op: Op, tensors: Sequence[Tensor], x: Buffer, out: Buffer, what: str) -> Call:
    """Lower MEAN: the count is divided out of the multiplier, as the twin does."""
    count = x.size // out.size
    multiplier, shift = quantize_multiplier(_factor(tensors[0], out, what))
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return _call(op, tensors, x, out, what, ((multiplier << bits) // count, shift - bits))


def _factor(x: Tensor, out: Buffer, what: str) -> float:
    assert out.tensor is not None
    return reference.scale_of(x, what) / reference.scale_of(out.tensor, what)


def _call(op: Op, tensors: Sequence[Tensor], x: Buffer, out: Buffer, what: str, factor: tuple[int, int]) -> Call:
    assert out.tensor is not None and tensors[1].data is not None
    shape = tensors[0].shape
    summed = {int(axis) % len(shape) for axis in tensors[1].data.reshape(-1)}
    axes = [(size, math.prod(shape[axis + 1 :])) for axis, size in enumerate(shape)]
    kept_axes = _filled(_joined([one for axis, one in enumerate(axes) if axis not in summed]), KEPT, what)
    summed_axes = _filled(_joined([one for axis, one in enumerate(axes) if axis in summed]), SUMMED, what)
    multiplier, shift = factor
    members: dict[str, int | Array | Struct | Kernel | None] = {
        "kept": _row(kept_axes, 0),
        "kept_strides": _row(kept_axes, 1),
        "summed": _row(summed_axes, 0),
        "summed_strides": _row(summed_axes, 1),
        "offset": -reference.zero_point_of(tensors[0], what) * (x.size // out.size),
        "multiplier": multiplier,
        "shift": shift,
        "y_zero": reference.zero_point_of(out.tensor, what),
    }
    name = f"edgekd_sum_s{8 if out.dtype == 'int8' else 16}"
    layer = Struct(c_type="edgekd_sum", members=members)
    return Call(kernel=name, function=name, op=op.kind, sources=[x], out=out, layer=layer)


def _joined(axes: Sequence[Axis]) -> list[Axis]:
    """Axes of more than one element, neighbours that run on as one."""
    found: list[Axis] = []
    for size, stride in axes:
        if size == 1:
            continue
        if found and found[-1][1] == stride * size:
            size *= found.pop()[0]
        found.append((size, stride))
    return found


def _filled(axes: list[Axis], count: int, what: str) -> list[Axis]:
    if len(axes) > count:
        raise ModelError(f"{what}: {len(axes)} separate axes, up to {count} are supported")
    return [(1, 1)] * (count - len(axes)) + axes


def _row(axes: Sequence[Axis], column: int) -> Struct:
    return Struct(c_type="int32_t", members={str(i): axis[column] for i, axis in enumerate(axes)})
