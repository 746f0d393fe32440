"""The NumPy twin: runs a Program over a batch of windows, equal to TFLite-Micro to the last bit.

It is the specification of the numbers in readable form: one function per operator. Values are int64 arrays [B, ...]
while an operator computes, and have the tensor's own type between operators. Arithmetic is that of TFLite's reference
kernels (tensorflow/lite/kernels/internal/reference), which TFLite-Micro shares.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.program.fixed_point import logistic_16, logistic_q4, tanh_16, tanh_q4
from edgekd.program.program import Op, Program, Tensor
from edgekd.program.requantize import (
    I64,
    quantize_multiplier,
    quantize_multipliers,
    requantize,
    requantize_wide,
    rounding_shift_right,
    wrap32,
)

Values = NDArray[Any]


def run(program: Program, inputs: Sequence[Values]) -> list[Values]:
    """Run over a batch: inputs [B, ...] of the graph's types -> outputs [B, ...]. ModelError for other types."""
    if len(inputs) != len(program.inputs):
        raise ModelError(f"the graph has {len(program.inputs)} inputs, {len(inputs)} were given")
    values: dict[int, Values] = {}
    for index, value in zip(program.inputs, inputs, strict=True):
        tensor = program.tensors[index]
        if value.dtype != tensor.dtype or value.shape[1:] != tensor.shape[1:]:
            raise ModelError(
                f"input '{tensor.name}' is {tensor.dtype} [B, {', '.join(map(str, tensor.shape[1:]))}], "
                f"got {value.dtype} {list(value.shape)}"
            )
        values[index] = value
    for position, op in enumerate(program.ops):
        what = f"operator {position} ({op.kind})"
        outputs = _function(op, what)(_Call(program, op, values, what))
        for index, result in zip(op.outputs, outputs, strict=True):
            tensor = program.tensors[index]
            values[index] = result.astype(tensor.dtype).reshape(-1, *tensor.shape[1:])
    return [values[index] for index in program.outputs]


class _Call:
    """The operands of one operator: tensors by position, and their values."""

    def __init__(self, program: Program, op: Op, values: dict[int, Values], what: str) -> None:
        self.op, self.what = op, what
        self.inputs = [program.tensors[i] if i >= 0 else None for i in op.inputs]
        self.outputs = [program.tensors[i] for i in op.outputs]
        self._values = [values.get(i, program.tensors[i].data) if i >= 0 else None for i in op.inputs]

    def value(self, position: int) -> I64:
        """An operand as int64; a constant keeps its own leading axis."""
        return self.raw(position).astype(np.int64)

    def raw(self, position: int) -> Values:
        value = self._values[position]
        if value is None:
            raise ModelError(f"{self.what}: operand {position} has no value")
        return value

    def tensor(self, position: int) -> Tensor:
        tensor = self.inputs[position] if position < len(self.inputs) else None
        if tensor is None:
            raise ModelError(f"{self.what}: operand {position} is missing")
        return tensor

    def has(self, position: int) -> bool:
        return position < len(self.inputs) and self.inputs[position] is not None


def _function(op: Op, what: str) -> Callable[[_Call], list[Values]]:
    if op.kind not in FUNCTIONS:
        raise ModelError(f"{what} is not known to the twin", hint=f"known: {', '.join(sorted(FUNCTIONS))}")
    return FUNCTIONS[op.kind]


def scale_of(tensor: Tensor, what: str) -> float:
    """The scale of a tensor that has one, as the double C computes with."""
    if tensor.quantization is None or len(tensor.quantization.scale) != 1:
        raise ModelError(f"{what}: '{tensor.name}' must have one scale, is it a float model?")
    return float(tensor.quantization.scale[0])


def zero_point_of(tensor: Tensor, what: str) -> int:
    """The zero point of a tensor that has one scale."""
    scale_of(tensor, what)
    assert tensor.quantization is not None
    return int(tensor.quantization.zero_point[0])


