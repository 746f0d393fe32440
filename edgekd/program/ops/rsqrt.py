"""RSQRT."""

import math
from functools import lru_cache

import numpy as np

from edgekd.program.fixed_point import inverse_sqrt
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, split_multiplier
from edgekd.program.lowering.ir import ElementwiseOp
from edgekd.program.operands import KernelContext, Values, every_input, look_up, scale_of, table_of, zero_point_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.requantize import quantize_multiplier, requantize

SPARE_BITS = 20


def _rule(op: CheckedOp) -> None:
    if op.unary():
        op.factor(1 / (math.sqrt(op.scale(op.operand(0))) * op.scale(op.result)))


def _reference(context: KernelContext) -> list[Values]:
    """Zero gives the greatest integer, and so does what lies below it, where TFLite-Micro stops."""
    y = context.outputs[0]
    quants = (context.scale(0), context.zero_point(0), scale_of(y, context.what), zero_point_of(y, context.what))
    return [look_up(context.raw(0), _table(y.dtype, *quants))]


@lru_cache(maxsize=64)
def _table(dtype: str, scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> Values:
    """The result for every input: a root in fixed point with spare bits, then rescaled."""
    limits = np.iinfo(dtype)
    x = every_input(dtype) - zero_point
    root, shift = inverse_sqrt(np.maximum(x, 1))
    data = requantize(np.ones_like(x), root, shift + SPARE_BITS)
    multiplier, out_shift = quantize_multiplier(1 / (math.sqrt(scale) * out_scale))
    y = requantize(data, multiplier, out_shift - SPARE_BITS) + out_zero_point
    return table_of(np.where(x > 0, np.clip(y, limits.min, limits.max), limits.max), dtype)


def _general(op: ElementwiseLowering) -> ElementwiseOp:
    x = op.tensors[0]
    multiplier, shift = quantize_multiplier(1 / (math.sqrt(op.scale(x)) * op.scale(op.result)))
    scaling = split_multiplier(multiplier, shift - SPARE_BITS)
    return op.make(
        "rsqrt",
        (op.operand(0),),
        x_zero=op.zero(x),
        zero=op.zero(op.result),
        most=np.iinfo(op.result.dtype).max,
        scaling=scaling,
        sources=("edgekd_inverse_sqrt",),
    )


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_general))


OPERATORS = (
    Operator(
        name="RSQRT",
        resolver="AddRsqrt",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        limits="operands above zero; TFLite-Micro stops below",
    ),
)
