"""Rules of each operator: types, shapes and grids that TFLite-Micro takes. What it refuses or dies of ends here.

The numbers of a rule are those of TFLite-Micro's Prepare functions (tensorflow/lite/micro/kernels). A graph that passes
is safe to run: the twin, code generation and the interpreters rely on it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.kernels.layout import strided_ranges
from edgekd.program.operands import activation_limits
from edgekd.program.program import Op, Program, Tensor
from edgekd.program.requantize import quantize_multiplier

Shape = tuple[int, ...]
BROADCAST_RANK = 6
"""Most axes of operands that are broadcast."""
REDUCED_AXES = 2
"""Most axes that MEAN and SUM have room for; TFLite-Micro writes past its end with more."""
CONCATENATED = 10
"""Most operands of CONCATENATION."""
OVERHANG = 4096
"""Most places by which a window may be larger than the image."""
FIXED_GRIDS = {
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("LOGISTIC", "int16"): (1 / 32768, 0),
    ("TANH", "int8"): (1 / 128, 0),
    ("TANH", "int16"): (1 / 32768, 0),
}
"""Scale and zero point that the output must have."""


@dataclass(frozen=True)
class Operator:
    """One operator with its tensors; `fail` says where and what."""

    what: str
    op: Op
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    def fail(self, message: str, hint: str | None = None) -> ModelError:
        return ModelError(f"{self.what}: {message}", hint=hint)

    def operand(self, position: int) -> Tensor:
        tensor = self.inputs[position]
        if tensor is None:
            raise self.fail(f"operand {position} is missing")
        return tensor

    def constant(self, position: int, rank: int | None = None) -> list[int]:
        """A constant operand of int32 as a flat list; of `rank` numbers, if given."""
        tensor = self.operand(position)
        if tensor.data is None or tensor.dtype != "int32":
            raise self.fail(f"'{tensor.name}' must be a constant of type int32")
        if rank is not None and tensor.data.size != rank:
            raise self.fail(f"'{tensor.name}' has {tensor.data.size} numbers for a tensor of {rank} axes")
        return [int(one) for one in tensor.data.reshape(-1)]

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. ModelError when there is no such axis."""
        if not -rank <= axis < rank:
            raise self.fail(f"axis {axis} of a tensor with {rank} axes")
        return axis % rank

    def shape(self, tensor: Tensor, wanted: Sequence[int]) -> None:
        """ModelError unless the tensor has this shape."""
        if tensor.shape != tuple(wanted):
            raise self.fail(f"'{tensor.name}' has shape {list(tensor.shape)}, the operands give {list(wanted)}")

    def count(self, inputs: Sequence[int], outputs: int | None = 1) -> None:
        """ModelError unless the numbers of operands and results are among these."""
        if len(self.inputs) not in inputs:
            raise self.fail(f"{len(self.inputs)} operands, {' or '.join(map(str, inputs))} are supported")
        if (outputs is not None and len(self.outputs) != outputs) or not self.outputs:
            raise self.fail(f"{len(self.outputs)} results, {outputs or '1 or more'} are supported")


def check(program: Program) -> None:
    """ModelError for the first operator that breaks a rule, with its place, kind, tensor and what is supported."""
    for position, op in enumerate(program.ops):
        operator = Operator(
            f"operator {position} ({op.kind})",
            op,
            tuple(program.tensors[i] if i >= 0 else None for i in op.inputs),
            tuple(program.tensors[i] for i in op.outputs),
        )
        RULES[op.kind](operator)
        if operator.outputs[0].dtype in ("int8", "int16"):
            activation_limits(operator.outputs[0], op.options.get("activation", "NONE"), operator.what)


# -- types and grids ---------------------------------------------------------------------------------------------------


def _same_type(it: Operator, tensors: Sequence[Tensor], types: Sequence[str] = ("int8", "int16", "float32")) -> bool:
    """Whether the tensors are integers with one scale each. ModelError unless they share one of the types."""
    for tensor in tensors:
        if tensor.dtype not in types:
            raise it.fail(f"'{tensor.name}' is {tensor.dtype}", hint=f"supported: {', '.join(types)}")
        if tensor.dtype != tensors[0].dtype:
            raise it.fail(f"'{tensors[0].name}' is {tensors[0].dtype} and '{tensor.name}' {tensor.dtype}")
    if tensors[0].dtype == "float32":
        return False
    for tensor in tensors:
        _grid(it, tensor)
    return True


