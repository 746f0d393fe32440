"""AVERAGE_POOL_2D and MAX_POOL_2D of x [1, H, W, C]; places outside of x are left out."""

from collections.abc import Callable

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.ir import KernelCall, Struct
from edgekd.program.lowering.weighted import padding_before
from edgekd.program.operands import KernelContext, Values, activation_limits, zero_point_of
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.conv_2d import images_of, patches_of
from edgekd.program.ops.operator import STRIDES, Operator, Option, activation
from edgekd.program.requantize import I64


def _rule(op: CheckedOp) -> None:
    op.count([1])
    x, y = op.operand(0), op.result
    for tensor in (x, y):
        op.rank(tensor, 4, 4)
    if op.same_type((x, y)):
        op.same_quant((x, y))
    op.window(x, y, op.op.options["filter_h"], op.op.options["filter_w"], x.shape[3])


def _average(context: KernelContext) -> list[Values]:
    """Take the mean of the integers, rounded half away from zero."""
    total = _patches(context, context.value(0), 0).sum(axis=(-2, -1))
    count = _patches(context, np.ones((1, 1, *context.tensor(0).shape[1:]), np.int64), 0).sum(axis=(-2, -1))
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return _finished(context, mean)


def _max(context: KernelContext) -> list[Values]:
    """Take the largest integer."""
    lowest = np.iinfo(context.tensor(0).dtype).min
    return _finished(context, _patches(context, context.value(0), lowest).max(axis=(-2, -1)))


def _patches(context: KernelContext, x: I64, fill: int) -> I64:
    options = context.op.options
    return patches_of(images_of(x), options["filter_h"], options["filter_w"], options, context.outputs[0].shape, fill)


def _finished(context: KernelContext, x: I64) -> list[Values]:
    """The integers are on the output's quantization already."""
    return context.finished(x - zero_point_of(context.outputs[0], context.what))


def _lower(kind: str) -> Callable[[GraphBuilder, OpToLower], None]:
    def lower(graph: GraphBuilder, op: OpToLower) -> None:
        x, out = graph.required(op.op.inputs[0], op.what), graph.buffer(op.op.outputs[0])
        assert out.tensor is not None
        options = op.op.options
        _, height, width, channels = op.tensor(0).shape
        _, out_height, out_width, _ = out.shape
        kernel = (options["filter_h"], options["filter_w"])
        before = [padding_before(options, axis, (height, width), (out_height, out_width), kernel) for axis in (0, 1)]
        low, high = activation_limits(out.tensor, options["activation"], op.what)
        layer = Struct(
            c_type="edgekd_pool_2d",
            members={
                "height": height,
                "width": width,
                "channels": channels,
                "out_height": out_height,
                "out_width": out_width,
                "kernel_height": kernel[0],
                "kernel_width": kernel[1],
                "stride_height": options["stride_h"],
                "stride_width": options["stride_w"],
                "top": before[0],
                "left": before[1],
                "low": low,
                "high": high,
            },
        )
        name = f"edgekd_{kind}_pool_s{np.iinfo(out.dtype).bits}"
        graph.by_image(KernelCall(kernel=name, function=name, op=op.op.kind, sources=[x], out=out, layer=layer))

    return lower


OPTIONS = STRIDES | {"filter_w": Option(3), "filter_h": Option(4)} | activation(5)
LIMITS = "one quantization"

OPERATORS = (
    Operator(
        name="AVERAGE_POOL_2D",
        resolver="AddAveragePool2D",
        rule=_rule,
        reference=_average,
        lower=_lower("average"),
        options=OPTIONS,
        options_table=5,
        limits=LIMITS,
    ),
    Operator(
        name="MAX_POOL_2D",
        resolver="AddMaxPool2D",
        rule=_rule,
        reference=_max,
        lower=_lower("max"),
        options=OPTIONS,
        options_table=5,
        limits=LIMITS,
    ),
)
