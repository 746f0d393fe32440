"""Operators with weights -> calls of kernels: offsets folded into biases, weights in the order the kernel reads."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgekd.codegen.elementwise import split_multiplier
from edgekd.codegen.graph import Array, Buffer, Call, Struct
from edgekd.errors import ModelError
from edgekd.program import twin
from edgekd.program.program import Op, Tensor
from edgekd.program.requantize import I64, quantize_multipliers

ROWS = 4
"""Rows, and inputs, that the kernels take together."""
ODD_ROW_LIMIT = 1 << 23
"""A sum of an odd row is what is left of 32 bits above the 8 of the even row."""


def fully_connected(op: Op, tensors: Sequence[Tensor | None], x: Buffer, out: Buffer, what: str) -> Call:
    """Lower FULLY_CONNECTED with int8 activations: rows are outputs."""
    source, weights, bias = tensors[0], tensors[1], tensors[2] if len(tensors) > 2 else None
    assert source is not None and out.tensor is not None
    if weights is None or weights.data is None or weights.quantization is None:
        raise ModelError(f"{what}: weights must be a quantised constant")
    if bias is not None and bias.data is None:
        raise ModelError(f"{what}: the bias must be a constant")
    w = weights.data.astype(np.int64).reshape(len(weights.data), -1)
    if x.size != w.shape[1]:
        raise ModelError(f"{what}: {x.size} inputs for weights of {list(w.shape)}; one row of inputs is supported")
    b = np.zeros(len(w), np.int64) if bias is None else _values(bias).astype(np.int64).reshape(-1)
    w = w - np.broadcast_to(weights.quantization.zero_point, (len(w),))[:, None]
    b = b - twin.zero_point_of(source, what) * w.sum(axis=1)
    if source.dtype == "int16":
        return _fully_connected_16(op, tensors, w, b, x, out, what)
    factors = twin.scale_of(source, what) * weights.quantization.scale.astype(np.float64)
    factors = np.broadcast_to(factors / twin.scale_of(out.tensor, what), (len(w),))
    multipliers, shifts = quantize_multipliers(factors)
    pairs = [split_multiplier(int(m), int(s)) for m, s in zip(multipliers, shifts, strict=True)]
    fraction, shift = (np.array([pair[key] for pair in pairs], dtype=np.int64) for key in ("fraction", "shift"))
    if not _fits_pairs(w, b, shift):
        raise ModelError(f"{what}: weights or scales beyond what the kernel holds")
    words = Array(
        name=f"{out.name}_words",
        c_type="uint32_t",
        values=_paired_stream(w, b, fraction, -shift),
        comment=f"biases, weights [{w.shape[0]}, {w.shape[1]}], fractions, shifts by four rows",
    )
    members: dict[str, int | Array | None] = {
        "words": words,
        "inputs": w.shape[1],
        "outputs": w.shape[0],
        "y_zero": twin.zero_point_of(out.tensor, what),
    }
    return Call(
        kernel="edgekd_fully_connected_s8",
        function="edgekd_fully_connected_s8",
        op=op.kind,
        sources=[x],
        out=out,
        layer=Struct(c_type="edgekd_fully_connected", members=members),
        macs=w.size,
    )


def _fully_connected_16(
    op: Op, tensors: Sequence[Tensor | None], w: I64, b: I64, x: Buffer, out: Buffer, what: str
) -> Call:
    """int16 activations: sums in 32 bits, the multiplier cut to 15 bits as TFLite does."""
    source, weights = tensors[0], tensors[1]
    assert source is not None and weights is not None and weights.quantization is not None and out.tensor is not None
    if (np.abs(b) + 32768 * np.abs(w).sum(axis=1) >= 2**31).any():
        raise ModelError(f"{what}: sums beyond 32 bits")
    factors = twin.scale_of(source, what) * weights.quantization.scale.astype(np.float64)
    factors = np.broadcast_to(factors / twin.scale_of(out.tensor, what), (len(w),))
    multipliers, shifts = quantize_multipliers(factors)
    reduced = np.where(multipliers < 0x7FFF0000, (multipliers + (1 << 15)) >> 16, 0x7FFF)
    totals = 15 - shifts  # TFLite: (sum * reduced + half) >> total
    shift = max(1, int(totals.max()) - 32)
    left = shift + 32 - totals
    if (left > 16).any():
        raise ModelError(f"{what}: scales of its rows lie further apart than the kernel holds")
    low, high = twin.activation_limits(out.tensor, str(op.options.get("activation", "NONE")), what)
    words = Array(
        name=f"{out.name}_words",
        c_type="uint32_t",
        values=_wide_stream(w, b, reduced << left),
        comment=f"biases, weights [{w.shape[0]}, {w.shape[1]}], multipliers by four rows",
    )
    return Call(
        kernel="edgekd_fully_connected_s16",
        function="edgekd_fully_connected_s16",
        op=op.kind,
        sources=[x],
        out=out,
        layer=Struct(
            c_type="edgekd_fully_connected_s16_layer",
            members={
                "words": words,
                "inputs": w.shape[1],
                "outputs": w.shape[0],
                "shift": shift,
                "low": low,
                "high": high,
            },
        ),
        macs=w.size,
    )


def _wide_stream(w: I64, b: I64, scales: I64) -> NDArray[np.int64]:
    """Words of edgekd_fully_connected_s16, group of four rows by group: biases, weights, scales. Missing ones are 0."""
    rows, columns = -len(w) % ROWS, -w.shape[1] % ROWS
    w = np.pad(w, ((0, rows), (0, columns)))
    b, scales = np.pad(b, (0, rows)), np.pad(scales, (0, rows))
    blocks = w.reshape(-1, ROWS, w.shape[1] // 4, 4)[..., [0, 2, 1, 3]] & 0xFF  # group, row, block, byte
    words = (blocks << np.array([0, 8, 16, 24])).sum(axis=-1).transpose(0, 2, 1).reshape(len(blocks), -1)
    parts = [b.reshape(-1, ROWS), words, scales.reshape(-1, ROWS)]
    return np.concatenate(parts, axis=1).reshape(-1) & 0xFFFFFFFF


def _values(tensor: Tensor) -> NDArray[np.int64]:
    assert tensor.data is not None
    return tensor.data


def _fits_pairs(w: I64, b: I64, shift: I64) -> bool:
    """Whether the paired kernel computes these rows exactly."""
    largest = b + np.maximum(-128 * w, 127 * w).sum(axis=1)
    smallest = b + np.minimum(-128 * w, 127 * w).sum(axis=1)
    inside = (smallest >= -ODD_ROW_LIMIT).all() and (largest < ODD_ROW_LIMIT).all()
    return bool(inside and (np.abs(w) <= 127).all() and (shift <= -1).all())


def _paired_stream(w: I64, b: I64, fraction: I64, shift: I64) -> NDArray[np.int64]:
    """Words of edgekd_fully_connected_s8, group of four rows by group: biases joined like weights, weights, fractions,
    shifts. Missing rows and inputs are zero.
    """
    outputs, inputs = w.shape
    rows, columns = -outputs % ROWS, -inputs % ROWS
    w = np.pad(w, ((0, rows), (0, columns)))
    b, fraction = np.pad(b, (0, rows)), np.pad(fraction, (0, rows))
    shift = np.pad(shift, (0, rows), constant_values=1)
    grouped = w.reshape(-1, 2, 2, w.shape[1] // 4, 4)  # group, pair of rows, row, block, input
    halves = 256 * grouped[:, :, 1] + grouped[:, :, 0]
    words = _words_of_halves(halves[..., [0, 1]], halves[..., [2, 3]])  # [group, pair, block, 2]
    weights = words.transpose(0, 2, 3, 1).reshape(len(words), -1)
    pairs = b.reshape(-1, 2, 2)
    biases = np.stack([pairs[..., 1] * 256 + pairs[..., 0], pairs[..., 0]], axis=-1).reshape(-1, 4)
    shifts = (shift.reshape(-1, 4) << np.array([0, 8, 16, 24])).sum(axis=1, keepdims=True)
    return np.concatenate([biases, weights, fraction.reshape(-1, 4), shifts], axis=1).reshape(-1) & 0xFFFFFFFF


def _words_of_halves(lower: I64, upper: I64) -> I64:
    return (lower & 0xFFFF) | ((upper & 0xFFFF) << 16)
