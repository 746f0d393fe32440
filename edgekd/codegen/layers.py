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
