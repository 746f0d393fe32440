"""ADD and SUB."""

from collections.abc import Callable

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, scaling
from edgekd.program.lowering.ir import ElementwiseOp
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, activation
from edgekd.program.requantize import quantize_multiplier, requantize

SPARE_BITS = {"int8": 20, "int16": 15}
"""Bits that the operands are shifted left by, for precision."""


def _rule(op: CheckedOp) -> None:
    if op.binary():
        a, b, y = (op.scale(tensor) for tensor in (*op.operands, op.result))
        op.factor(2 * max(a, b) / (2 ** SPARE_BITS[op.result.dtype] * y), limit=1)


def _reference(sign: int) -> Callable[[KernelContext], list[Values]]:
    """Both operands are brought to twice the larger scale with spare bits, added, and brought back."""

    def compute(context: KernelContext) -> list[Values]:
        bits = SPARE_BITS[context.outputs[0].dtype]
        twice = 2 * max(context.scale(0), context.scale(1))
        a, b = (requantize(context.aligned(i) << bits, *quantize_multiplier(context.scale(i) / twice)) for i in (0, 1))
        factor = twice / (2**bits * context.out_scale)
        return context.finished(requantize(a + sign * b, *quantize_multiplier(factor)))

    return compute


def _lower(sign: int) -> Callable[[GraphBuilder, OpToLower], None]:
    def general(op: ElementwiseLowering) -> ElementwiseOp:
        bits = SPARE_BITS[op.result.dtype]
        twice, operands, parts = op.aligned(bits)
        last = scaling(twice / (2**bits * op.scale(op.result)))
        return op.make(
            "sum", operands, parts=parts, sign="+" if sign > 0 else "-", zero=op.zero(op.result), scaling=last
        )

    return lambda graph, op: graph.elementwise(op, Form(general=general, signs=(1, sign)))


OPERATORS = (
    Operator(
        name="ADD",
        resolver="AddAdd",
        rule=_rule,
        reference=_reference(1),
        lower=_lower(1),
        options=activation(),
        options_table=11,
        limits="up to 6 axes where operands are broadcast",
    ),
    Operator(
        name="SUB",
        resolver="AddSub",
        rule=_rule,
        reference=_reference(-1),
        lower=_lower(-1),
        options=activation(),
        options_table=28,
        limits="up to 6 axes where operands are broadcast",
    ),
)
