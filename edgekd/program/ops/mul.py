"""MUL."""

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, scaling
from edgekd.program.lowering.ir import ElementwiseOp, Operand
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, activation
from edgekd.program.requantize import quantize_multiplier, requantize


def _rule(op: CheckedOp) -> None:
    if op.binary():
        a, b, y = (op.scale(tensor) for tensor in (*op.operands, op.result))
        op.factor(a * b / y)


def _reference(context: KernelContext) -> list[Values]:
    """Multiply the integers, rescaled once."""
    factor = context.scale(0) * context.scale(1) / context.out_scale
    return context.finished(requantize(context.aligned(0) * context.aligned(1), *quantize_multiplier(factor)))


def _general(op: ElementwiseLowering) -> ElementwiseOp:
    operands: list[Operand | int] = []
    zeros: list[int] = []
    for position, tensor in enumerate(op.tensors):
        zero = op.zero(tensor)
        if tensor.data is None:
            operands.append(op.operand(position))
            zeros.append(zero)
        else:
            operands.append(op.constant(tensor.data.astype(np.int64) - zero, position, "int16_t"))
            zeros.append(0)
    factor = op.scale(op.tensors[0]) * op.scale(op.tensors[1]) / op.scale(op.result)
    return op.make("product", tuple(operands), zeros=zeros, zero=op.zero(op.result), scaling=scaling(factor))


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_general))


OPERATORS = (
    Operator(
        name="MUL",
        resolver="AddMul",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        options=activation(),
        options_table=21,
        limits="up to 6 axes where operands are broadcast",
    ),
)
