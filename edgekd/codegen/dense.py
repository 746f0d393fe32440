"""FULLY_CONNECTED, CONV_2D and DEPTHWISE_CONV_2D -> calls of kernels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekd.codegen import block_sparse
from edgekd.codegen.ir import Array, Buffer, Call, Kernel, Struct
from edgekd.codegen.weight_packing import Rows
from edgekd.contracts.errors import ModelError
from edgekd.program import reference
from edgekd.program.program import Op, Tensor
from edgekd.program.requantize import I64, quantize_multipliers

READ_BEHIND = 3
"""Bytes that a kernel may read behind a window."""


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """An operator with weights: its tensors, where the operand lies, and where the result goes."""

    op: Op
    source: Tensor
    weights: Tensor
    bias: Tensor | None
    x: Buffer
    out: Buffer
    what: str

    @property
    def result(self) -> Tensor:
        assert self.out.tensor is not None
        return self.out.tensor

    @property
    def itemsize(self) -> int:
        return np.dtype(self.x.dtype).itemsize

    def rows(self, w: I64) -> Rows:
        """Weights [N, K] with biases and factors. The zero point of x goes into the biases."""
        assert self.weights.quantization is not None
        b = np.zeros(len(w), np.int64) if self.bias is None else _constant(self.bias, self.what).reshape(-1)
        factors = reference.scale_of(self.source, self.what) * self.weights.quantization.scale.astype(np.float64)
        factors = np.broadcast_to(factors / reference.scale_of(self.result, self.what), (len(w),))
        multipliers, shifts = quantize_multipliers(factors)
        return Rows(
            w=w,
            b=b - reference.zero_point_of(self.source, self.what) * w.sum(axis=1),
            multipliers=multipliers,
            shifts=shifts,
            x_type=self.x.dtype,
            w_type=self.weights.dtype,
            zero=reference.zero_point_of(self.result, self.what),
            limits=reference.activation_limits(self.result, self.op.options.get("activation", "NONE"), self.what),
        )


def weighted(op: Op, tensors: Sequence[Tensor | None], x: Buffer, out: Buffer, what: str) -> Weighted:
    """Take an operator apart. ModelError unless its weights are a quantised constant."""
    source, weights, bias = tensors[0], tensors[1], tensors[2] if len(tensors) > 2 else None
    assert source is not None
    if weights is None or weights.data is None or weights.quantization is None:
        raise ModelError(f"{what}: weights must be a quantised constant")
    return Weighted(op=op, source=source, weights=weights, bias=bias, x=x, out=out, what=what)


def is_one_row(one: Weighted) -> bool:
    """Whether a FULLY_CONNECTED has one row of inputs, which its kernel reads where they lie."""
    return one.x.size == one.weights.shape[-1]


def fully_connected(one: Weighted, *, sparse: bool) -> Call:
    """One row of inputs: x is readable up to a multiple of four elements. sparse: blocks of zeros may be left out."""
    rows = one.rows(_constant(one.weights, one.what))
    kernel, layer, _ = rows.struct(one.out.name)
    name, macs = kernel.name, rows.w.size
    blocks = block_sparse.blocks_of(rows, one.out.name) if sparse else None
    if blocks and block_sparse.pays(blocks, rows, layer):
        name, layer, macs = blocks.kernel, blocks.layer, block_sparse.BLOCK * blocks.blocks
    return Call(kernel=name, function=name, op=one.op.kind, sources=[one.x], out=one.out, layer=layer, macs=macs)


def fully_connected_rows(one: Weighted, scratch: str) -> Call:
    """Several rows of inputs are an image of one line, its windows one place wide."""
    rows = one.rows(_constant(one.weights, one.what))
    count = one.x.size // rows.w.shape[1]
    shape = _Shape(image=(1, count, rows.w.shape[1]), kernel=(1, 1), out=(1, count), options={})
    return _convolution(one, rows, shape, scratch)


def conv_2d(one: Weighted, scratch: str) -> Call:
    """Weights [N, kh, kw, C / groups]."""
    w = _constant(one.weights, one.what)
    shape = _Shape.of(one, w.shape[1], w.shape[2], one.source.shape[3] // w.shape[3])
    return _convolution(one, one.rows(w.reshape(len(w), -1)), shape, scratch)


def depthwise_conv_2d(one: Weighted, scratch: str) -> Call:
    """Weights [1, kh, kw, C * multiplier]. Its kernel takes int8, a multiplier of 1 and scales below
    1/2; what is left is a convolution of C groups.
    """
    w = _constant(one.weights, one.what)
    rows = one.rows(w.reshape(-1, w.shape[3]).T)
    channels = one.source.shape[3]
    if one.x.dtype == "int8" and channels == w.shape[3] and rows.scales_below_half():
        return _convolution(one, rows, _Shape.of(one, w.shape[1], w.shape[2], 1), scratch, "edgekd_depthwise_s8")
    return _convolution(one, rows, _Shape.of(one, w.shape[1], w.shape[2], channels), scratch)


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """Windows over an image: image [H, W, C], kernel [kh, kw], out [H', W'], options as in the file."""

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    out: tuple[int, int]
    options: dict[str, int | str]
    groups: int = 1

    @classmethod
    def of(cls, one: Weighted, height: int, width: int, groups: int) -> "_Shape":
        _, h, w, c = one.source.shape
        _, rows, columns, _ = one.result.shape
        return cls(image=(h, w, c), kernel=(height, width), out=(rows, columns), options=one.op.options, groups=groups)

    def members(self, itemsize: int) -> dict[str, int]:
        """Members of edgekd_conv_2d from `height` to `left`."""
        stride, dilation = (
            [int(self.options.get(f"{name}_{side}", 1)) for side in "hw"] for name in ("stride", "dilation")
        )
        before = [padding_before(self.options, axis, self.image, self.out, self.kernel) for axis in (0, 1)]
        return {
            "height": self.image[0],
            "width": self.image[1],
            "channels": self.image[2] * itemsize,
            "out_height": self.out[0],
            "out_width": self.out[1],
            "kernel_height": self.kernel[0],
            "kernel_width": self.kernel[1],
            "stride_height": stride[0],
            "stride_width": stride[1],
            "dilation_height": dilation[0],
            "dilation_width": dilation[1],
            "top": before[0],
            "left": before[1],
        }


def padding_before(
    options: dict[str, int | str], axis: int, image: Sequence[int], out: Sequence[int], kernel: Sequence[int]
) -> int:
    """Rows (axis 0) or columns (1) that SAME puts before an image."""
    side = "hw"[axis]
    reach = (kernel[axis] - 1) * int(options.get(f"dilation_{side}", 1)) + 1
    needed = (out[axis] - 1) * int(options.get(f"stride_{side}", 1)) + reach
    return max(needed - image[axis], 0) // 2 if options.get("padding") == "SAME" else 0


def _convolution(one: Weighted, rows: Rows, shape: _Shape, scratch: str, kernel: str | None = None) -> Call:
    """A call of edgekd_conv_2d_run; `scratch` names the memory for one window."""
    function, layer, words = rows.struct(one.out.name, shape.groups, kernel)
    channels = shape.image[2] // shape.groups * one.itemsize
    window = shape.kernel[0] * shape.kernel[1] * channels
    members: dict[str, int | Array | Struct | Kernel | None] = {
        "rows": layer,
        "kernel": function,
        **shape.members(one.itemsize),
        "padding": reference.zero_point_of(one.source, one.what) & 0xFF,
        "groups": shape.groups,
        "group_channels": channels,
        "group_outputs": len(rows.w) // shape.groups * one.itemsize,
        "group_words": words,
    }
    memory = Buffer(name=scratch, dtype="int8", shape=(window + READ_BEHIND,))
    return Call(
        kernel="edgekd_conv_2d_run",
        function="edgekd_conv_2d_run",
        op=one.op.kind,
        sources=[one.x, memory],
        out=one.out,
        layer=Struct(c_type="edgekd_conv_2d", members=members),
        macs=shape.out[0] * shape.out[1] * rows.w.size,
    )


def _constant(tensor: Tensor, what: str) -> I64:
    if tensor.data is None:
        raise ModelError(f"{what}: '{tensor.name}' must be a constant")
    values: I64 = tensor.data.astype(np.int64)
    return values
