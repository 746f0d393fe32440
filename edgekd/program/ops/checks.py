"""What rules of operators share: an operator with its tensors, and checks of types, shapes and quantization.

The numbers of a rule are those of TFLite-Micro's Prepare functions (tensorflow/lite/micro/kernels). A graph that passes
is safe to run: the reference interpreter, code generation and the runtimes rely on it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.program import Op, Tensor
from edgekd.program.requantize import quantize_multiplier

Shape = tuple[int, ...]
BROADCAST_RANK = 6
"""Most axes of operands that are broadcast."""
OVERHANG = 4096
"""Most places by which a window may be larger than the image."""
COPIED_TYPES = ("uint8", "int8", "int16", "int32", "float32")


@dataclass(frozen=True)
class CheckedOp:
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

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """All operands. ModelError when one is left out."""
        return tuple(self.operand(position) for position in range(len(self.inputs)))

    @property
    def result(self) -> Tensor:
        """The first result."""
        return self.outputs[0]

    def constant(self, position: int, count: int | None = None) -> list[int]:
        """A constant operand of int32 as a flat list; of `count` numbers, if given."""
        tensor = self.operand(position)
        if tensor.data is None or tensor.dtype != "int32":
            raise self.fail(f"'{tensor.name}' must be a constant of type int32")
        if count is not None and tensor.data.size != count:
            raise self.fail(f"'{tensor.name}' has {tensor.data.size} numbers for a tensor of {count} axes")
        return [int(number) for number in tensor.data.reshape(-1)]

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. ModelError when there is no such axis."""
        if not -rank <= axis < rank:
            raise self.fail(f"axis {axis} of a tensor with {rank} axes")
        return axis % rank

    def shape(self, tensor: Tensor, wanted: Sequence[int]) -> None:
        """ModelError unless the tensor has this shape."""
        if tensor.shape != tuple(wanted):
            raise self.fail(f"'{tensor.name}' has shape {list(tensor.shape)}, the operands give {list(wanted)}")

    def rank(self, tensor: Tensor, most: int = 4, least: int = 1) -> None:
        """ModelError unless the tensor has so many axes."""
        if not least <= len(tensor.shape) <= most:
            limits = f"{most} are" if least == most else f"{least} to {most} are"
            raise self.fail(f"'{tensor.name}' has {len(tensor.shape)} axes, {limits} supported")

    def count(self, inputs: Sequence[int], outputs: int | None = 1) -> None:
        """ModelError unless the numbers of operands and results are among these."""
        if len(self.inputs) not in inputs:
            raise self.fail(f"{len(self.inputs)} operands, {' or '.join(map(str, inputs))} are supported")
        if (outputs is not None and len(self.outputs) != outputs) or not self.outputs:
            raise self.fail(f"{len(self.outputs)} results, {outputs or '1 or more'} are supported")

    def promised(self, count: int) -> None:
        """ModelError unless the operator's own count of tensors is theirs."""
        if self.op.options["count"] != count:
            raise self.fail(f"it promises {self.op.options['count']} tensors and names {count}")

    # -- types and quantization ----------------------------------------------------------------------------------------

    def same_type(self, tensors: Sequence[Tensor], types: Sequence[str] = ("int8", "int16", "float32")) -> bool:
        """Whether the tensors are integers with one scale each. ModelError unless they share one of the types."""
        for tensor in tensors:
            if tensor.dtype not in types:
                raise self.fail(f"'{tensor.name}' is {tensor.dtype}", hint=f"supported: {', '.join(types)}")
            if tensor.dtype != tensors[0].dtype:
                raise self.fail(f"'{tensors[0].name}' is {tensors[0].dtype} and '{tensor.name}' {tensor.dtype}")
        if tensors[0].dtype == "float32":
            return False
        for tensor in tensors:
            self.quant(tensor)
        return True

    def copied(self, tensors: Sequence[Tensor]) -> None:
        """ModelError unless the tensors are of one type; their quantization does not matter to a copy."""
        for tensor in tensors:
            if tensor.dtype not in COPIED_TYPES or tensor.dtype != tensors[0].dtype:
                raise self.fail(
                    f"'{tensor.name}' is {tensor.dtype}", hint=f"supported: {', '.join(COPIED_TYPES)} throughout"
                )

    def quant(self, tensor: Tensor, *, asymmetric: bool = False) -> tuple[float, int]:
        """The one scale and zero point. ModelError when there is none, or the zero point is not one TFLite uses.

        asymmetric: int16 may have a zero point, too.
        """
        q = tensor.quantization
        if q is None or len(q.scale) != 1:
            raise self.fail(f"'{tensor.name}' has {0 if q is None else len(q.scale)} scales, 1 is supported")
        zero_point, limits = int(q.zero_point[0]), np.iinfo(tensor.dtype)
        symmetric = tensor.dtype == "int16" and not asymmetric
        if (symmetric and zero_point != 0) or not limits.min <= zero_point <= limits.max:
            raise self.fail(
                f"'{tensor.name}' has zero point {zero_point}", hint="supported: int8 -128 to 127, int16 0, weights 0"
            )
        return float(q.scale[0]), zero_point

    def scale(self, tensor: Tensor) -> float:
        """The one scale."""
        return self.quant(tensor)[0]

    def zero(self, tensor: Tensor) -> None:
        """ModelError unless it is clear what stands for zero, which a tensor is padded with."""
        if tensor.quantization is not None and tensor.dtype != "float32":
            self.quant(tensor)

    def same_quant(self, tensors: Sequence[Tensor]) -> None:
        """ModelError unless all have one scale and zero point."""
        for tensor in tensors:
            if self.quant(tensor) != self.quant(tensors[-1]):
                raise self.fail(f"'{tensor.name}' and '{tensors[-1].name}' differ in scale or zero point")

    def fixed_quant(self, tensor: Tensor, scale: float, zero_point: int) -> None:
        """ModelError unless the tensor has this scale and zero point."""
        if self.quant(tensor, asymmetric=True) != (scale, zero_point):
            raise self.fail(f"'{tensor.name}' must have scale {scale:.9g} and zero point {zero_point}")

    def factor(self, factor: float, limit: float = 2.0**30) -> None:
        """ModelError for a factor between scales that fixed point does not hold."""
        if not math.isfinite(factor) or quantize_multiplier(factor)[1] > math.log2(limit):
            raise self.fail(f"scales differ by a factor of {factor:.3g}, up to {limit:.3g} is supported")

    # -- families ------------------------------------------------------------------------------------------------------

    def unary(self) -> bool:
        """One operand, one result of its shape and type: whether they are integers."""
        self.count([1])
        self.shape(self.result, self.operand(0).shape)
        return self.same_type((self.operand(0), self.result))

    def binary(self) -> bool:
        """Two operands of one type that are broadcast to the result: whether they are integers."""
        self.count([2])
        a, b, y = self.operand(0), self.operand(1), self.result
        try:
            self.shape(y, np.broadcast_shapes(a.shape, b.shape))
        except ValueError:
            raise self.fail(
                f"shapes {list(a.shape)} of '{a.name}' and {list(b.shape)} of '{b.name}' do not fit"
            ) from None
        if a.shape != b.shape and len(y.shape) > BROADCAST_RANK:
            raise self.fail(f"'{y.name}' has {len(y.shape)} axes, up to {BROADCAST_RANK} can be broadcast")
        return self.same_type((a, b, y))

    def window(self, x: Tensor, y: Tensor, height: int, width: int, channels: int) -> None:
        """ModelError unless y has the shape that windows of this size give."""
        options, sizes = self.op.options, [x.shape[0]]
        for side, size, have in (("h", height, x.shape[1]), ("w", width, x.shape[2])):
            stride, dilation = options[f"stride_{side}"], options.get(f"dilation_{side}", 1)
            if not (1 <= stride < 2**15 and 1 <= dilation < 2**15 and 1 <= size < 2**15):
                raise self.fail(f"window of {size}, stride {stride}, dilation {dilation}: 1 to 32767 is supported")
            reach = (size - 1) * dilation + 1
            if reach - have > OVERHANG:
                raise self.fail(
                    f"the window reaches over {reach} places, up to {have + OVERHANG} are supported on '{x.name}'"
                )
            sizes.append(-(-have // stride) if options["padding"] == "SAME" else (have - reach) // stride + 1)
        self.shape(y, (*sizes, channels))

    def weighted(self, channels: int, axis: int, *, nibbles_per_channel: bool) -> None:
        """Types, scales and bias of an operator whose weights have output channels along `axis`."""
        x, w, y = self.operand(0), self.operand(1), self.result
        bias = self.inputs[2] if len(self.inputs) > 2 else None
        if bias is not None:
            self.shape(bias, (channels,))
        if not self.same_type((x, y)):
            self.same_type([w, *([bias] if bias else [])], ("float32",))
            return
        if w.dtype not in (("int8", "int4") if x.dtype == "int8" else ("int8",)):
            raise self.fail(
                f"weights '{w.name}' are {w.dtype} with {x.dtype} activations", hint="supported: int8; int4 with int8"
            )
        if w.data is None:
            raise self.fail(f"weights '{w.name}' must be a constant")
        q = w.quantization
        if q is None or len(q.scale) not in (1, channels) or (len(q.scale) > 1 and q.axis != axis):
            raise self.fail(f"weights '{w.name}' need 1 scale, or {channels} along axis {axis}")
        if q.zero_point.any():
            raise self.fail(f"weights '{w.name}' have a zero point, 0 is supported")
        if len(q.scale) > 1 and w.dtype == "int4" and not nibbles_per_channel:
            raise self.fail(
                f"weights '{w.name}' are int4 with a scale per channel", hint="one scale for all is supported"
            )
        if bias is not None:
            self._bias(bias, "int32" if x.dtype == "int8" else "int64")
        for scale in (float(q.scale.min()), float(q.scale.max())):
            self.factor(self.scale(x) * scale / self.scale(y), limit=2.0**30 if x.dtype == "int8" else 2.0**7)

    def _bias(self, bias: Tensor, dtype: str) -> None:
        """A constant of the accumulator's type; with one scale, on the grid of the products to 2 % of the output's."""
        x, w, y = self.operand(0), self.operand(1), self.result
        if bias.dtype != dtype or bias.data is None:
            raise self.fail(
                f"bias '{bias.name}' is {bias.dtype}, a constant of {dtype} is supported with {x.dtype} activations"
            )
        assert w.quantization is not None
        if len(w.quantization.scale) > 1:
            return
        scale = 0.0 if bias.quantization is None else float(bias.quantization.scale[0])
        product = self.scale(x) * float(w.quantization.scale[0])
        if abs(product - scale) > 0.02 * self.scale(y):
            raise self.fail(f"bias '{bias.name}' has scale {scale:.6g}, the products have {product:.6g}")
