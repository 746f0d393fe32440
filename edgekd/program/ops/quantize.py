"""QUANTIZE from integers to integers of another quantization."""

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, scaling
from edgekd.program.lowering.ir import ElementwiseOp
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.requantize import quantize_multiplier, requantize


def _rule(op: CheckedOp) -> None:
    op.count([1])
    x, y = op.operand(0), op.result
    op.shape(y, x.shape)
    for tensor in (x, y):
        op.same_type((tensor,), ("int8", "int16"))
    op.factor(op.scale(x) / op.scale(y))


def _reference(context: KernelContext) -> list[Values]:
    """Rescale."""
    factor = context.scale(0) / context.out_scale
    return context.finished(requantize(context.aligned(0), *quantize_multiplier(factor)))


def rescaled(op: ElementwiseLowering) -> ElementwiseOp:
    """The operand on the result's quantization."""
    x = op.tensors[0]
    factor = op.scale(x) / op.scale(op.result)
    return op.make("rescale", (op.operand(0),), x_zero=op.zero(x), zero=op.zero(op.result), scaling=scaling(factor))


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=rescaled))


OPERATORS = (
    Operator(
        name="QUANTIZE",
        resolver="AddQuantize",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        types="int8, int16, and from one to the other",
    ),
)
