"""SQUARED_DIFFERENCE."""

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, scaling
from edgekd.program.lowering.ir import ElementwiseOp
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.requantize import quantize_multiplier, requantize

SPARE_BITS = {"int8": 7, "int16": 0}
"""Bits that the operands are shifted left by, for precision."""


def _rule(op: CheckedOp) -> None:
    if op.binary():
        a, b, y = (op.scale(tensor) for tensor in (*op.operands, op.result))
        op.factor((2 * max(a, b)) ** 2 / y / 4 ** SPARE_BITS[op.result.dtype])


def _reference(context: KernelContext) -> list[Values]:
    """As SUB with fewer spare bits, squared before it is brought back."""
    bits = SPARE_BITS[context.outputs[0].dtype]
    twice = 2 * max(context.scale(0), context.scale(1))
    a, b = (requantize(context.aligned(i) << bits, *quantize_multiplier(context.scale(i) / twice)) for i in (0, 1))
    # C multiplies the output's scale by the power of two in float, and both are exact
    factor = twice * twice / (4**bits * context.out_scale)
    return context.finished(requantize((a - b) ** 2, *quantize_multiplier(factor)))


def _general(op: ElementwiseLowering) -> ElementwiseOp:
    bits = SPARE_BITS[op.result.dtype]
    twice, operands, parts = op.aligned(bits)
    last = scaling(twice * twice / (4**bits * op.scale(op.result)))
    return op.make("squared_difference", operands, parts=parts, zero=op.zero(op.result), scaling=last)


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_general))


OPERATORS = (
    Operator(
        name="SQUARED_DIFFERENCE",
        resolver="AddSquaredDifference",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        limits="up to 6 axes where operands are broadcast",
    ),
)
