"""SOFTMAX over the last axis."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.fixed_point import exp_negative, one_over_one_plus
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import split_multiplier
from edgekd.program.lowering.ir import Array, Buffer, KernelCall, Struct
from edgekd.program.operands import KernelContext, Values, scale_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator, Option
from edgekd.program.requantize import (
    I64,
    doubling_high_mul,
    quantize_multiplier,
    requantize,
    requantize_up,
    round_half_away,
    rounding_shift_right,
)

F32 = NDArray[np.float32]
SUM_BITS = 12
"""Integer bits of the sum of exponentials."""
DIFFERENCE_BITS = 5
"""Integer bits of the difference to the largest input."""
LARGEST_SHIFT = 30


QUANTS = {
    ("int8", "int8"): (1 / 256, -128),
    ("int8", "int16"): (1 / 65536, -32768),
    ("int16", "int16"): (1 / 32768, 0),
}
"""Scale and zero point that the output must have, by the types of operand and output."""


def _rule(op: CheckedOp) -> None:
    op.count([1])
    x, y = op.operand(0), op.result
    op.shape(y, x.shape)
    if len(x.shape) < 1:
        raise op.fail("a single number has no axis")
    if not op.same_type((x,)):
        op.same_type((x, y))
        return
    if (x.dtype, y.dtype) not in QUANTS:
        raise op.fail(f"'{x.name}' is {x.dtype} and '{y.name}' {y.dtype}", hint="supported: int8 or int16 for both")
    op.fixed_quant(y, *QUANTS[x.dtype, y.dtype])
    scale, beta = op.scale(x), float(op.op.options["beta"])
    if not (math.isfinite(beta) and 2.0**-20 < scale * beta < 2.0**20):
        raise op.fail(f"beta {beta:.6g} with scale {scale:.3g} is out of range")


def _reference(context: KernelContext) -> list[Values]:
    """exp(beta (x - max)) / sum, from int8 to int8 or int16, or from int16 to int16."""
    x = context.value(0)
    difference = x - x.max(axis=-1, keepdims=True)
    beta = float(np.float32(context.op.options["beta"]))
    if context.tensor(0).dtype == "int16":
        return [_softmax_16(difference, context.scale(0) * beta)]
    bits = np.iinfo(context.outputs[0].dtype).bits
    return [_softmax_8(difference, context.scale(0) * beta, bits)]


def _softmax_8(difference: I64, scale: float, bits: int) -> I64:
    """Differences of int8 -> int8 or int16 from its lowest integer up. Exponentials in Q0, their sum in Q12."""
    exps = exponentials_8(difference, scale)
    total = rounding_shift_right(exps, SUM_BITS).sum(axis=-1, keepdims=True)
    length = np.frexp(total.astype(np.float64))[1].astype(np.int64)  # bits of the sum
    fraction = (total << (32 - length)) - (1 << 31)  # 1 + fraction in Q0 is the sum without its power of two
    y = doubling_high_mul(one_over_one_plus(fraction), exps)
    y = rounding_shift_right(y, length - (32 - SUM_BITS) + 31 - bits)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return np.clip(y + low, low, high)


def exponentials_8(difference: I64, scale: float) -> I64:
    """exp(scale * difference) in Q0 for differences of int8 to the largest; 0 where TFLite leaves them out."""
    multiplier, shift = quantize_multiplier(min(scale * 2.0 ** (31 - DIFFERENCE_BITS), 2.0**31 - 1))
    radius = int(np.floor((2**DIFFERENCE_BITS - 1) * 2.0 ** (31 - DIFFERENCE_BITS) / 2.0**shift))
    counts = difference >= -radius
    scaled = requantize_up(np.where(counts, difference, 0), multiplier, shift)
    return np.where(counts, exp_negative(scaled, DIFFERENCE_BITS), 0)


def _softmax_16(difference: I64, scale: float) -> I64:
    """Differences of int16 -> 1/32768, by two tables of 513 entries with interpolation."""
    exps = _interpolated(requantize(difference, *table_units_16(scale)) + 32767, exponential_table_16())
    total = exps.sum(axis=-1, keepdims=True)
    zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)  # leading zeros of an uint32
    shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
    reciprocal = _interpolated(shifted - ((1 << 15) + (1 << 16)), reciprocal_table_16())
    right = 31 - zeros
    return np.clip((exps * reciprocal + (np.int64(1) << (right - 1))) >> right, 0, 32767)


def table_units_16(scale: float) -> tuple[int, int]:
    """Multiplier and shift from differences to entries of the table, of which one stands for 10 / 65535."""
    return quantize_multiplier(scale / (10.0 / 65535.0))


def _interpolated(x: I64, table: I64) -> I64:
    """The table at x, which is saturated to int16; 128 steps between entries."""
    x = np.clip(x, -32768, 32767)
    index, offset = 256 + (x >> 7), x & 0x7F
    base = table[index]
    return base + (((table[index + 1] - base) * offset + 64) >> 7)


@lru_cache(maxsize=1)
def exponential_table_16() -> I64:
    """Return exp on [-10, 0]: 513 entries in 1/32768."""
    return _table(np.exp, -10, 0)


@lru_cache(maxsize=1)
def reciprocal_table_16() -> I64:
    """Return 1 / (1 + x) on [0, 1]: 513 entries in 1/32768."""
    return _table(lambda x: np.float32(1) / (np.float32(1) + x), 0, 1)


def _table(function: Callable[[F32], F32], start: int, stop: int) -> I64:
    """513 values of a function in 1/32768, half the error in the middle of each interval taken off (TFLite's gen_lut).

    In float32 throughout, as in C; `function` is rounded correctly to it.
    """

    def at(x: F32) -> F32:
        return function(x.astype(np.float64)).astype(np.float32) if function is np.exp else function(x)

    f32 = np.float32
    step = f32(stop - start) / f32(512)
    i = np.arange(512, dtype=np.float32)
    here, middle, following = (at(x) * f32(32768) for x in (
        f32(start) + i * step,
        f32(start) + i * step + step / f32(2),
        f32(start) + (i + f32(1)) * step,
    ))  # fmt: skip
    sample = round_half_away(here)
    between = round_half_away(((following + sample.astype(np.float32)) / f32(2)).astype(np.float32))
    bias = round_half_away(((between - round_half_away(middle)) / 2).astype(np.float32))
    last = round_half_away(at(np.array([stop], np.float32)) * f32(32768))
    return np.clip(np.concatenate([sample - bias, last]), -32768, 32767).astype(np.int64)


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    x, out = graph.required(op.op.inputs[0], op.what), graph.buffer(op.op.outputs[0])
    scale = scale_of(op.tensor(0), op.what) * float(np.float32(op.op.options["beta"]))
    size = op.tensor(0).shape[-1]
    layer = _of_8_bits(scale, x, size, out) if x.dtype == "int8" else _of_16_bits(scale, x, size, out, op.what)
    name = f"edgekd_softmax_s{np.iinfo(x.dtype).bits}"
    graph.call(KernelCall(kernel=name, function=name, op=op.op.kind, sources=[x], out=out, layer=layer))


def _of_8_bits(scale: float, x: Buffer, size: int, out: Buffer) -> Struct:
    table = exponentials_8(-np.arange(256, dtype=np.int64), scale)
    entries = int(np.count_nonzero(table))
    return Struct(
        c_type="edgekd_softmax",
        members={
            "exponentials": _array(out, "exponentials", "int32_t", table[:entries]),
            "entries": entries,
            "rows": x.size // size,
            "size": size,
            "bits": np.iinfo(out.dtype).bits,
        },
    )


def _of_16_bits(scale: float, x: Buffer, size: int, out: Buffer, what: str) -> Struct:
    multiplier, shift = table_units_16(scale)
    if shift > LARGEST_SHIFT:
        raise ModelError(f"{what}: '{out.name}' comes from a scale of {scale:.3g}, which is out of range")
    return Struct(
        c_type="edgekd_softmax_tables",
        members={
            "exponentials": _array(out, "exponentials", "int16_t", exponential_table_16()),
            "reciprocals": _array(out, "reciprocals", "int16_t", reciprocal_table_16()),
            "rows": x.size // size,
            "size": size,
            **split_multiplier(multiplier, shift),
        },
    )


def _array(out: Buffer, title: str, c_type: str, values: I64) -> Array:
    return Array(name=f"{out.name}_{title}", c_type=c_type, values=values, comment=f"{title} of SOFTMAX")


OPERATORS = (
    Operator(
        name="SOFTMAX",
        resolver="AddSoftmax",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        options={"beta": Option(0, "float32")},
        options_table=9,
        types="int8, int16, and int8 to int16",
    ),
)
