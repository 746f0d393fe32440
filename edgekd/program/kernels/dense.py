"""Operators with weights: FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D; and the windows that pooling shares.

Sums of products are computed in float64, which is exact: with 16-bit activations and 8-bit weights 2^53 is reached
after 2^29 products, and the largest tensor is smaller.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.operands import Call, Values
from edgekd.program.requantize import I64, quantize_multipliers, requantize, requantize_wide, wrap32

F64 = NDArray[np.float64]


def fully_connected(call: Call) -> list[Values]:
    """Y = (x - zp_x) W' + bias, rescaled per tensor or per output channel. x [B, ..., K], W [N, K] -> [B, ..., N]."""
    weights = call.constant(1).astype(np.float64)
    x = call.raw(0).reshape(-1, weights.shape[1]).astype(np.float64) - call.zero_point(0)
    return _rescaled(call, x @ weights.T)


def conv_2d(call: Call) -> list[Values]:
    """Windows of x [B, 1, H, W, C] times weights [O, kh, kw, C / groups] -> [B, 1, H', W', O]."""
    weights = call.constant(1).astype(np.float64)
    outputs, height, width, depth = weights.shape
    patches = _patches(call, height, width)  # [B, H', W', C, kh, kw]
    groups = patches.shape[3] // depth
    split = patches.reshape(*patches.shape[:3], groups, depth, height, width)
    total = np.einsum("bhwgcij,goijc->bhwgo", split, weights.reshape(groups, -1, height, width, depth), optimize=True)
    return _rescaled(call, total.reshape(-1, outputs))


def depthwise_conv_2d(call: Call) -> list[Values]:
    """Channel by channel: x [B, 1, H, W, C], weights [1, kh, kw, C * multiplier] -> [B, 1, H', W', C * multiplier]."""
    weights = call.constant(1).astype(np.float64)
    _, height, width, outputs = weights.shape
    patches = _patches(call, height, width)
    channels = patches.shape[3]
    kernel = weights.reshape(height, width, channels, -1)
    total = np.einsum("bhwcij,ijcm->bhwcm", patches, kernel, optimize=True)
    return _rescaled(call, total.reshape(-1, outputs))


def _factors(call: Call) -> F64:
    """Real factors from sums of products to outputs: one, or one per output channel."""
    weights = call.tensor(1)
    if weights.quantization is None:
        raise ModelError(f"{call.what}: weights '{weights.name}' have no scale, is it a float model?")
    return np.asarray(call.scale(0) * weights.quantization.scale.astype(np.float64) / call.out_scale)


def _rescaled(call: Call, total: F64) -> list[Values]:
    """Sums of products [rows, channels] with their biases -> the output."""
    acc: I64 = total.astype(np.int64)
    if call.has(2):
        acc = acc + call.constant(2).astype(np.int64)
    multipliers, shifts = quantize_multipliers(_factors(call))
    if call.outputs[0].dtype == "int16":
        scaled = requantize_wide(acc, multipliers, shifts)
    else:
        scaled = requantize(wrap32(acc), multipliers, shifts)
    return call.finished(scaled)


def _patches(call: Call, height: int, width: int) -> F64:
    """The inputs under each place of the kernel, zero outside: [B, H', W', C, height, width]."""
    x = call.raw(0)[:, 0].astype(np.float64) - call.zero_point(0)
    return windows(x, height, width, call.op.options, call.outputs[0].shape, 0.0)


def windows(
    x: NDArray[Any], height: int, width: int, options: dict[str, Any], out: tuple[int, ...], fill: float
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
