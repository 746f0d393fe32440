"""MAXIMUM and MINIMUM, of the integers as they are, and ABS."""

from collections.abc import Callable

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, scaling
from edgekd.program.lowering.ir import ElementwiseOp, Operand
from edgekd.program.operands import KernelContext, Values, scale_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.program import Tensor
from edgekd.program.requantize import quantize_multiplier, requantize


def _rule(op: CheckedOp) -> None:
    if op.binary():
        op.rank(op.result, 4, 0)
        op.same_quant((*op.operands, op.result))


def _reference(pick: Callable[[Values, Values], Values]) -> Callable[[KernelContext], list[Values]]:
    def compute(context: KernelContext) -> list[Values]:
        a, b = (context.aligned(position) + context.zero_point(position) for position in (0, 1))
        return [pick(a, b)]

    return compute


def _lower(function: str) -> Callable[[GraphBuilder, OpToLower], None]:
    def general(op: ElementwiseLowering) -> ElementwiseOp:
        operands: list[Operand | int] = []
        for position, tensor in enumerate(op.tensors):
            if tensor.data is None:
                operands.append(op.operand(position))
            else:
                operands.append(op.constant(tensor.data.astype(np.int64), position, f"{tensor.dtype}_t"))
        return op.call(function, tuple(operands))

    return lambda graph, op: graph.elementwise(op, Form(general=general))


def _abs_factor(x: Tensor, y: Tensor, what: str) -> float:
    return scale_of(x, what) / scale_of(y, what)


def _abs_rule(op: CheckedOp) -> None:
    if op.unary():
        op.factor(_abs_factor(op.operand(0), op.result, op.what), limit=2.0**15)


def _abs(context: KernelContext) -> list[Values]:
    """Rescale what is left without the sign."""
    factor = _abs_factor(context.tensor(0), context.outputs[0], context.what)
    return context.finished(requantize(np.abs(context.aligned(0)), *quantize_multiplier(factor)))


def _abs_general(op: ElementwiseLowering) -> ElementwiseOp:
    """Of int16, whose zero points are 0."""
    factor = _abs_factor(op.tensors[0], op.result, op.what)
    return op.call("edgekd_abs_s16", (op.operand(0),), *scaling(factor).values())


def _lower_abs(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_abs_general))


OPERATORS = (
    Operator(
        name="MAXIMUM",
        resolver="AddMaximum",
        rule=_rule,
        reference=_reference(np.maximum),
        lower=_lower("edgekd_maximum"),
        limits="one quantization, up to 4 axes",
    ),
    Operator(
        name="MINIMUM",
        resolver="AddMinimum",
        rule=_rule,
        reference=_reference(np.minimum),
        lower=_lower("edgekd_minimum"),
        limits="one quantization, up to 4 axes",
    ),
    Operator(name="ABS", resolver="AddAbs", rule=_abs_rule, reference=_abs, lower=_lower_abs),
)
