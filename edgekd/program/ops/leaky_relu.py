"""LEAKY_RELU and PRELU: another slope below zero, one for all or by element."""

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, scaling, split_multiplier
from edgekd.program.lowering.ir import ElementwiseOp
from edgekd.program.operands import KernelContext, Values, scale_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, Option
from edgekd.program.program import Tensor
from edgekd.program.requantize import quantize_multiplier, requantize

MOST_SLOPE = 2.0**15


def _leaky_factors(x: Tensor, y: Tensor, alpha: float, what: str) -> tuple[float, float]:
    """Factors above and below zero."""
    factor = scale_of(x, what) / scale_of(y, what)
    return factor, scale_of(x, what) * float(np.float32(alpha)) / scale_of(y, what)


def _leaky_rule(op: CheckedOp) -> None:
    if op.unary():
        alpha = float(op.op.options["alpha"])
        if not 0 <= alpha <= MOST_SLOPE:
            raise op.fail(f"alpha {alpha:.6g}, 0 to {MOST_SLOPE:.0f} is supported")
        for factor in _leaky_factors(op.operand(0), op.result, alpha, op.what):
            op.factor(factor, limit=2.0**15)


def _leaky(context: KernelContext) -> list[Values]:
    """Rescale by one of two factors."""
    alpha = float(context.op.options["alpha"])
    above, below = _leaky_factors(context.tensor(0), context.outputs[0], alpha, context.what)
    x = context.aligned(0)
    y = [requantize(x, *quantize_multiplier(factor)) for factor in (above, below)]
    return context.finished(np.where(x >= 0, *y))


def _leaky_general(op: ElementwiseLowering) -> ElementwiseOp:
    """Of int16, whose zero points are 0."""
    above, below = _leaky_factors(op.tensors[0], op.result, float(op.op.options["alpha"]), op.what)
    numbers = [number for factor in (above, below) for number in scaling(factor).values()]
    return op.call("edgekd_leaky_relu_s16", (op.operand(0),), *numbers)


def _lower_leaky(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_leaky_general))


def _prelu_rule(op: CheckedOp) -> None:
    if op.binary():
        x, alpha, y = op.operand(0), op.operand(1), op.result
        op.same_type((x, alpha, y), ("int8",))
        op.shape(y, x.shape)
        op.rank(y)
        if alpha.data is None:
            raise op.fail(f"'{alpha.name}' must be a constant")
        op.factor(op.scale(x) / op.scale(y), limit=2.0**15)
        op.factor(op.scale(x) * op.scale(alpha) / op.scale(y), limit=2.0**8)


def _prelu(context: KernelContext) -> list[Values]:
    """Multiply by alpha below zero."""
    x, alpha = context.aligned(0), context.aligned(1)
    above = quantize_multiplier(context.scale(0) / context.out_scale)
    below = quantize_multiplier(context.scale(0) * context.scale(1) / context.out_scale)
    return context.finished(np.where(x >= 0, requantize(x, *above), requantize(x * alpha, *below)))


def _prelu_general(op: ElementwiseLowering) -> ElementwiseOp:
    x, alpha = op.tensors
    assert alpha.data is not None
    slopes = op.constant(alpha.data.astype(np.int64) - op.zero(alpha), 1, "int16_t")
    above = split_multiplier(*quantize_multiplier(op.scale(x) / op.scale(op.result)))
    below = split_multiplier(*quantize_multiplier(op.scale(x) * op.scale(alpha) / op.scale(op.result)))
    numbers = [op.zero(x), *above.values(), *below.values(), op.zero(op.result)]
    return op.call("edgekd_prelu_s8", (op.operand(0), slopes), *numbers)


def _lower_prelu(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_prelu_general))


OPERATORS = (
    Operator(
        name="LEAKY_RELU",
        resolver="AddLeakyRelu",
        rule=_leaky_rule,
        reference=_leaky,
        lower=_lower_leaky,
        options={"alpha": Option(0, "float32")},
        options_table=75,
        limits="slopes of 0 and above",
    ),
    Operator(
        name="PRELU",
        resolver="AddPrelu",
        rule=_prelu_rule,
        reference=_prelu,
        lower=_lower_prelu,
        types="int8",
        limits="constant slopes",
    ),
)
