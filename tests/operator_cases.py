"""One random graph per operator and type of activations: shapes, scales, zero points, options, constants."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tflite_builder import Node, Spec, build, constant, single

from edgekd.program.program import Program, Tensor

Rng = np.random.Generator
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
GRIDS = {
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("TANH", "int8"): (1 / 128, 0),
    ("SOFTMAX", "int8"): (1 / 256, -128),
}


def random_inputs(program: Program, count: int, rng: Rng) -> list[NDArray[Any]]:
    """Integers over each input's whole range, the extremes and the neighbours of zero more often than others.

    Operands of RSQRT stay at or above the zero point: TFLite-Micro stops below.
    """
    rooted = {op.inputs[0] for op in program.ops if op.kind == "RSQRT"}
    inputs = []
    for index in program.inputs:
        tensor = program.tensors[index]
        if tensor.dtype == "float32":
            inputs.append(real_inputs(program, count, tensor, rng))
            continue
        limits = np.iinfo(tensor.dtype)
        zero = 0 if tensor.quantization is None else int(tensor.quantization.zero_point[0])
        values = rng.integers(limits.min, limits.max + 1, (count, *tensor.window))
        kind = rng.random(values.shape)
        values[kind < 0.1] = limits.min
        values[kind > 0.9] = limits.max
        near = np.clip(zero + rng.integers(-2, 3, values.shape), limits.min, limits.max)
        values = np.where((kind > 0.4) & (kind < 0.5), near, values)
        inputs.append((np.maximum(values, zero) if index in rooted else values).astype(tensor.dtype))
    return inputs


def real_inputs(program: Program, count: int, tensor: Tensor, rng: Rng) -> NDArray[Any]:
    """Numbers over the range of the first quantization there is, halves of its steps among them, and beyond."""
    quants = [t.quantization for t in program.tensors if t.quantization is not None]
    step = np.float32(quants[0].scale[0] if quants else 1)
    steps = rng.uniform(-300, 300, (count, *tensor.window)).astype(np.float32)
    kind = rng.random(steps.shape)
    steps = np.where(kind < 0.3, np.floor(steps) + np.float32(0.5), steps)
    steps = np.where(kind > 0.95, np.float32(0.49999997), steps)
    return (steps * step).astype(np.float32)


def scale(rng: Rng, low: float = -12, high: float = 3) -> float:
    """A power of two between 2^low and 2^high, as float32 holds it."""
    return float(np.float32(2 ** rng.uniform(low, high)))


def shape(rng: Rng, most: int = 4) -> tuple[int, ...]:
    return (1, *map(int, rng.integers(1, 6, rng.integers(0, most))))


def tensor(rng: Rng, dtype: str, size: Sequence[int], grid: tuple[float, int] | None = None, **more: Any) -> Spec:
    """A tensor on a random grid, or on this one."""
    step, zero = grid or (scale(rng), int(rng.integers(-128, 128)))
    return Spec(shape=tuple(size), dtype=dtype, scale=step, zero_point=0 if dtype == "int16" else zero, **more)


def grid_of(spec: Spec) -> tuple[float, int]:
    return spec.scale, spec.zero_point


def binary(kind: str) -> Callable[[Rng, str], bytes]:
    """Operands that broadcast, one of them a constant at times."""

    def make(rng: Rng, dtype: str) -> bytes:
        full = shape(rng)
        a, b = (tuple(1 if rng.random() < 0.3 else n for n in full) for _ in range(2))
        if rng.random() < 0.3:
            b = b[rng.integers(0, len(b)) :]
        first, second = tensor(rng, dtype, a), tensor(rng, dtype, b)
        if rng.random() < 0.3:
            limits = np.iinfo(dtype)
            values = rng.integers(limits.min, limits.max + 1, b)
            second = constant(values, dtype, second.scale, zero_point=second.zero_point)
        options = {} if kind == "SQUARED_DIFFERENCE" else {"activation": str(rng.choice(ACTIVATIONS))}
        operands = [first, second] if rng.random() < 0.8 else [second, first]
        finest = (
            max(first.scale, second.scale) * 2.0**-13
        )  # int16 ADD has 15 spare bits, and no more than twice a scale
        grid = (max(finest, scale(rng)), int(rng.integers(-128, 128)))
        return single(kind, operands, [tensor(rng, dtype, np.broadcast_shapes(a, b), grid)], **options)

    return make


def unary(kind: str) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        size = shape(rng)
        x, y = tensor(rng, dtype, size), tensor(rng, dtype, size)
        if kind in ("LOGISTIC", "TANH", "SOFTMAX"):
            x = tensor(rng, dtype, size, (scale(rng, -12, 0), int(rng.integers(-128, 128))))
            y = tensor(rng, dtype, size, GRIDS.get((kind, dtype), (1 / 32768, 0)))
        if kind == "RELU6":
            low = -4 if dtype == "int8" else -11
            x = tensor(rng, dtype, size, (scale(rng, low, 2), int(rng.integers(-128, 0))))
            y = tensor(rng, dtype, size, grid_of(x))
        options = {"beta": float(rng.choice([0.5, 1.0, 2.0]))} if kind == "SOFTMAX" else {}
        return single(kind, [x], [y], **options)

    return make


def softmax_to_16(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    y = Spec(shape=size, dtype="int16", scale=1 / 65536, zero_point=-32768)
    return single("SOFTMAX", [tensor(rng, "int8", size)], [y], beta=1.0)


def requantize_types(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    return single("QUANTIZE", [tensor(rng, dtype, size)], [tensor(rng, "int16" if dtype == "int8" else "int8", size)])


def either_axis(rng: Rng, axis: int, rank: int) -> int:
    """The axis from the front or from the back."""
    return axis if rng.random() < 0.5 else axis - rank


def concatenation(rng: Rng, dtype: str) -> bytes:
    size = list(shape(rng))
    axis = int(rng.integers(0, len(size)))
    grid = grid_of(tensor(rng, dtype, ()))
    parts = []
    for _ in range(rng.integers(1, 8)):
        part = [*size[:axis], int(rng.integers(1, 4)) if axis else 1, *size[axis + 1 :]]
        parts.append(tensor(rng, dtype, part, grid))
    if len(parts) > 1 and rng.random() < 0.3:
        parts[-1] = constant(rng.integers(-128, 128, parts[-1].shape), dtype, grid[0], zero_point=grid[1])
    size[axis] = sum(part.shape[axis] for part in parts)
    y = tensor(rng, dtype, size, grid)
    return single("CONCATENATION", parts, [y], axis=either_axis(rng, axis, len(size)))


def split(rng: Rng, dtype: str) -> bytes:
    size = list(shape(rng))
    axis, count = int(rng.integers(0, len(size))), int(rng.integers(1, 5))
    parts = [tensor(rng, dtype, size, (1.0, 0)) for _ in range(count)]
    size[axis] *= count
    operands = [constant([either_axis(rng, axis, len(size))]), tensor(rng, dtype, size, (1.0, 0))]
    return single("SPLIT", operands, parts, count=count)


def slice_(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    begins = [int(rng.integers(0, n)) for n in size]
    counts = [int(rng.integers(1, n - b + 1)) for n, b in zip(size, begins, strict=True)]
    asked = [-1 if b + c == n and rng.random() < 0.5 else c for n, b, c in zip(size, begins, counts, strict=True)]
    operands = [tensor(rng, dtype, size, (1.0, 0)), constant(begins), constant(asked)]
    return single("SLICE", operands, [tensor(rng, dtype, counts, (1.0, 0))])


def strided_slice(rng: Rng, dtype: str) -> bytes:
    """Indices from either end and beyond it, strides of both signs, masks."""
    while True:
        size = shape(rng)
        begins, ends = ([int(rng.integers(-n - 2, n + 3)) for n in size] for _ in range(2))
        strides = [int(rng.choice([1, 1, 2, 3, -1, -2])) for _ in size]
        begin_mask, end_mask, shrink = (int(rng.integers(0, 1 << len(size))) for _ in range(3))
        shrink = shrink if rng.random() < 0.4 else 0
        result, possible = [], True
        for axis, n in enumerate(size):
            first = None if begin_mask >> axis & 1 else begins[axis]
            if shrink >> axis & 1:
                strides[axis] = 1
                possible &= -n <= (first or 0) < n
            else:
                last = None if end_mask >> axis & 1 else ends[axis]
                result.append(len(range(*slice(first, last, strides[axis]).indices(n))))
        if possible and 0 not in result:
            break
    operands = [tensor(rng, dtype, size, (1.0, 0)), constant(begins), constant(ends), constant(strides)]
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "shrink_axis_mask": shrink}
    return single("STRIDED_SLICE", operands, [tensor(rng, dtype, result, (1.0, 0))], **masks)


def reshape(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    total = int(np.prod(size))
    wanted = (1, total) if rng.random() < 0.5 else (total, 1)
    return single("RESHAPE", [tensor(rng, dtype, size), constant(wanted)], [tensor(rng, dtype, wanted)])


def stacked(rng: Rng, dtype: str) -> tuple[list[Spec], Spec, dict[str, int]]:
    """Equal tensors and their stack along a new axis."""
    size = shape(rng, 3)
    axis, count = int(rng.integers(0, len(size) + 1)), int(rng.integers(1, 5))
    parts = [tensor(rng, dtype, size, (1.0, 0)) for _ in range(count)]
    whole = tensor(rng, dtype, (*size[:axis], count, *size[axis:]), (1.0, 0))
    return parts, whole, {"axis": either_axis(rng, axis, len(size) + 1), "count": count}


def pack(rng: Rng, dtype: str) -> bytes:
    parts, whole, options = stacked(rng, dtype)
    return single("PACK", parts, [whole], **options)


def unpack(rng: Rng, dtype: str) -> bytes:
    parts, whole, options = stacked(rng, dtype)
    return single("UNPACK", [whole], parts, **options)


def reduction(kind: str) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        size = shape(rng)
        rank = len(size)
        axes = [int(a) for a in rng.choice(rank, rng.integers(1, min(2, rank) + 1), replace=False)]
        keep = bool(rng.random() < 0.5)
        kept = [1 if i in axes else n for i, n in enumerate(size) if keep or i not in axes]
        x = tensor(rng, dtype, size)
        same = kind.startswith("REDUCE") or rng.random() < 0.3
        y = tensor(rng, dtype, kept, grid_of(x) if same else None)
        return single(kind, [x, constant([either_axis(rng, a, rank) for a in axes])], [y], keep_dims=keep)

    return make


def weighted(rng: Rng, x: Spec, size: Sequence[int], dtype: str, axis: int, per_channel: bool) -> tuple[Spec, Spec]:
    """Random weights, and a bias in the accumulator's type on the grid of the products."""
    low, high = (-8, 8) if dtype == "int4" else (-128, 128)
    channels = size[axis]
    scales = np.array([scale(rng, -14, -2) for _ in range(channels if per_channel else 1)], np.float32)
    weights = constant(rng.integers(low, high, size), dtype, scales, axis=axis)
    reach = 2 ** int(rng.integers(1, 31))
    bias = constant(
        rng.integers(-reach, reach, channels), "int32" if x.dtype == "int8" else "int64", np.float32(x.scale) * scales
    )
    return weights, bias


