"""RESHAPE."""

import math

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator


def _rule(op: CheckedOp) -> None:
    op.count([1, 2])
    x, y = op.operand(0), op.result
    op.copied((x, y))
    if math.prod(x.shape) != math.prod(y.shape):
        raise op.fail(f"'{x.name}' of shape {list(x.shape)} has other elements than '{y.name}' of {list(y.shape)}")


def _reference(context: KernelContext) -> list[Values]:
    """Return the same values; the caller gives them the output's shape."""
    return [context.raw(0)]


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.view(op.op.outputs[0], graph.required(op.op.inputs[0], op.what), 0)


OPERATORS = (Operator(name="RESHAPE", resolver="AddReshape", rule=_rule, reference=_reference, lower=_lower),)