def _grid(it: Operator, tensor: Tensor) -> tuple[float, int]:
    """The one scale and zero point. ModelError when there is none, or the zero point is not one TFLite uses."""
    q = tensor.quantization
    if q is None or len(q.scale) != 1:
        raise it.fail(f"'{tensor.name}' has {0 if q is None else len(q.scale)} scales, 1 is supported")
    zero_point, limits = int(q.zero_point[0]), np.iinfo(tensor.dtype)
    symmetric = tensor.dtype == "int16" and not (it.op.kind == "SOFTMAX" and tensor is it.outputs[0])
    if (symmetric and zero_point != 0) or not limits.min <= zero_point <= limits.max:
        raise it.fail(
            f"'{tensor.name}' has zero point {zero_point}", hint="supported: int8 -128 to 127, int16 0, weights 0"
        )
    return float(q.scale[0]), zero_point


def _factor(it: Operator, factor: float, limit: float = 2.0**30) -> None:
    """ModelError for a factor between scales that fixed point does not hold."""
    if not math.isfinite(factor) or quantize_multiplier(factor)[1] > math.log2(limit):
        raise it.fail(f"scales differ by a factor of {factor:.3g}, up to {limit:.3g} is supported")


def _same_grid(it: Operator, tensors: Sequence[Tensor]) -> None:
    grids = [_grid(it, tensor) for tensor in tensors]
    for tensor, grid in zip(tensors, grids, strict=True):
        if grid != grids[-1]:
            raise it.fail(f"'{tensor.name}' and '{tensors[-1].name}' differ in scale or zero point")


def _fixed_grid(it: Operator, tensor: Tensor, scale: float, zero_point: int) -> None:
    if _grid(it, tensor) != (scale, zero_point):
        raise it.fail(f"'{tensor.name}' must have scale {scale:.9g} and zero point {zero_point}")


# -- elementwise -------------------------------------------------------------------------------------------------------


def _broadcast(it: Operator) -> bool:
    it.count([2])
    a, b, y = it.operand(0), it.operand(1), it.outputs[0]
    try:
        it.shape(y, np.broadcast_shapes(a.shape, b.shape))
    except ValueError:
        raise it.fail(f"shapes {list(a.shape)} of '{a.name}' and {list(b.shape)} of '{b.name}' do not fit") from None
    if a.shape != b.shape and len(y.shape) > BROADCAST_RANK:
        raise it.fail(f"'{y.name}' has {len(y.shape)} axes, up to {BROADCAST_RANK} can be broadcast")
    return _same_type(it, (a, b, y))


def _sum(it: Operator) -> None:
    if _broadcast(it):
        bits = 15 if it.outputs[0].dtype == "int16" else 20
        (a, _), (b, _), (y, _) = (_grid(it, one) for one in (it.operand(0), it.operand(1), it.outputs[0]))
        _factor(it, 2 * max(a, b) / (2**bits * y), limit=1)


def _mul(it: Operator) -> None:
    if _broadcast(it):
        (a, _), (b, _), (y, _) = (_grid(it, one) for one in (it.operand(0), it.operand(1), it.outputs[0]))
        _factor(it, a * b / y)


def _squared_difference(it: Operator) -> None:
    if _broadcast(it):
        (a, _), (b, _), (y, _) = (_grid(it, one) for one in (it.operand(0), it.operand(1), it.outputs[0]))
        _factor(it, (2 * max(a, b)) ** 2 / y / 4 ** (0 if it.outputs[0].dtype == "int16" else 7))


def _unary(it: Operator) -> bool:
    it.count([1])
    it.shape(it.outputs[0], it.operand(0).shape)
    return _same_type(it, (it.operand(0), it.outputs[0]))


