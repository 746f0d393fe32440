"""MEAN, SUM, REDUCE_MAX and REDUCE_MIN along axes."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.ir import Buffer, KernelCall, Member, Struct
from edgekd.program.operands import KernelContext, Values, scale_of, zero_point_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, Option
from edgekd.program.requantize import I64, quantize_multiplier, requantize, wrap32

KEPT, REDUCED = 3, 2
"""Axes that the kernels run over."""
Axis = tuple[int, int]
"""Size and stride in elements."""
Factor = tuple[int, int]
"""Multiplier and shift."""


def _rule(op: CheckedOp) -> None:
    op.count([2])
    x, y = op.operand(0), op.result
    integers = op.same_type((x, y))
    op.rank(x)
    reduced = {op.axis(axis, len(x.shape)) for axis in op.constant(1)}
    kept = [1 if i in reduced else n for i, n in enumerate(x.shape) if op.op.options["keep_dims"] or i not in reduced]
    op.shape(y, kept)
    if not integers:
        return
    if op.op.kind in ("REDUCE_MAX", "REDUCE_MIN"):
        op.same_type((x, y), ("int8",))
        op.same_quant((x, y))
    else:
        op.factor(op.scale(x) / op.scale(y))


def _sum_factor(factor: float, count: int) -> Factor:
    del count
    return quantize_multiplier(factor)


def _mean_factor(factor: float, count: int) -> Factor:
    """Divide the count out of the multiplier, cut off to an integer; the shift keeps its precision."""
    multiplier, shift = quantize_multiplier(factor)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def _reference(scaling: Callable[[float, int], Factor]) -> Callable[[KernelContext], list[Values]]:
    def compute(context: KernelContext) -> list[Values]:
        total, count = _total(context)
        return context.finished(requantize(total, *scaling(context.scale(0) / context.out_scale, count)))

    return compute


def _total(context: KernelContext) -> tuple[I64, int]:
    """The sum above the zero point as C's int32, and how many elements each has."""
    shape = context.tensor(0).shape
    axes = {axis % len(shape) for axis in context.integers(1)}
    count = math.prod(shape[axis] for axis in axes)
    total = context.value(0).sum(axis=tuple(axis + 1 for axis in axes)) - context.zero_point(0) * count
    return wrap32(total), count


def _extreme(pick: Callable[..., Values]) -> Callable[[KernelContext], list[Values]]:
    """Of the integers as they are."""

    def compute(context: KernelContext) -> list[Values]:
        rank = len(context.tensor(0).shape)
        return [pick(context.raw(0), axis=tuple({axis % rank + 1 for axis in context.integers(1)}))]

    return compute


def _lower(scaling: Callable[[float, int], Factor]) -> Callable[[GraphBuilder, OpToLower], None]:
    def lower(graph: GraphBuilder, op: OpToLower) -> None:
        x, out = graph.required(op.op.inputs[0], op.what), graph.buffer(op.op.outputs[0])
        assert out.tensor is not None
        factor = scale_of(op.tensor(0), op.what) / scale_of(out.tensor, op.what)
        graph.call(_call(op, x, out, scaling(factor, x.size // out.size)))

    return lower


def _call(op: OpToLower, x: Buffer, out: Buffer, factor: Factor) -> KernelCall:
    assert out.tensor is not None
    members = _axes(op, "summed") | {
        "offset": -zero_point_of(op.tensor(0), op.what) * (x.size // out.size),
        "multiplier": factor[0],
        "shift": factor[1],
        "output_zero_point": zero_point_of(out.tensor, op.what),
    }
    name = f"edgekd_sum_s{np.iinfo(out.dtype).bits}"
    layer = Struct(c_type="edgekd_sum", members=members)
    return KernelCall(kernel=name, function=name, op=op.op.kind, sources=[x], out=out, layer=layer)


def _lower_extreme(graph: GraphBuilder, op: OpToLower) -> None:
    x, out = graph.required(op.op.inputs[0], op.what), graph.buffer(op.op.outputs[0])
    largest: dict[str, Member] = {"largest": int(op.op.kind == "REDUCE_MAX")}
    layer = Struct(c_type="edgekd_extreme", members=_axes(op, "reduced") | largest)
    name = "edgekd_extreme_s8"
    graph.call(KernelCall(kernel=name, function=name, op=op.op.kind, sources=[x], out=out, layer=layer))


def _axes(op: OpToLower, title: str) -> dict[str, Member]:
    """Sizes and strides of the axes that are kept, and of those that are not."""
    shape = op.tensor(0).shape
    reduced = {axis % len(shape) for axis in op.integers(1)}
    axes = [(size, math.prod(shape[axis + 1 :])) for axis, size in enumerate(shape)]
    kept_axes = _filled(_joined([pair for axis, pair in enumerate(axes) if axis not in reduced]), KEPT, op.what)
    reduced_axes = _filled(_joined([pair for axis, pair in enumerate(axes) if axis in reduced]), REDUCED, op.what)
    return {
        "kept": _row(kept_axes, 0),
        "kept_strides": _row(kept_axes, 1),
        title: _row(reduced_axes, 0),
        f"{title}_strides": _row(reduced_axes, 1),
    }


def _joined(axes: Sequence[Axis]) -> list[Axis]:
    """Axes of more than one element, neighbors that run on as one."""
    joined: list[Axis] = []
    for size, stride in axes:
        if size == 1:
            continue
        if joined and joined[-1][1] == stride * size:
            size *= joined.pop()[0]
        joined.append((size, stride))
    return joined


def _filled(axes: list[Axis], count: int, what: str) -> list[Axis]:
    if len(axes) > count:
        raise ModelError(f"{what}: {len(axes)} separate axes, up to {count} are supported")
    return [(1, 1)] * (count - len(axes)) + axes


def _row(axes: Sequence[Axis], column: int) -> Struct:
    return Struct(c_type="int32_t", members={str(i): axis[column] for i, axis in enumerate(axes)})


OPTIONS = {"keep_dims": Option(0, "bool")}
LIMITS = "constant axes, of up to 4"

OPERATORS = (
    Operator(
        name="MEAN",
        resolver="AddMean",
        rule=_rule,
        reference=_reference(_mean_factor),
        lower=_lower(_mean_factor),
        options=OPTIONS,
        options_table=27,
        limits=LIMITS,
    ),
    Operator(
        name="SUM",
        resolver="AddSum",
        rule=_rule,
        reference=_reference(_sum_factor),
        lower=_lower(_sum_factor),
        options=OPTIONS,
        options_table=27,
        limits=LIMITS,
    ),
    Operator(
        name="REDUCE_MAX",
        resolver="AddReduceMax",
        rule=_rule,
        reference=_extreme(np.max),
        lower=_lower_extreme,
        options=OPTIONS,
        options_table=27,
        types="int8",
        limits=LIMITS,
    ),
    Operator(
        name="REDUCE_MIN",
        resolver="AddReduceMin",
        rule=_rule,
        reference=_extreme(np.min),
        lower=_lower_extreme,
        options=OPTIONS,
        options_table=27,
        types="int8",
        limits=LIMITS,
    ),
)