def summed(rng: Rng, x: Spec, weights: Spec, size: Sequence[int]) -> Spec:
    """A result whose grid neither saturates always nor never."""
    grid = (float(np.max(weights.scale) * x.scale * 2 ** rng.uniform(2, 12)), int(rng.integers(-128, 128)))
    return tensor(rng, x.dtype, size, grid)


def fully_connected(weight_type: str) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        inputs, outputs = int(rng.integers(1, 41)), int(rng.integers(1, 13))
        before = shape(rng, 3)
        x = tensor(rng, dtype, (*before, inputs))
        per_channel = weight_type == "int8" and rng.random() < 0.5
        weights, bias = weighted(rng, x, (outputs, inputs), weight_type, 0, per_channel)
        y = summed(rng, x, weights, (*before, outputs))
        operands = [x, weights, bias if rng.random() < 0.8 else None]
        return single("FULLY_CONNECTED", operands, [y], activation=str(rng.choice(ACTIVATIONS)), keepNumDims=True)

    return make


def window(rng: Rng, dilated: bool) -> tuple[tuple[int, int, int], dict[str, Any], tuple[int, int], tuple[int, int]]:
    """An image of [H, W, C], the options, the size of the window and that of the result."""
    while True:
        image = tuple(map(int, rng.integers(1, 9, 3)))
        kernel, strides, dilations = (tuple(map(int, rng.integers(1, n, 2))) for n in (5, 4, 3 if dilated else 2))
        same = bool(rng.random() < 0.5)
        result = []
        for have, size, stride, dilation in zip(image[:2], kernel, strides, dilations, strict=True):
            reach = (size - 1) * dilation + 1
            result.append(-(-have // stride) if same else (have - reach) // stride + 1)
        if min(result) > 0:
            break
    options = {"padding": "SAME" if same else "VALID", "stride_h": strides[0], "stride_w": strides[1]}
    if dilated:
        options |= {"dilation_h": dilations[0], "dilation_w": dilations[1]}
    return image, options, kernel, (result[0], result[1])


def convolution(kind: str, weight_type: str, images: int = 1) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        image, options, kernel, result = window(rng, dilated=True)
        channels = image[2]
        x = tensor(rng, dtype, (images, *image))
        if kind == "CONV_2D":
            whole = [n for n in range(1, channels + 1) if channels % n == 0]
            groups = int(rng.choice(whole)) if weight_type == "int8" and rng.random() < 0.3 else 1
            outputs = groups * int(rng.integers(1, 5))
            size, axis = (outputs, *kernel, channels // groups), 0
        else:
            options["depth_multiplier"] = int(rng.integers(1, 4))
            outputs = channels * options["depth_multiplier"]
            size, axis = (1, *kernel, outputs), 3
        weights, bias = weighted(rng, x, size, weight_type, axis, bool(rng.random() < 0.6))
        operands = [x, weights, *([bias] if rng.random() < 0.8 else [])]
        options["activation"] = str(rng.choice(ACTIVATIONS))
        return single(kind, operands, [summed(rng, x, weights, (images, *result, outputs))], **options)

    return make


def pooling(kind: str, images: int = 1) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        image, options, kernel, result = window(rng, dilated=False)
        x = tensor(rng, dtype, (images, *image))
        y = tensor(rng, dtype, (images, *result, image[2]), grid_of(x))
        options |= {"filter_h": kernel[0], "filter_w": kernel[1], "activation": str(rng.choice(ACTIVATIONS))}
        return single(kind, [x], [y], **options)

    return make


def pad(kind: str) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        size = shape(rng)
        most = [n - 1 if kind == "MIRROR_PAD" else 3 for n in size]
        widths = [[int(rng.integers(0, n + 1)), int(rng.integers(0, n + 1))] for n in most]
        x = tensor(rng, dtype, size)
        y = tensor(rng, dtype, [n + sum(width) for n, width in zip(size, widths, strict=True)], grid_of(x))
        operands = [x, constant(widths)]
        if kind == "PADV2":
            value = np.array(int(rng.integers(-128, 128)))
            operands.append(constant(value, dtype, x.scale, zero_point=x.zero_point))
        options = {"mode": int(rng.integers(0, 2))} if kind == "MIRROR_PAD" else {}
        return single(kind, operands, [y], **options)

    return make


def transpose(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    order = [int(axis) for axis in rng.permutation(len(size))]
    x = tensor(rng, dtype, size)
    return single("TRANSPOSE", [x, constant(order)], [tensor(rng, dtype, [size[axis] for axis in order], grid_of(x))])


def reverse(rng: Rng, dtype: str) -> bytes:
    x = tensor(rng, dtype, shape(rng))
    axes = [int(rng.integers(0, len(x.shape)))]
    return single("REVERSE_V2", [x, constant(axes)], [tensor(rng, dtype, x.shape, grid_of(x))])


def expand_dims(rng: Rng, dtype: str) -> bytes:
    x = tensor(rng, dtype, shape(rng, 3))
    axis = int(rng.integers(0, len(x.shape) + 1))
    y = tensor(rng, dtype, (*x.shape[:axis], 1, *x.shape[axis:]), grid_of(x))
    return single("EXPAND_DIMS", [x, constant(np.array(axis))], [y])


def squeeze(rng: Rng, dtype: str) -> bytes:
    x = tensor(rng, dtype, (1, 1, *shape(rng, 2)[1:], 3))
    return single("SQUEEZE", [x], [tensor(rng, dtype, x.shape[1:], grid_of(x))], squeezeDims=[1])


def split_v(rng: Rng, dtype: str) -> bytes:
    size = list(shape(rng))
    axis = int(rng.integers(0, len(size)))
    sizes = [int(n) for n in rng.integers(1, 4, rng.integers(1, 5))]
    parts = [tensor(rng, dtype, [*size[:axis], n, *size[axis + 1 :]], (1.0, 0)) for n in sizes]
    size[axis] = sum(sizes)
    asked = [*sizes[:-1], -1] if rng.random() < 0.3 else sizes
    operands = [
        tensor(rng, dtype, size, (1.0, 0)),
        constant(asked),
        constant(np.array(either_axis(rng, axis, len(size)))),
    ]
    return single("SPLIT_V", operands, parts, count=len(parts))


def gather(rng: Rng, dtype: str) -> bytes:
    x = tensor(rng, dtype, shape(rng))
    axis = int(rng.integers(0, len(x.shape)))
    indices = constant(rng.integers(0, x.shape[axis], rng.integers(1, 6)))
    y = tensor(rng, dtype, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), grid_of(x))
    return single("GATHER", [x, indices], [y], axis=axis)


def broadcast_to(rng: Rng, dtype: str) -> bytes:
    full = shape(rng)
    x = tensor(rng, dtype, tuple(1 if rng.random() < 0.4 else n for n in full))
    return single("BROADCAST_TO", [x, constant(full)], [tensor(rng, dtype, full, grid_of(x))])


def resize(rng: Rng, dtype: str) -> bytes:
    x = tensor(rng, dtype, (1, *map(int, rng.integers(1, 6, 3))))
    wanted = [int(n) for n in rng.integers(1, 9, 2)]
    corners = bool(rng.random() < 0.3)
    options = {"align_corners": corners, "half_pixel_centers": not corners and bool(rng.random() < 0.5)}
    y = tensor(rng, dtype, (1, *wanted, x.shape[3]), grid_of(x))
    return single("RESIZE_NEAREST_NEIGHBOR", [x, constant(wanted)], [y], **options)


def space_to_batch(rng: Rng, dtype: str) -> bytes:
    sizes = [int(n) for n in rng.integers(1, 4, 2)]
    counts = [int(n) for n in rng.integers(1, 4, 2)]
    whole = [s * c for s, c in zip(sizes, counts, strict=True)]
    paddings = [[0, 0], [0, 0]]  # TFLite-Micro does not define what it pads with
    channels = int(rng.integers(1, 4))
    x = tensor(rng, dtype, (1, *whole, channels))
    y = tensor(rng, dtype, (sizes[0] * sizes[1], *counts, channels), grid_of(x))
    return single("SPACE_TO_BATCH_ND", [x, constant(sizes), constant(paddings)], [y])


def batch_to_space(rng: Rng, dtype: str) -> bytes:
    sizes, counts = ([int(n) for n in rng.integers(1, 4, 2)] for _ in range(2))
    crops = [[int(rng.integers(0, 2)) if s * c > 2 else 0, 0] for s, c in zip(sizes, counts, strict=True)]
    channels = int(rng.integers(1, 4))
    x = tensor(rng, dtype, (sizes[0] * sizes[1], *counts, channels))
    whole = [s * c - sum(crop) for s, c, crop in zip(sizes, counts, crops, strict=True)]
    y = tensor(rng, dtype, (1, *whole, channels), grid_of(x))
    return single("BATCH_TO_SPACE_ND", [x, constant(sizes), constant(crops)], [y])


def depth(kind: str) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        size, (h, w, c) = int(rng.integers(1, 4)), map(int, rng.integers(1, 4, 3))
        deep, wide = (1, h, w, c * size * size), (1, h * size, w * size, c)
        x = tensor(rng, dtype, wide if kind == "SPACE_TO_DEPTH" else deep)
        y = tensor(rng, dtype, deep if kind == "SPACE_TO_DEPTH" else wide, grid_of(x))
        return single(kind, [x], [y], block_size=size)

    return make


def from_real(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    return single("QUANTIZE", [Spec(shape=size, dtype="float32")], [tensor(rng, dtype, size)])


def to_real(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    return single("DEQUANTIZE", [tensor(rng, dtype, size)], [Spec(shape=size, dtype="float32")])


def unsigned(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    x = Spec(shape=size, dtype="uint8", scale=scale(rng), zero_point=int(rng.integers(0, 256)))
    y = tensor(rng, "int8", size)
    return single("QUANTIZE", [x], [y]) if rng.random() < 0.5 else single("QUANTIZE", [y], [x])


def leaky_relu(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    alpha = float(rng.choice([0.0, 0.1, 0.3, 1.0, 1.7]))
    return single("LEAKY_RELU", [tensor(rng, dtype, size)], [tensor(rng, dtype, size)], alpha=alpha)


def prelu(rng: Rng, dtype: str) -> bytes:
    size = (1, *map(int, rng.integers(1, 6, 3)))
    slopes = tuple(1 if rng.random() < 0.4 else n for n in size[1:])
    values = rng.integers(-128, 128, slopes)
    alpha = constant(values, dtype, scale(rng, -12, -4), zero_point=int(rng.integers(-128, 128)))
    y = tensor(rng, dtype, size, (scale(rng, -8, 3), int(rng.integers(-128, 128))))
    return single("PRELU", [tensor(rng, dtype, size), alpha], [y])


def hard_swish(rng: Rng, dtype: str) -> bytes:
    size = shape(rng)
    y = scale(rng, -9, -3)
    x = tensor(rng, dtype, size, (scale(rng, -9, -3), int(rng.integers(-128, 128))))
    return single("HARD_SWISH", [x], [tensor(rng, dtype, size, (y, int(rng.integers(-128, 128))))])


def extreme(kind: str) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        full = shape(rng)
        a, b = (tuple(1 if rng.random() < 0.3 else n for n in full) for _ in range(2))
        grid = grid_of(tensor(rng, dtype, ()))
        second = tensor(rng, dtype, b, grid)
        if rng.random() < 0.3:
            limits = np.iinfo(dtype)
            values = rng.integers(limits.min, limits.max + 1, b)
            second = constant(values, dtype, second.scale, zero_point=second.zero_point)
        return single(
            kind, [tensor(rng, dtype, a, grid), second], [tensor(rng, dtype, np.broadcast_shapes(a, b), grid)]
        )

    return make


def arg_extreme(kind: str) -> Callable[[Rng, str], bytes]:
    def make(rng: Rng, dtype: str) -> bytes:
        size = shape(rng)
        axis = int(rng.integers(0, len(size)))
        y = Spec(shape=(*size[:axis], *size[axis + 1 :]), dtype="int32")
        where = constant(np.array(either_axis(rng, axis, len(size))))
        return single(kind, [tensor(rng, dtype, size), where], [y], output_type=2)

    return make


def between(kind: str) -> Callable[[Rng, str], bytes]:
    """A function of real numbers between DEQUANTIZE and QUANTIZE."""

    def make(rng: Rng, dtype: str) -> bytes:
        size = shape(rng)
        x = tensor(rng, dtype, size, (scale(rng), -128 if kind == "SQRT" else int(rng.integers(-128, 128))))
        step = {"SQRT": np.sqrt(x.scale), "SQUARE": 100 * x.scale**2, "NEG": x.scale}[kind]
        reals = [Spec(shape=size, dtype="float32") for _ in range(2)]
        nodes = [
            Node(kind=name, inputs=[i], outputs=[i + 1], options={})
            for i, name in enumerate(("DEQUANTIZE", kind, "QUANTIZE"))
        ]
        y = tensor(rng, dtype, size, (float(np.float32(step)), int(rng.integers(-128, 128))))
        return build([x, *reals, y], nodes, [0], [3])

    return make


def lstm(rng: Rng, dtype: str) -> bytes:
    """Weights and scales at which gates neither stay open nor closed."""
    steps, inputs, units = int(rng.integers(1, 6)), int(rng.integers(1, 8)), int(rng.integers(1, 8))
    time_major = bool(rng.random() < 0.3)
    shape = (steps, 1, inputs) if time_major else (1, steps, inputs)
    if dtype == "int8":
        x = tensor(rng, dtype, shape, (float(np.float32(2 ** rng.uniform(-7, -5))), int(rng.integers(-128, 128))))
        hidden = (float(np.float32(2 ** rng.uniform(-8, -7))), int(rng.integers(-20, 20)))
    else:
        x, hidden = tensor(rng, dtype, shape, (float(np.float32(2 ** rng.uniform(-15, -13))), 0)), (2.0**-15, 0)
    bias_type = "int32" if dtype == "int8" else "int64"

    def weights(columns: int) -> list[Spec]:
        scales = np.float32(2 ** rng.uniform(-8, -5, 4))
        return [constant(rng.integers(-127, 128, (units, columns)), "int8", s) for s in scales]

    to_input, recurrent = weights(inputs), weights(units)
    reach = 2 ** int(rng.integers(4, 12 if dtype == "int8" else 20))
    biases = [
        constant(rng.integers(-reach, reach, units), bias_type, np.float32(x.scale) * np.float32(w.scale))
        for w in to_input
    ]
    h = Spec(shape=(1, units), dtype=dtype, scale=hidden[0], zero_point=hidden[1], variable=True)
    c = Spec(shape=(1, units), dtype="int16", scale=2.0 ** -int(rng.integers(9, 16)), variable=True)
    y = Spec(shape=(*shape[:2], units), dtype=dtype, scale=hidden[0], zero_point=hidden[1])
    operands = [x, *to_input, *recurrent, None, None, None, *biases, None, None, h, c, None, None, None, None]
    clip = float(rng.choice([0.0, 0.0, 0.5, 10.0]))
    options = {"time_major": time_major, "cell_clip": clip, "fusedActivationFunction": "TANH"}
    return single("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [y], **options)


FUNCTIONS: dict[tuple[str, str], Callable[[Rng, str], bytes]] = {
    **{(kind, dtype): extreme(kind) for kind in ("MAXIMUM", "MINIMUM") for dtype in ("int8", "int16")},
    **{("ABS", dtype): unary("ABS") for dtype in ("int8", "int16")},
    **{("LEAKY_RELU", dtype): leaky_relu for dtype in ("int8", "int16")},
    ("PRELU", "int8"): prelu,
    ("HARD_SWISH", "int8"): hard_swish,
    ("ELU", "int8"): unary("ELU"),
    **{("UNIDIRECTIONAL_SEQUENCE_LSTM", dtype): lstm for dtype in ("int8", "int16")},
    **{(kind, "int8"): reduction(kind) for kind in ("REDUCE_MAX", "REDUCE_MIN")},
    **{(kind, "int8"): arg_extreme(kind) for kind in ("ARG_MAX", "ARG_MIN")},
    **{
        (f"{kind} of images", dtype): convolution(kind, "int8", 3)
        for kind in ("CONV_2D", "DEPTHWISE_CONV_2D")
        for dtype in ("int8", "int16")
    },
    **{(kind, "int8"): between(kind) for kind in ("NEG", "SQRT", "SQUARE")},
    ("AVERAGE_POOL_2D of images", "int8"): pooling("AVERAGE_POOL_2D", 3),
    ("MAX_POOL_2D of images", "int16"): pooling("MAX_POOL_2D", 3),
}
"""Elementwise operators, extremes, and several images."""
MOVES: dict[tuple[str, str], Callable[[Rng, str], bytes]] = {
    **{
        (kind, dtype): make
        for kind, make in (
            ("PAD", pad("PAD")),
            ("PADV2", pad("PADV2")),
            ("TRANSPOSE", transpose),
            ("REVERSE_V2", reverse),
            ("EXPAND_DIMS", expand_dims),
            ("SQUEEZE", squeeze),
            ("SPLIT_V", split_v),
            ("BROADCAST_TO", broadcast_to),
            ("RESIZE_NEAREST_NEIGHBOR", resize),
            ("QUANTIZE from real numbers", from_real),
            ("DEQUANTIZE", to_real),
        )
        for dtype in ("int8", "int16")
    },
    ("MIRROR_PAD", "int8"): pad("MIRROR_PAD"),
    ("GATHER", "int8"): gather,
    ("SPACE_TO_BATCH_ND", "int8"): space_to_batch,
    ("BATCH_TO_SPACE_ND", "int8"): batch_to_space,
    ("SPACE_TO_DEPTH", "int8"): depth("SPACE_TO_DEPTH"),
    ("DEPTH_TO_SPACE", "int8"): depth("DEPTH_TO_SPACE"),
    ("QUANTIZE of uint8", "int8"): unsigned,
}
"""Operators that move values or convert them."""

BOTH = ("int8", "int16")
MAKERS: dict[tuple[str, str], Callable[[Rng, str], bytes]] = {
    **{(kind, dtype): binary(kind) for kind in ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE") for dtype in BOTH},
    **{
        (kind, dtype): unary(kind)
        for kind in ("RELU", "RELU6", "LOGISTIC", "TANH", "RSQRT", "QUANTIZE", "SOFTMAX")
        for dtype in BOTH
    },
    **{(kind, dtype): reduction(kind) for kind in ("MEAN", "SUM") for dtype in BOTH},
    **{(kind, dtype): pooling(kind) for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D") for dtype in BOTH},
    **{
        (kind, dtype): make
        for kind, make in (
            ("CONCATENATION", concatenation),
            ("SPLIT", split),
            ("SLICE", slice_),
            ("STRIDED_SLICE", strided_slice),
            ("RESHAPE", reshape),
            ("PACK", pack),
            ("UNPACK", unpack),
            ("QUANTIZE to the other type", requantize_types),
            ("FULLY_CONNECTED", fully_connected("int8")),
            ("CONV_2D", convolution("CONV_2D", "int8")),
            ("DEPTHWISE_CONV_2D", convolution("DEPTHWISE_CONV_2D", "int8")),
        )
        for dtype in BOTH
    },
    ("SOFTMAX to int16", "int8"): softmax_to_16,
    ("FULLY_CONNECTED with int4", "int8"): fully_connected("int4"),
    ("CONV_2D with int4", "int8"): convolution("CONV_2D", "int4"),
    ("DEPTHWISE_CONV_2D with int4", "int8"): convolution("DEPTHWISE_CONV_2D", "int4"),
    **MOVES,
    **FUNCTIONS,
}
"""(operator, type of its activations) -> a random file with that operator alone."""