def _relu(it: Operator) -> None:
    if _unary(it):
        _factor(it, _grid(it, it.operand(0))[0] / _grid(it, it.outputs[0])[0])


def _relu6(it: Operator) -> None:
    if _unary(it):
        x = it.operand(0)
        _same_grid(it, (x, it.outputs[0]))
        scale, zero_point = _grid(it, x)
        if 6 / scale + zero_point >= np.iinfo(x.dtype).max + 0.5:
            raise it.fail(f"6 does not fit the grid of '{x.name}' with scale {scale:.6g} and zero point {zero_point}")


def _sigmoid(it: Operator) -> None:
    if _unary(it):
        x, y = it.operand(0), it.outputs[0]
        _fixed_grid(it, y, *FIXED_GRIDS[it.op.kind, y.dtype])
        scale = _grid(it, x)[0]
        if not 2.0**-27 <= scale <= 1:
            raise it.fail(f"'{x.name}' has scale {scale:.3g}, 2^-27 to 1 is supported")


def _rsqrt(it: Operator) -> None:
    if _unary(it):
        _factor(it, 1 / (math.sqrt(_grid(it, it.operand(0))[0]) * _grid(it, it.outputs[0])[0]))


def _quantize(it: Operator) -> None:
    it.count([1])
    x, y = it.operand(0), it.outputs[0]
    it.shape(y, x.shape)
    for tensor in (x, y):
        _same_type(it, (tensor,), ("int8", "int16"))
    _factor(it, _grid(it, x)[0] / _grid(it, y)[0])


def _softmax(it: Operator) -> None:
    it.count([1])
    x, y = it.operand(0), it.outputs[0]
    it.shape(y, x.shape)
    if len(x.shape) < 1:
        raise it.fail("a single number has no axis")
    if not _same_type(it, (x,)):
        _same_type(it, (x, y))
        return
    kinds = {
        ("int8", "int8"): (1 / 256, -128),
        ("int8", "int16"): (1 / 65536, -32768),
        ("int16", "int16"): (1 / 32768, 0),
    }
    if (x.dtype, y.dtype) not in kinds:
        raise it.fail(f"'{x.name}' is {x.dtype} and '{y.name}' {y.dtype}", hint="supported: int8 or int16 for both")
    _fixed_grid(it, y, *kinds[x.dtype, y.dtype])
    scale, beta = _grid(it, x)[0], float(it.op.options["beta"])
    if not (math.isfinite(beta) and 2.0**-20 < scale * beta < 2.0**20):
        raise it.fail(f"beta {beta:.6g} with scale {scale:.3g} is out of range")


# -- copies ------------------------------------------------------------------------------------------------------------


def _copied(it: Operator, tensors: Sequence[Tensor]) -> None:
    """Types of an operator that copies; grids do not matter to it."""
    for tensor in tensors:
        if tensor.dtype not in ("int8", "int16", "int32", "float32") or tensor.dtype != tensors[0].dtype:
            raise it.fail(
                f"'{tensor.name}' is {tensor.dtype}", hint="supported: int8, int16, int32, float32 throughout"
            )


