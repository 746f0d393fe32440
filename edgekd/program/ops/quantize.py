"""QUANTIZE and DEQUANTIZE: between real numbers and integers, and from one quantization to another."""

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, scaling
from edgekd.program.lowering.ir import ElementwiseOp, KernelCall, Member, Name, Real, Struct
from edgekd.program.operands import KernelContext, Values, look_up, scale_of, table_of, zero_point_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator
from edgekd.program.program import Tensor
from edgekd.program.requantize import quantize_multiplier, requantize, round_half_away

INTEGERS = ("int8", "int16", "uint8")
REFUSED = {("uint8", "int16"), ("int16", "uint8"), ("float32", "uint8"), ("uint8", "uint8")}
"""Types of operand and result that TFLite-Micro refuses."""


def _rule(op: CheckedOp) -> None:
    op.count([1])
    x, y = op.operand(0), op.result
    op.shape(y, x.shape)
    op.same_type((x,), (*INTEGERS, "float32"))
    op.same_type((y,), INTEGERS)
    if (x.dtype, y.dtype) in REFUSED:
        raise op.fail(f"'{x.name}' is {x.dtype} and '{y.name}' {y.dtype}", hint="TFLite-Micro does not convert these")
    if x.dtype != "float32":
        op.factor(op.scale(x) / op.scale(y))


def _reference(context: KernelContext) -> list[Values]:
    """Rescale, or round real numbers."""
    if "table" in context.op.options:  # of every int8, see lowering.islands
        return [look_up(context.raw(0), table_of(context.op.options["table"], "int8"))]
    if context.tensor(0).dtype == "float32":
        return [from_real(context.raw(0), context.outputs[0], context.what)]
    factor = context.scale(0) / context.out_scale
    return context.finished(requantize(context.aligned(0), *quantize_multiplier(factor)))


def from_real(real: Values, tensor: Tensor, what: str) -> Values:
    """The nearest integers, halves away from zero, saturated: the division in float32. NaN gives the least."""
    limits = np.iinfo(tensor.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = round_half_away(real.astype(np.float32) / np.float32(scale_of(tensor, what)))
    steps = np.where(np.isnan(steps), -np.inf, steps)
    return np.clip(steps + zero_point_of(tensor, what), limits.min, limits.max).astype(np.int64)


def to_real(integers: Values, tensor: Tensor, what: str) -> Values:
    """The real numbers that integers stand for, rounded to float32 once."""
    steps = integers.astype(np.int64) - zero_point_of(tensor, what)
    return steps.astype(np.float32) * np.float32(scale_of(tensor, what))


def rescaled(op: ElementwiseLowering) -> ElementwiseOp:
    """The operand on the result's quantization."""
    x = op.tensors[0]
    factor = op.scale(x) / op.scale(op.result)
    return op.make("rescale", (op.operand(0),), x_zero=op.zero(x), zero=op.zero(op.result), scaling=scaling(factor))


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    if op.tensor(0).dtype == "float32":
        _convert(graph, op, "edgekd_quantize_floats", op.outputs[0])
    else:
        graph.elementwise(op, Form(general=rescaled))


def _dequantize_rule(op: CheckedOp) -> None:
    op.count([1])
    x, y = op.operand(0), op.result
    op.shape(y, x.shape)
    op.same_type((x,), INTEGERS)
    op.same_type((y,), ("float32",))


def _dequantize(context: KernelContext) -> list[Values]:
    return [to_real(context.raw(0), context.tensor(0), context.what)]


def _lower_dequantize(graph: GraphBuilder, op: OpToLower) -> None:
    _convert(graph, op, "edgekd_dequantize_to_floats", op.tensor(0))


def _convert(graph: GraphBuilder, op: OpToLower, kernel: str, integers: Tensor) -> None:
    """A call that converts to or from the type and quantization of `integers`."""
    x, out = graph.required(op.op.inputs[0], op.what), graph.buffer(op.op.outputs[0])
    limits = np.iinfo(integers.dtype)
    members: dict[str, Member] = {
        "scale": Real(scale_of(integers, op.what)),
        "zero_point": zero_point_of(integers, op.what),
        "low": limits.min,
        "high": limits.max,
        "type": Name(f"EDGEKD_{integers.dtype.upper()}"),
        "count": out.size,
    }
    layer = Struct(c_type="edgekd_conversion", members=members)
    graph.call(KernelCall(kernel=kernel, function=kernel, op=op.op.kind, sources=[x], out=out, layer=layer))


OPERATORS = (
    Operator(
        name="QUANTIZE",
        resolver="AddQuantize",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        types="int8, int16, uint8, one to another; float32 to int8 and int16",
    ),
    Operator(
        name="DEQUANTIZE",
        resolver="AddDequantize",
        rule=_dequantize_rule,
        reference=_dequantize,
        lower=_lower_dequantize,
        float32=True,
        types="int8, int16, uint8 to float32",
    ),
)
