"""LOGISTIC and TANH."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from edgekd.program.fixed_point import logistic_16, logistic_q4, tanh_16, tanh_q4
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form
from edgekd.program.lowering.ir import ElementwiseOp
from edgekd.program.operands import KernelContext, Values, every_input, look_up, table_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.requantize import I64, quantize_multiplier, requantize, rounding_shift_right

FIXED_QUANTS = {
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("LOGISTIC", "int16"): (1 / 32768, 0),
    ("TANH", "int8"): (1 / 128, 0),
    ("TANH", "int16"): (1 / 32768, 0),
}
"""Scale and zero point that the output must have."""
POWERS = {"LOGISTIC": (0,), "TANH": (0, 1)}
"""Powers of two times 2^-12, near which TFLite takes an int16 scale for exactly that."""


def _rule(op: CheckedOp) -> None:
    if op.unary():
        x, y = op.operand(0), op.result
        op.fixed_quant(y, *FIXED_QUANTS[op.op.kind, y.dtype])
        scale = op.scale(x)
        if not 2.0**-27 <= scale <= 1:
            raise op.fail(f"'{x.name}' has scale {scale:.3g}, 2^-27 to 1 is supported")


def _reference(context: KernelContext) -> list[Values]:
    """Look up each element in a table of all inputs."""
    x = context.tensor(0)
    return [look_up(context.raw(0), _table(context.op.kind, x.dtype, context.scale(0), context.zero_point(0)))]


@lru_cache(maxsize=64)
def _table(kind: str, dtype: str, scale: float, zero_point: int) -> Values:
    """The result for every input, on its fixed quantization."""
    if dtype == "int16":
        function = logistic_16 if kind == "LOGISTIC" else tanh_16
        return table_of(function(_scaled_16(scale, *POWERS[kind])), dtype)
    x, inside = _scaled_q4(scale, zero_point)
    if kind == "LOGISTIC":
        y = rounding_shift_right(logistic_q4(x), 31 - 8) - 128
    else:
        y = rounding_shift_right(tanh_q4(x), 31 - 7)
    y = np.clip(y, -128, 127)
    return table_of(np.where(inside == 0, y, np.where(inside < 0, -128, 127)), dtype)


def _scaled_q4(scale: float, zero_point: int) -> tuple[I64, I64]:
    """All int8 inputs in Q4, and -1 or 1 where one lies beyond what Q4 holds (TFLite's input_range_radius)."""
    multiplier, shift = quantize_multiplier(scale * 2.0 ** (31 - 4))
    radius = int(np.floor(15 * 2.0 ** (31 - 4) / 2.0**shift))
    x = every_input("int8") - zero_point
    inside = np.where(x <= -radius, -1, np.where(x >= radius, 1, 0))
    return requantize(np.where(inside == 0, x, 0), multiplier, shift), inside


def _scaled_16(scale: float, *powers: int) -> I64:
    """All int16 inputs in units of 1 / (3 * 4096), by a factor of 15 bits, or 3 << power near 2^(power - 12)."""
    return scaled_by(every_input("int16"), *scaling_16(scale, *powers))


def scaled_by(x: I64, multiplier: int, shift: int) -> I64:
    """X * multiplier / 2^shift, halves rounded up."""
    return (x * multiplier + ((1 << shift) >> 1)) >> shift


def scaling_16(scale: float, *powers: int) -> tuple[int, int]:
    """Factor, of up to 15 bits, and shift from int16 to units of 1 / (3 * 4096)."""
    exponent = math.log2(scale) + 12
    for power in powers:  # near enough to a power of two for TFLite
        if abs(exponent - power) < 1e-3:
            return 3 << power, 0
    factor, shift = scale * 4096 * 3, 0
    while factor <= 32767 / 2 and shift <= 30:
        factor, shift = factor * 2, shift + 1
    return int(factor), shift


def _general(function: str) -> Callable[[ElementwiseLowering], ElementwiseOp]:
    def general(op: ElementwiseLowering) -> ElementwiseOp:
        multiplier, shift = scaling_16(op.scale(op.tensors[0]), *POWERS[op.op.kind])
        return op.call(function, (op.operand(0),), multiplier, shift, sources=("edgekd_sigmoid_table",))

    return general


def _lower(function: str) -> Callable[[GraphBuilder, OpToLower], None]:
    return lambda graph, op: graph.elementwise(op, Form(general=_general(function)))


OPERATORS = (
    Operator(
        name="LOGISTIC",
        resolver="AddLogistic",
        rule=_rule,
        reference=_reference,
        lower=_lower("edgekd_logistic_s16"),
        limits="scales of 2^-27 to 1",
    ),
    Operator(
        name="TANH",
        resolver="AddTanh",
        rule=_rule,
        reference=_reference,
        lower=_lower("edgekd_tanh_s16"),
        limits="scales of 2^-27 to 1",
    ),
)