def activation_limits(tensor: Tensor, activation: str, what: str) -> tuple[int, int]:
    """The integers between which a fused activation clamps."""
    limits = np.iinfo(tensor.dtype)
    low, high = int(limits.min), int(limits.max)
    if activation == "NONE":
        return low, high
    scale, zero_point = np.float32(scale_of(tensor, what)), zero_point_of(tensor, what)

    def at(real: float) -> int:  # TFLite's Quantize: round half away from zero, in float
        value = np.float32(real) / scale
        return zero_point + int(np.trunc(value + np.copysign(np.float32(0.5), value)))

    bounds = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}[activation]
    return max(low, at(bounds[0])), high if bounds[1] is None else min(high, at(bounds[1]))


def _clamped(call: _Call, x: I64) -> list[Values]:
    low, high = activation_limits(call.outputs[0], call.op.options.get("activation", "NONE"), call.what)
    return [np.clip(x, low, high)]


def _fully_connected(call: _Call) -> list[Values]:
    """Y = clamp(zp_y + requantize(sum (x - zp_x) (w - zp_w) + bias)), per output channel where the weights are."""
    x, weights, y = call.tensor(0), call.tensor(1), call.outputs[0]
    q = weights.quantization
    if q is None:
        raise ModelError(f"{call.what}: weights '{weights.name}' have no scale, is it a float model?")
    w = call.raw(1).astype(np.float64) - np.broadcast_to(q.zero_point, (len(call.raw(1)),))[:, None]
    flat = call.raw(0).reshape(-1, w.shape[1]).astype(np.float64) - zero_point_of(x, call.what)
    total = (flat @ w.T).astype(np.int64)  # exact: far below 2^53
    if call.has(2):
        total = total + call.value(2)
    factors = scale_of(x, call.what) * q.scale.astype(np.float64) / scale_of(y, call.what)
    multipliers, shifts = quantize_multipliers(factors)
    if x.dtype == "int16":
        scaled = requantize_wide(total, multipliers, shifts)
    else:
        scaled = requantize(wrap32(total), multipliers, shifts)
    return _clamped(call, scaled + zero_point_of(y, call.what))


def _add_or_sub(sign: int) -> Callable[[_Call], list[Values]]:
    """Both operands are brought to twice the larger scale with 20 (int16: 15) spare bits, added, and brought back."""

    def compute(call: _Call) -> list[Values]:
        y = call.outputs[0]
        bits = 15 if y.dtype == "int16" else 20
        scales = [scale_of(call.tensor(i), call.what) for i in (0, 1)]
        twice = 2 * max(scales)
        parts = []
        for i in (0, 1):
            multiplier, shift = quantize_multiplier(scales[i] / twice)
            shifted = (call.value(i) - zero_point_of(call.tensor(i), call.what)) << bits
            parts.append(requantize(shifted, multiplier, shift))
        multiplier, shift = quantize_multiplier(twice / (2**bits * scale_of(y, call.what)))
        total = requantize(parts[0] + sign * parts[1], multiplier, shift)
        return _clamped(call, total + zero_point_of(y, call.what))

    return compute


def _mul(call: _Call) -> list[Values]:
    """Y = clamp(zp_y + requantize((a - zp_a) (b - zp_b)))."""
    y = call.outputs[0]
    a, b = (call.value(i) - zero_point_of(call.tensor(i), call.what) for i in (0, 1))
    factor = scale_of(call.tensor(0), call.what) * scale_of(call.tensor(1), call.what) / scale_of(y, call.what)
    return _clamped(call, requantize(a * b, *quantize_multiplier(factor)) + zero_point_of(y, call.what))


def _logistic(call: _Call) -> list[Values]:
    return [_looked_up(call, _logistic_table)]


def _tanh(call: _Call) -> list[Values]:
    return [_looked_up(call, _tanh_table)]


