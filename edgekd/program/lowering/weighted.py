"""Operators with weights as calls of kernels: one row of inputs, or windows over an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering import block_sparse
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.ir import Buffer, KernelCall, Member, Struct
from edgekd.program.lowering.weight_packing import PackedWeights
from edgekd.program.operands import activation_limits, scale_of, zero_point_of
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

    def rows(self, w: I64) -> PackedWeights:
        """Weights [N, K] with biases and factors. The zero point of x goes into the biases."""
        assert self.weights.quantization is not None
        b = np.zeros(len(w), np.int64) if self.bias is None else _constant(self.bias, self.what).reshape(-1)
        factors = scale_of(self.source, self.what) * self.weights.quantization.scale.astype(np.float64)
        factors = np.broadcast_to(factors / scale_of(self.result, self.what), (len(w),))
        multipliers, shifts = quantize_multipliers(factors)
        return PackedWeights(
            w=w,
            b=b - zero_point_of(self.source, self.what) * w.sum(axis=1),
            multipliers=multipliers,
            shifts=shifts,
            x_type=self.x.dtype,
            w_type=self.weights.dtype,
            zero=zero_point_of(self.result, self.what),
            limits=activation_limits(self.result, self.op.options.get("activation", "NONE"), self.what),
        )


def layer_of(graph: GraphBuilder, op: OpToLower) -> Weighted:
    """Take an operator apart. ModelError unless its weights are a quantized constant."""
    weights, bias = op.tensor(1), op.tensors[2] if len(op.tensors) > 2 else None
    if weights.data is None or weights.quantization is None:
        raise ModelError(f"{op.what}: weights must be a quantized constant")
    return Weighted(
        op=op.op,
        source=op.tensor(0),
        weights=weights,
        bias=bias,
        x=graph.required(op.op.inputs[0], op.what),
        out=graph.buffer(op.op.outputs[0]),
        what=op.what,
    )


def is_one_row(layer: Weighted) -> bool:
    """Whether a FULLY_CONNECTED has one row of inputs, which its kernel reads where they lie."""
    return layer.x.size == layer.weights.shape[-1]


def fully_connected(layer: Weighted, *, sparse: bool) -> KernelCall:
    """One row of inputs: x is readable up to a multiple of four elements. sparse: blocks of zeros may be left out."""
    rows = layer.rows(_constant(layer.weights, layer.what))
    kernel, struct, _ = rows.struct(layer.out.name)
    name, macs = kernel.name, rows.w.size
    blocks = block_sparse.blocks_of(rows, layer.out.name) if sparse else None
    if blocks and block_sparse.pays(blocks, rows, struct):
        name, struct, macs = blocks.kernel, blocks.layer, block_sparse.BLOCK * blocks.blocks
    return KernelCall(
        kernel=name, function=name, op=layer.op.kind, sources=[layer.x], out=layer.out, layer=struct, macs=macs
    )


def fully_connected_rows(layer: Weighted, scratch: str) -> KernelCall:
    """Several rows of inputs are an image of one line, its windows one place wide."""
    rows = layer.rows(_constant(layer.weights, layer.what))
    count = layer.x.size // rows.w.shape[1]
    shape = _Shape(image=(1, count, rows.w.shape[1]), kernel=(1, 1), out=(1, count), options={})
    return _convolution(layer, rows, shape, scratch)


def conv_2d(layer: Weighted, scratch: str) -> KernelCall:
    """Weights [N, kh, kw, C / groups]."""
    w = _constant(layer.weights, layer.what)
    shape = _Shape.of(layer, w.shape[1], w.shape[2], layer.source.shape[3] // w.shape[3])
    return _convolution(layer, layer.rows(w.reshape(len(w), -1)), shape, scratch)


def depthwise_conv_2d(layer: Weighted, scratch: str) -> KernelCall:
    """Weights [1, kh, kw, C * multiplier]. Its kernel takes int8, a multiplier of 1 and scales below
    1/2; what is left is a convolution of C groups.
    """
    w = _constant(layer.weights, layer.what)
    rows = layer.rows(w.reshape(-1, w.shape[3]).T)
    channels = layer.source.shape[3]
    if layer.x.dtype == "int8" and channels == w.shape[3] and rows.scales_below_half():
        return _convolution(layer, rows, _Shape.of(layer, w.shape[1], w.shape[2], 1), scratch, "edgekd_depthwise_s8")
    return _convolution(layer, rows, _Shape.of(layer, w.shape[1], w.shape[2], channels), scratch)


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """Windows over an image: image [H, W, C], kernel [kh, kw], out [H', W'], options as in the file."""

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    out: tuple[int, int]
    options: dict[str, Any]
    groups: int = 1

    @classmethod
    def of(cls, layer: Weighted, height: int, width: int, groups: int) -> "_Shape":
        _, h, w, c = layer.source.shape
        _, rows, columns, _ = layer.result.shape
        return cls(
            image=(h, w, c), kernel=(height, width), out=(rows, columns), options=layer.op.options, groups=groups
        )

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
    options: dict[str, Any], axis: int, image: Sequence[int], out: Sequence[int], kernel: Sequence[int]
) -> int:
    """Rows (axis 0) or columns (1) that are put before an image: those of SAME, or of `lowering.dilations`."""
    if "pads" in options:
        return int(options["pads"][axis])
    side = "hw"[axis]
    reach = (kernel[axis] - 1) * int(options.get(f"dilation_{side}", 1)) + 1
    needed = (out[axis] - 1) * int(options.get(f"stride_{side}", 1)) + reach
    return max(needed - image[axis], 0) // 2 if options.get("padding") == "SAME" else 0


def _convolution(
    layer: Weighted, rows: PackedWeights, shape: _Shape, scratch: str, kernel: str | None = None
) -> KernelCall:
    """A call of edgekd_conv_2d_run; `scratch` names the memory for one window."""
    function, struct, words = rows.struct(layer.out.name, shape.groups, kernel)
    channels = shape.image[2] // shape.groups * layer.itemsize
    window = shape.kernel[0] * shape.kernel[1] * channels
    members: dict[str, Member] = {
        "rows": struct,
        "kernel": function,
        **shape.members(layer.itemsize),
        "padding": zero_point_of(layer.source, layer.what) & 0xFF,
        "groups": shape.groups,
        "group_channels": channels,
        "group_outputs": len(rows.w) // shape.groups * layer.itemsize,
        "group_words": words,
    }
    memory = Buffer(name=scratch, dtype="int8", shape=(window + READ_BEHIND,))
    return KernelCall(
        kernel="edgekd_conv_2d_run",
        function="edgekd_conv_2d_run",
        op=layer.op.kind,
        sources=[layer.x, memory],
        out=layer.out,
        layer=Struct(c_type="edgekd_conv_2d", members=members),
        macs=shape.out[0] * shape.out[1] * rows.w.size,
    )


def _constant(tensor: Tensor, what: str) -> I64:
    if tensor.data is None:
        raise ModelError(f"{what}: '{tensor.name}' must be a constant")
    values: I64 = tensor.data.astype(np.int64)
    return values