def _concatenation(it: Operator) -> None:
    it.count(range(1, CONCATENATED + 1))
    parts, y = [it.operand(i) for i in range(len(it.inputs))], it.outputs[0]
    if _same_type(it, (*parts, y)):
        _same_grid(it, (*parts, y))
    if it.op.options["activation"] != "NONE":
        raise it.fail(f"a fused {it.op.options['activation']} is not supported")
    axis = it.axis(it.op.options["axis"], len(y.shape))
    for part in parts:
        if len(part.shape) != len(y.shape) or _without(part.shape, axis) != _without(y.shape, axis):
            raise it.fail(f"'{part.name}' of shape {list(part.shape)} does not fit {list(y.shape)} along axis {axis}")
    total = sum(part.shape[axis] for part in parts)
    if total != y.shape[axis]:
        raise it.fail(f"operands have {total} along axis {axis}, '{y.name}' has {y.shape[axis]}")


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _split(it: Operator) -> None:
    it.count([2], None)
    x = it.operand(1)
    _copied(it, (x, *it.outputs))
    axis = it.axis(it.constant(0, 1)[0], len(x.shape))
    _promised(it, len(it.outputs))
    if x.shape[axis] % len(it.outputs):
        raise it.fail(f"{x.shape[axis]} along axis {axis} are not {len(it.outputs)} equal parts")
    for y in it.outputs:
        it.shape(y, (*x.shape[:axis], x.shape[axis] // len(it.outputs), *x.shape[axis + 1 :]))


def _slice(it: Operator) -> None:
    it.count([3])
    x, y = it.operand(0), it.outputs[0]
    _copied(it, (x, y))
    _rank(it, x)
    begins, sizes = it.constant(1, len(x.shape)), it.constant(2, len(x.shape))
    for have, begin, size in zip(x.shape, begins, sizes, strict=True):
        if begin < 0 or (size != -1 and not 1 <= size <= have - begin) or begin >= have:
            raise it.fail(f"{size} from {begin} of {have} elements of '{x.name}'")
    it.shape(y, [n - b if size == -1 else size for n, b, size in zip(x.shape, begins, sizes, strict=True)])


def _strided_slice(it: Operator) -> None:
    it.count([4])
    x, y, options = it.operand(0), it.outputs[0], it.op.options
    _copied(it, (x, y))
    _rank(it, x)
    for name in ("ellipsis_mask", "new_axis_mask"):
        if options[name]:
            raise it.fail(f"{name} {options[name]} is not supported")
    rows = [it.constant(i, len(x.shape)) for i in (1, 2, 3)]
    wanted = []
    for axis, (begin, stride) in enumerate(zip(rows[0], rows[2], strict=True)):
        shrunk = options["shrink_axis_mask"] >> axis & 1
        first = 0 if options["begin_mask"] >> axis & 1 else begin
        if stride == 0 or (shrunk and (stride != 1 or not -x.shape[axis] <= first < x.shape[axis])):
            raise it.fail(f"index {begin} with stride {stride} of {x.shape[axis]} elements of '{x.name}'")
    for axis, picks in enumerate(strided_ranges(it.op, x.shape, rows)):
        if not options["shrink_axis_mask"] >> axis & 1:
            wanted.append(len(range(*picks)))
    it.shape(y, wanted)


def _reshape(it: Operator) -> None:
    it.count([1, 2])
    x, y = it.operand(0), it.outputs[0]
    _copied(it, (x, y))
    if math.prod(x.shape) != math.prod(y.shape):
        raise it.fail(f"'{x.name}' of shape {list(x.shape)} has other elements than '{y.name}' of {list(y.shape)}")


def _pack(it: Operator) -> None:
    parts, y = [it.operand(i) for i in range(len(it.inputs))], it.outputs[0] if it.outputs else None
    it.count([max(len(parts), 1)])
    assert y is not None
    _copied(it, (*parts, y))
    _promised(it, len(parts))
    axis = it.axis(it.op.options["axis"], len(y.shape))
    for part in parts:
        it.shape(y, (*part.shape[:axis], len(parts), *part.shape[axis:]))


def _unpack(it: Operator) -> None:
    it.count([1], None)
    x = it.operand(0)
    _copied(it, (x, *it.outputs))
    _promised(it, len(it.outputs))
    axis = it.axis(it.op.options["axis"], len(x.shape))
    for y in it.outputs:
        it.shape(x, (*y.shape[:axis], len(it.outputs), *y.shape[axis:]))


def _promised(it: Operator, count: int) -> None:
    """ModelError unless the operator's own count is that of its tensors."""
    if it.op.options["count"] != count:
        raise it.fail(f"it promises {it.op.options['count']} tensors and names {count}")


def _rank(it: Operator, tensor: Tensor) -> None:
    if not 1 <= len(tensor.shape) <= 4:
        raise it.fail(f"'{tensor.name}' has {len(tensor.shape)} axes, 1 to 4 are supported")


# -- reductions --------------------------------------------------------------------------------------------------------


def _reduce(it: Operator) -> None:
    it.count([2])
    x, y = it.operand(0), it.outputs[0]
    integers = _same_type(it, (x, y))
    _rank(it, x)
    axes = it.constant(1)
    if len(axes) > REDUCED_AXES:
        raise it.fail(f"{len(axes)} axes, up to {REDUCED_AXES} are supported")
    reduced = {it.axis(axis, len(x.shape)) for axis in axes}
    kept = [1 if i in reduced else n for i, n in enumerate(x.shape) if it.op.options["keep_dims"] or i not in reduced]
    it.shape(y, kept)
    if integers:
        _factor(it, _grid(it, x)[0] / _grid(it, y)[0])


# -- operators with weights --------------------------------------------------------------------------------------------


def _weighted(it: Operator, channels: int, axis: int, *, nibbles_per_channel: bool) -> None:
    """Types, scales and bias of an operator whose weights have output channels along `axis`."""
    x, w, y = it.operand(0), it.operand(1), it.outputs[0]
    bias = it.inputs[2] if len(it.inputs) > 2 else None
    if bias is not None:
        it.shape(bias, (channels,))
    if not _same_type(it, (x, y)):
        _same_type(it, [w, *([bias] if bias else [])], ("float32",))
        return
    if w.dtype not in (("int8", "int4") if x.dtype == "int8" else ("int8",)):
        raise it.fail(
            f"weights '{w.name}' are {w.dtype} with {x.dtype} activations", hint="supported: int8; int4 with int8"
        )
    if w.data is None:
        raise it.fail(f"weights '{w.name}' must be a constant")
    q = w.quantization
    if q is None or len(q.scale) not in (1, channels) or (len(q.scale) > 1 and q.axis != axis):
        raise it.fail(f"weights '{w.name}' need 1 scale, or {channels} along axis {axis}")
    if q.zero_point.any():
        raise it.fail(f"weights '{w.name}' have a zero point, 0 is supported")
    if len(q.scale) > 1 and w.dtype == "int4" and not nibbles_per_channel:
        raise it.fail(f"weights '{w.name}' are int4 with a scale per channel", hint="one scale for all is supported")
    if bias is not None:
        _bias(it, bias, "int32" if x.dtype == "int8" else "int64")
    for scale in (float(q.scale.min()), float(q.scale.max())):
        _factor(it, _grid(it, x)[0] * scale / _grid(it, y)[0], limit=2.0**30 if x.dtype == "int8" else 2.0**7)


def _bias(it: Operator, bias: Tensor, dtype: str) -> None:
    """A constant of the accumulator's type; with one scale, on the grid of the products to 2 % of the output's."""
    x, w, y = it.operand(0), it.operand(1), it.outputs[0]
    if bias.dtype != dtype or bias.data is None:
        raise it.fail(
            f"bias '{bias.name}' is {bias.dtype}, a constant of {dtype} is supported with {x.dtype} activations"
        )
    assert w.quantization is not None
    if len(w.quantization.scale) > 1:
        return
    scale = 0.0 if bias.quantization is None else float(bias.quantization.scale[0])
    product = _grid(it, x)[0] * float(w.quantization.scale[0])
    if abs(product - scale) > 0.02 * _grid(it, y)[0]:
        raise it.fail(f"bias '{bias.name}' has scale {scale:.6g}, the products have {product:.6g}")


def _fully_connected(it: Operator) -> None:
    it.count([2, 3])
    x, w, y = it.operand(0), it.operand(1), it.outputs[0]
    if it.op.options["weights_format"] != 0:
        raise it.fail(f"weights format {it.op.options['weights_format']} is not supported")
    if len(w.shape) != 2 or not y.shape or y.shape[-1] != w.shape[0]:
        raise it.fail(f"weights '{w.name}' of shape {list(w.shape)} do not give '{y.name}' of {list(y.shape)}")
    if math.prod(x.shape) != math.prod(y.shape[:-1]) * w.shape[1]:
        raise it.fail(
            f"'{x.name}' of shape {list(x.shape)} does not fit weights of {list(w.shape)} and {list(y.shape)}"
        )
    _weighted(it, w.shape[0], 0, nibbles_per_channel=False)


def _conv(it: Operator) -> None:
    x, w, y = _images(it)
    outputs, _, _, depth = w.shape
    if x.shape[3] % depth or outputs % (x.shape[3] // depth):
        raise it.fail(f"{x.shape[3]} channels of '{x.name}' with weights '{w.name}' of shape {list(w.shape)}")
    _window(it, x, y, w.shape[1], w.shape[2], outputs)
    _weighted(it, outputs, 0, nibbles_per_channel=True)


def _depthwise_conv(it: Operator) -> None:
    x, w, y = _images(it)
    multiplier = it.op.options["depth_multiplier"]
    if w.shape[0] != 1 or w.shape[3] != x.shape[3] * multiplier:
        raise it.fail(f"{x.shape[3]} channels times {multiplier} with weights '{w.name}' of shape {list(w.shape)}")
    _window(it, x, y, w.shape[1], w.shape[2], w.shape[3])
    _weighted(it, w.shape[3], 3, nibbles_per_channel=True)


def _images(it: Operator) -> tuple[Tensor, Tensor, Tensor]:
    it.count([2, 3])
    x, w, y = it.operand(0), it.operand(1), it.outputs[0]
    for tensor in (x, w, y):
        if len(tensor.shape) != 4:
            raise it.fail(f"'{tensor.name}' has {len(tensor.shape)} axes, 4 are supported")
    return x, w, y


def _window(it: Operator, x: Tensor, y: Tensor, height: int, width: int, channels: int) -> None:
    """ModelError unless y has the shape that windows of this size give."""
    options, sizes = it.op.options, [x.shape[0]]
    if x.shape[0] != 1:
        raise it.fail(f"'{x.name}' holds {x.shape[0]} images, 1 is supported")
    for side, size, have in (("h", height, x.shape[1]), ("w", width, x.shape[2])):
        stride, dilation = options[f"stride_{side}"], options.get(f"dilation_{side}", 1)
        if not (1 <= stride < 2**15 and 1 <= dilation < 2**15 and 1 <= size < 2**15):
            raise it.fail(f"window of {size}, stride {stride}, dilation {dilation}: 1 to 32767 is supported")
        reach = (size - 1) * dilation + 1
        if reach - have > OVERHANG:
            raise it.fail(
                f"the window reaches over {reach} places, up to {have + OVERHANG} are supported on '{x.name}'"
            )
        sizes.append(-(-have // stride) if options["padding"] == "SAME" else (have - reach) // stride + 1)
    it.shape(y, (*sizes, channels))


def _pool(it: Operator) -> None:
    it.count([1])
    x, y = it.operand(0), it.outputs[0]
    for tensor in (x, y):
        if len(tensor.shape) != 4:
            raise it.fail(f"'{tensor.name}' has {len(tensor.shape)} axes, 4 are supported")
    if _same_type(it, (x, y)):
        _same_grid(it, (x, y))
    _window(it, x, y, it.op.options["filter_h"], it.op.options["filter_w"], x.shape[3])


def _absent(it: Operator) -> None:
    raise it.fail("TFLite-Micro has no such operator", hint="RELU, RELU6, or a fused RELU_N1_TO_1 are supported")


def _lstm(it: Operator) -> None:
    raise it.fail(
        "not supported: its gates and state are scaled differently by TFLite and TFLite-Micro",
        hint="export one step of the cell, with FULLY_CONNECTED, LOGISTIC, TANH, MUL and ADD",
    )


RULES: dict[str, Callable[[Operator], None]] = {
    "ADD": _sum,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise_conv,
    "FULLY_CONNECTED": _fully_connected,
    "LOGISTIC": _sigmoid,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduce,
    "MUL": _mul,
    "PACK": _pack,
    "QUANTIZE": _quantize,
    "RELU": _relu,
    "RELU6": _relu6,
    "RELU_N1_TO_1": _absent,
    "RESHAPE": _reshape,
    "RSQRT": _rsqrt,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPLIT": _split,
    "SQUARED_DIFFERENCE": _squared_difference,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _sum,
    "SUM": _reduce,
    "TANH": _sigmoid,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "UNPACK": _unpack,
}
