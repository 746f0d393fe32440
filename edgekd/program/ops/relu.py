"""RELU, RELU6, and RELU_N1_TO_1, which TFLite-Micro has in fused form only."""

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form
from edgekd.program.lowering.ir import ElementwiseOp
from edgekd.program.operands import KernelContext, Values, scale_of, zero_point_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.ops.quantize import rescaled
from edgekd.program.program import Tensor
from edgekd.program.requantize import quantize_multiplier, requantize, round_half_away


def _relu_rule(op: CheckedOp) -> None:
    if op.unary():
        op.factor(op.scale(op.operand(0)) / op.scale(op.result))


def _relu(context: KernelContext) -> list[Values]:
    """Rescale to the output's quantization, no less than its zero."""
    x = requantize(context.aligned(0), *quantize_multiplier(context.scale(0) / context.out_scale))
    return context.finished(np.maximum(x, 0))


def _relu_general(op: ElementwiseLowering) -> ElementwiseOp:
    return op.clamped(rescaled(op), max(op.low, op.zero(op.result)), op.high)


def _relu_lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_relu_general))


def _relu6_rule(op: CheckedOp) -> None:
    if op.unary():
        x = op.operand(0)
        op.same_quant((x, op.result))
        scale, zero_point = op.quant(x)
        if 6 / scale + zero_point >= np.iinfo(x.dtype).max + 0.5:
            raise op.fail(f"6 does not fit the grid of '{x.name}' with scale {scale:.6g} and zero point {zero_point}")


def _relu6(context: KernelContext) -> list[Values]:
    """Clamp on the operand's own quantization: TFLite-Micro does not rescale here."""
    return [np.clip(context.raw(0), *_relu6_limits(context.tensor(0), context.what))]


def _relu6_limits(x: Tensor, what: str) -> tuple[int, int]:
    """0 and 6 as integers of the operand."""
    zero = zero_point_of(x, what)
    six = int(round_half_away(np.float32(6) / np.float32(scale_of(x, what)))) + zero
    return zero, min(six, int(np.iinfo(x.dtype).max))


def _relu6_general(op: ElementwiseLowering) -> ElementwiseOp:
    return op.clamped(op.make("clamp", (op.operand(0),)), *_relu6_limits(op.tensors[0], op.what))


def _relu6_lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=_relu6_general))


def _absent(op: CheckedOp) -> None:
    raise op.fail("TFLite-Micro has no such operator", hint="RELU, RELU6, or a fused RELU_N1_TO_1 are supported")


def _never(*_: object) -> list[Values]:
    raise AssertionError("its rule refuses every use")


def _never_lowered(*_: object) -> None:
    raise AssertionError("its rule refuses every use")


OPERATORS = (
    Operator(name="RELU", resolver="AddRelu", rule=_relu_rule, reference=_relu, lower=_relu_lower),
    Operator(
        name="RELU6",
        resolver="AddRelu6",
        rule=_relu6_rule,
        reference=_relu6,
        lower=_relu6_lower,
        limits="one quantization for operand and result, as TFLite-Micro takes it to be",
    ),
    Operator(
        name="RELU_N1_TO_1", resolver="", rule=_absent, reference=_never, lower=_never_lowered, types="fused only"
    ),
)