def _looked_up(call: _Call, table: Callable[[str, float, int], Values]) -> Values:
    """A function of one operand with a fixed output grid, through the table of all its inputs."""
    x = call.tensor(0)
    entries = table(x.dtype, scale_of(x, call.what), zero_point_of(x, call.what))
    return entries[call.raw(0).astype(np.int64) - np.iinfo(x.dtype).min]


@lru_cache(maxsize=64)
def _logistic_table(dtype: str, scale: float, zero_point: int) -> Values:
    """LOGISTIC of every int8 or int16 input."""
    if dtype == "int16":
        return logistic_16(_scaled_16(scale)).astype(np.int16)
    x, inside = _scaled_q4(scale, zero_point)
    y = np.clip(rounding_shift_right(logistic_q4(x), 31 - 8) - 128, -128, 127)
    return np.where(inside == 0, y, np.where(inside < 0, -128, 127)).astype(np.int8)


@lru_cache(maxsize=64)
def _tanh_table(dtype: str, scale: float, zero_point: int) -> Values:
    """TANH of every int8 or int16 input."""
    if dtype == "int16":
        return tanh_16(_scaled_16(scale)).astype(np.int16)
    x, inside = _scaled_q4(scale, zero_point)
    y = np.clip(rounding_shift_right(tanh_q4(x), 31 - 7), -128, 127)
    return np.where(inside == 0, y, np.where(inside < 0, -128, 127)).astype(np.int8)


def _scaled_q4(scale: float, zero_point: int) -> tuple[I64, I64]:
    """All int8 inputs in Q4, and -1 or 1 where one lies beyond what Q4 holds (TFLite's input_range_radius)."""
    multiplier, shift = quantize_multiplier(scale * 2.0 ** (31 - 4))
    radius = int(np.floor(15 * 2.0 ** (31 - 4) / 2.0**shift))
    x = np.arange(-128, 128, dtype=np.int64) - zero_point
    inside = np.where(x <= -radius, -1, np.where(x >= radius, 1, 0))
    return requantize(np.where(inside == 0, x, 0), multiplier, shift), inside


def _scaled_16(scale: float) -> I64:
    """All int16 inputs in units of 1 / (3 * 4096), by a multiplier cut off at 15 bits."""
    x = np.arange(-32768, 32768, dtype=np.int64)
    if abs(math.log2(scale) + 12) < 1e-3:  # near enough to a power of two for TFLite
        return x * 3
    factor, shift = scale * 4096 * 3, 0
    while factor <= 32767 / 2 and shift <= 30:
        factor, shift = factor * 2, shift + 1
    return (x * int(factor) + ((1 << shift) >> 1)) >> shift


def _concatenation(call: _Call) -> list[Values]:
    """Copies; all operands are on the output's grid, which the converter sees to."""
    axis = call.op.options["axis"] % len(call.outputs[0].shape)
    batch = max(len(call.raw(i)) for i in range(len(call.inputs)))
    parts = [np.broadcast_to(one, (batch, *one.shape[1:])) for one in map(call.raw, range(len(call.inputs)))]
    return [np.concatenate(parts, axis=axis)]


def _reshape(call: _Call) -> list[Values]:
    return [call.raw(0)]


def _quantize(call: _Call) -> list[Values]:
    """From one integer grid to another."""
    x, y = call.tensor(0), call.outputs[0]
    multiplier, shift = quantize_multiplier(scale_of(x, call.what) / scale_of(y, call.what))
    shifted = requantize(call.value(0) - zero_point_of(x, call.what), multiplier, shift)
    return _clamped(call, shifted + zero_point_of(y, call.what))


FUNCTIONS: dict[str, Callable[[_Call], list[Values]]] = {
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _add_or_sub(1),
    "SUB": _add_or_sub(-1),
    "MUL": _mul,
    "LOGISTIC": _logistic,
    "TANH": _tanh,
    "CONCATENATION": _concatenation,
    "RESHAPE": _reshape,
    "QUANTIZE": _quantize,
}
