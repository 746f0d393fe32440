"""CONCATENATION and PACK: operands one after another along an axis, which is new in PACK."""

import math

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.regions import place
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp, Shape
from edgekd.program.ops.operator import Operator, Option, activation

MOST_OPERANDS = 10


def _concatenation_rule(op: CheckedOp) -> None:
    op.count(range(1, MOST_OPERANDS + 1))
    parts, y = op.operands, op.result
    if op.same_type((*parts, y)):
        op.same_quant((*parts, y))
    if op.op.options["activation"] != "NONE":
        raise op.fail(f"a fused {op.op.options['activation']} is not supported")
    axis = op.axis(op.op.options["axis"], len(y.shape))
    for part in parts:
        if len(part.shape) != len(y.shape) or _without(part.shape, axis) != _without(y.shape, axis):
            raise op.fail(f"'{part.name}' of shape {list(part.shape)} does not fit {list(y.shape)} along axis {axis}")
    total = sum(part.shape[axis] for part in parts)
    if total != y.shape[axis]:
        raise op.fail(f"operands have {total} along axis {axis}, '{y.name}' has {y.shape[axis]}")


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _pack_rule(op: CheckedOp) -> None:
    parts = op.operands
    op.count([max(len(parts), 1)])
    op.copied((*parts, op.result))
    op.promised(len(parts))
    axis = op.axis(op.op.options["axis"], len(op.result.shape))
    for part in parts:
        op.shape(op.result, (*part.shape[:axis], len(parts), *part.shape[axis:]))


def _concatenation(context: KernelContext) -> list[Values]:
    """Join along an axis; all operands are on the output's quantization."""
    axis = context.op.options["axis"] % len(context.outputs[0].shape)
    return [np.concatenate(_same_windows([context.raw(i) for i in range(len(context))]), axis=axis + 1)]


def _pack(context: KernelContext) -> list[Values]:
    """Join operands of one shape along a new axis."""
    axis = context.op.options["axis"] % len(context.outputs[0].shape)
    return [np.stack(_same_windows([context.raw(i) for i in range(len(context))]), axis=axis + 1)]


def _same_windows(values: list[Values]) -> list[Values]:
    """Constants repeated for every window."""
    windows = max(map(len, values))
    return [np.broadcast_to(value, (windows, *value.shape[1:])) for value in values]


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    out = graph.buffer(op.op.outputs[0])
    axis = op.op.options["axis"] % len(out.shape)
    if math.prod(out.shape[:axis]) == 1:
        graph.join(op.op)
        return
    regions, start = [], 0
    row, within = math.prod(out.shape[axis:]), math.prod(out.shape[axis + 1 :])
    for position in range(len(op.tensors)):
        size = within * (op.tensor(position).shape[axis] if op.op.kind == "CONCATENATION" else 1)
        regions.append(place(out.size // row, size, row, start))
        start += size
    graph.fill(op.op, regions)


OPERATORS = (
    Operator(
        name="CONCATENATION",
        resolver="AddConcatenation",
        rule=_concatenation_rule,
        reference=_concatenation,
        lower=_lower,
        float32=True,
        moves=True,
        options={"axis": Option(0)} | activation(1),
        options_table=10,
        limits=f"one quantization, up to {MOST_OPERANDS} operands",
    ),
    Operator(
        name="PACK",
        resolver="AddPack",
        rule=_pack_rule,
        reference=_pack,
        lower=_lower,
        float32=True,
        moves=True,
        options={"count": Option(0), "axis": Option(1)},
        options_table=59,
    ),
)
