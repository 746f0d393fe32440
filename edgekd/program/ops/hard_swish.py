"""HARD_SWISH and ELU, functions of one int8 that become tables."""

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import Form, only_tables
from edgekd.program.operands import KernelContext, Values, every_input, look_up, scale_of, table_of, zero_point_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.program import Tensor
from edgekd.program.requantize import I64, quantize_multiplier, round_half_away, rounding_shift_right

INT16_MAX = 2**15 - 1
Factor = tuple[int, int]


def _unary_int8(op: CheckedOp) -> None:
    if op.unary():
        op.same_type((op.operand(0), op.result), ("int8",))
        for tensor in (op.operand(0), op.result):
            if not 2.0**-60 <= op.scale(tensor) <= 2.0**60:
                raise op.fail(f"'{tensor.name}' has scale {op.scale(tensor):.3g}, 2^-60 to 2^60 is supported")


def _hard_swish_rule(op: CheckedOp) -> None:
    _unary_int8(op)
    if op.result.dtype == "int8":
        (_, output_shift), _ = _factors(op.operand(0), op.result, op.what)
        if output_shift > 0:
            raise op.fail(f"'{op.operand(0).name}' has a scale of more than 128 times that of '{op.result.name}'")


def _factors(x: Tensor, y: Tensor, what: str) -> tuple[Factor, Factor]:
    """Multipliers of 16 bits and exponents: to the output, and to units of 3 / 2^15."""
    fine = scale_of(x, what) / 128
    pairs = [quantize_multiplier(fine / unit) for unit in (scale_of(y, what), 3 / 2**15)]
    (output, output_shift), (relu, relu_shift) = pairs
    return (_upper_half(output), output_shift), (_upper_half(relu), relu_shift)


def _upper_half(multiplier: int) -> int:
    return INT16_MAX if multiplier >= 2**31 - 1 - 2**15 else (multiplier + 2**15) >> 16


def _hard_swish(context: KernelContext) -> list[Values]:
    """X * relu6(x + 3) / 6 in 16-bit fixed point (tensorflow/lite/kernels/internal/reference/hard_swish.h)."""
    x, y = context.tensor(0), context.outputs[0]
    (output, output_shift), (relu, relu_shift) = _factors(x, y, context.what)
    fine = (every_input("int8") - context.zero_point(0)) * 128
    on_output = _rounding_high(fine, output)
    ramp = fine
    if relu_shift > 0:
        ramp = _saturated(ramp << (relu_shift - 1))
    ramp = _rounding_high(ramp, relu)
    if relu_shift > 0:
        ramp = _saturated(ramp << 1)
    if relu_shift < 0:
        ramp = rounding_shift_right(ramp, -relu_shift)
    ramp = (ramp + (1 << 15)) >> 1
    product = ramp * on_output
    high = np.sign(product) * (np.abs(product) >> 15)  # C's division
    result = rounding_shift_right(high, -output_shift) + zero_point_of(y, context.what)
    return [look_up(context.raw(0), table_of(np.clip(result, -128, 127), "int8"))]


def _rounding_high(a: I64, b: int) -> I64:
    """A * b / 2^15, rounded half away from zero, in 16 bits."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return _saturated(np.sign(nudged) * (np.abs(nudged) >> 15))


def _saturated(x: I64) -> I64:
    return np.clip(x, -INT16_MAX - 1, INT16_MAX)


def _elu(context: KernelContext) -> list[Values]:
    """exp(x) - 1 below zero, in float32, rounded once."""
    x, y = context.tensor(0), context.outputs[0]
    real = (np.float32(scale_of(x, context.what)) * (every_input("int8") - context.zero_point(0))).astype(np.float32)
    below = np.exp(np.minimum(real, 0).astype(np.float64)).astype(np.float32) - np.float32(1)
    inverse = np.float32(1) / np.float32(scale_of(y, context.what))
    steps = round_half_away(np.where(real < 0, below, real) * inverse)
    result = np.clip(steps + zero_point_of(y, context.what), -128, 127)
    return [look_up(context.raw(0), table_of(result, "int8"))]


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.elementwise(op, Form(general=only_tables))


OPERATORS = (
    Operator(
        name="HARD_SWISH",
        resolver="AddHardSwish",
        rule=_hard_swish_rule,
        reference=_hard_swish,
        lower=_lower,
        types="int8",
    ),
    Operator(name="ELU", resolver="AddElu", rule=_unary_int8, reference=_elu, lower=_lower, types="int8"),
)
