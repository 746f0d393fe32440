"""CONV_2D and DEPTHWISE_CONV_2D.

Sums of products are computed in float64, which is exact: with 16-bit activations and 8-bit weights 2^53 is reached
after 2^29 products, and the largest tensor is smaller.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering import weighted
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import STRIDES, Operator, Option, activation
from edgekd.program.program import Options, Tensor
from edgekd.program.requantize import I64, quantize_multipliers, requantize, requantize_wide, wrap32

F64 = NDArray[np.float64]


def _images(op: CheckedOp) -> tuple[Tensor, Tensor, Tensor]:
    op.count([2, 3])
    x, w, y = op.operand(0), op.operand(1), op.result
    for tensor in (x, w, y):
        op.rank(tensor, 4, 4)
    return x, w, y


def _conv_rule(op: CheckedOp) -> None:
    x, w, y = _images(op)
    outputs, _, _, depth = w.shape
    if x.shape[3] % depth or outputs % (x.shape[3] // depth):
        raise op.fail(f"{x.shape[3]} channels of '{x.name}' with weights '{w.name}' of shape {list(w.shape)}")
    op.window(x, y, w.shape[1], w.shape[2], outputs)
    op.weighted(outputs, 0, nibbles_per_channel=True)


def _depthwise_rule(op: CheckedOp) -> None:
    x, w, y = _images(op)
    multiplier = op.op.options["depth_multiplier"]
    if w.shape[0] != 1 or w.shape[3] != x.shape[3] * multiplier:
        raise op.fail(f"{x.shape[3]} channels times {multiplier} with weights '{w.name}' of shape {list(w.shape)}")
    op.window(x, y, w.shape[1], w.shape[2], w.shape[3])
    op.weighted(w.shape[3], 3, nibbles_per_channel=True)


def _conv(context: KernelContext) -> list[Values]:
    """Windows of x [B, 1, H, W, C] times weights [O, kh, kw, C / groups] -> [B, 1, H', W', O]."""
    weights = context.constant(1).astype(np.float64)
    outputs, height, width, depth = weights.shape
    patches = _patches(context, height, width)  # [B, H', W', C, kh, kw]
    groups = patches.shape[3] // depth
    split = patches.reshape(*patches.shape[:3], groups, depth, height, width)
    total = np.einsum("bhwgcij,goijc->bhwgo", split, weights.reshape(groups, -1, height, width, depth), optimize=True)
    return rescaled(context, total.reshape(-1, outputs))


def _depthwise(context: KernelContext) -> list[Values]:
    """Channel by channel: x [B, 1, H, W, C], weights [1, kh, kw, C * multiplier] -> [B, 1, H', W', C * multiplier]."""
    weights = context.constant(1).astype(np.float64)
    _, height, width, outputs = weights.shape
    patches = _patches(context, height, width)
    channels = patches.shape[3]
    kernel = weights.reshape(height, width, channels, -1)
    total = np.einsum("bhwcij,ijcm->bhwcm", patches, kernel, optimize=True)
    return rescaled(context, total.reshape(-1, outputs))


def rescaled(context: KernelContext, total: F64) -> list[Values]:
    """Sums of products [rows, channels] with their biases -> the output."""
    acc: I64 = total.astype(np.int64)
    if context.has(2):
        acc = acc + context.constant(2).astype(np.int64)
    multipliers, shifts = quantize_multipliers(_factors(context))
    if context.outputs[0].dtype == "int16":
        scaled = requantize_wide(acc, multipliers, shifts)
    else:
        scaled = requantize(wrap32(acc), multipliers, shifts)
    return context.finished(scaled)


def _factors(context: KernelContext) -> F64:
    """Real factors from sums of products to outputs: one, or one per output channel."""
    weights = context.tensor(1)
    if weights.quantization is None:
        raise ModelError(f"{context.what}: weights '{weights.name}' have no scale, is it a float model?")
    return np.asarray(context.scale(0) * weights.quantization.scale.astype(np.float64) / context.out_scale)


def _patches(context: KernelContext, height: int, width: int) -> F64:
    """The inputs under each place of the kernel, zero outside: [B, H', W', C, height, width]."""
    x = images_of(context.raw(0)).astype(np.float64) - context.zero_point(0)
    return patches_of(x, height, width, context.op.options, context.outputs[0].shape, 0.0)


def images_of(x: NDArray[Any]) -> NDArray[Any]:
    """All images of a batch of windows: [B, N, H, W, C] -> [B * N, H, W, C]."""
    return x.reshape(-1, *x.shape[2:])


def patches_of(
    x: NDArray[Any], height: int, width: int, options: Options, out: tuple[int, ...], fill: float
) -> NDArray[Any]:
    """Windows of x [B, H, W, C], filled outside of it: [B, H', W', C, height, width]. `out` is [1, H', W', ...]."""
    for axis, size in ((1, height), (2, width)):
        side = "hw"[axis - 1]
        stride, dilation = options[f"stride_{side}"], options.get(f"dilation_{side}", 1)
        reach = (size - 1) * dilation + 1
        needed = (out[axis] - 1) * stride + reach
        before = max(needed - x.shape[axis], 0) // 2 if options["padding"] == "SAME" else 0
        after = max(needed - before - x.shape[axis], 0)
        x = np.pad(x, [(before, after) if i == axis else (0, 0) for i in range(x.ndim)], constant_values=fill)
        x = np.lib.stride_tricks.sliding_window_view(x, reach, axis=axis)[..., ::dilation]
        x = x.take(np.arange(out[axis]) * stride, axis=axis)
    return x


def _lower_conv(graph: GraphBuilder, op: OpToLower) -> None:
    layer = weighted.layer_of(graph, op)
    graph.by_image(weighted.conv_2d(layer, graph.scratch(layer.out)))


def _lower_depthwise(graph: GraphBuilder, op: OpToLower) -> None:
    layer = weighted.layer_of(graph, op)
    graph.by_image(weighted.depthwise_conv_2d(layer, graph.scratch(layer.out)))


OPERATORS = (
    Operator(
        name="CONV_2D",
        resolver="AddConv2D",
        rule=_conv_rule,
        reference=_conv,
        lower=_lower_conv,
        options=STRIDES | activation(3) | {"dilation_w": Option(4, default=1), "dilation_h": Option(5, default=1)},
        options_table=1,
        types="int8 with int8 or int4 weights, int16 with int8 weights",
        limits="groups, strides and dilations of any size",
    ),
    Operator(
        name="DEPTHWISE_CONV_2D",
        resolver="AddDepthwiseConv2D",
        rule=_depthwise_rule,
        reference=_depthwise,
        lower=_lower_depthwise,
        options=STRIDES
        | {"depth_multiplier": Option(3)}
        | activation(4)
        | {"dilation_w": Option(5, default=1), "dilation_h": Option(6, default=1)},
        options_table=2,
        types="int8 with int8 or int4 weights, int16 with int8 weights",
    ),
)
