"""Elementwise operators -> lanes of a loop: the cheapest form that is equal to the twin for every input.

An int8 operator of one variable is an affine form (see `affine`) or a table; of two variables an affine form or
TFLite's own sequence. Which one is proved by running the twin on every input. int16 operators keep TFLite's sequence.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.codegen import affine
from edgekd.codegen.affine import X8, Affine
from edgekd.codegen.ir import Array, Buffer, Index, Lane, Operand, Term
from edgekd.program import reference
from edgekd.program.kernels.elementwise import RSQRT_BITS, relu6_limits, sigmoid_scaling_16
from edgekd.program.program import Op, Program, Tensor
from edgekd.program.requantize import quantize_multiplier, requantize

KINDS = frozenset(("ADD", "SUB", "MUL", "LOGISTIC", "TANH", "RELU", "RELU6", "QUANTIZE", "SQUARED_DIFFERENCE", "RSQRT"))
LARGEST_PER_ELEMENT = 64
"""Elements up to which a constant operand becomes a factor and an offset per element: 8 bytes instead of 1 or 2."""


def broadcast(shape: tuple[int, ...], to: tuple[int, ...]) -> Index:
    """Index of an operand of `shape` that is broadcast, as NumPy does, to the shape of the result."""
    if math.prod(shape) == math.prod(to):
        return Index()
    full = (1,) * (len(to) - len(shape)) + shape
    terms = []
    for d, (size, result) in enumerate(zip(full, to, strict=True)):
        if size > 1:
            terms.append(Term(divide=math.prod(to[d + 1 :]), modulo=result, stride=math.prod(full[d + 1 :])))
    return Index(terms=tuple(terms))


def scaling(factor: float) -> dict[str, int]:
    """A real factor as C takes it: fraction and shift of edgekd_requantize."""
    multiplier, shift = quantize_multiplier(factor)
    return split_multiplier(multiplier, shift)


def split_multiplier(multiplier: int, shift: int) -> dict[str, int]:
    """TFLite's multiplier and shift as edgekd_requantize takes them; 0 becomes a factor that rounds to it."""
    if multiplier == 0:
        return {"fraction": -(2**31), "shift": -31}
    return {"fraction": 2 * multiplier - 2**32, "shift": shift}


def replace_limits(lane: Lane, **limits: int) -> Lane:
    """The same with other clamps."""
    return replace(lane, constants=lane.constants | limits | {"full": False})


class Lowering:
    """One operator being lowered: its tensors, where its operands are, and the lane that comes out."""

    def __init__(
        self, op: Op, tensors: Sequence[Tensor], buffers: Sequence[Buffer | None], out: Buffer, at: int
    ) -> None:
        self.op, self.tensors, self.out = op, tensors, out
        self.what = f"operator {at} ({op.kind})"
        assert out.tensor is not None
        self.result = out.tensor
        self.operands = [
            None if buffer is None else Operand(source=buffer, index=broadcast(buffer.shape, out.shape))
            for buffer in buffers
        ]
        self.low, self.high = reference.activation_limits(self.result, self.activation, self.what)

    @property
    def activation(self) -> str:
        return str(self.op.options.get("activation", "NONE"))

    def lane(self) -> Lane:
        """The cheapest lane."""
        variable = [operand for operand in self.operands if operand is not None]
        small = all(one.dtype == "int8" for one in (self.result, *self.tensors))
        if small and len(variable) == 1:
            found = self._of_one(variable[0])
        elif small and len(variable) == 2 and self.op.kind in ("ADD", "SUB"):
            found = self._of_two(variable)
        else:
            found = None
        return found or self._general()

    def _of_one(self, operand: Operand) -> Lane | None:
        """Affine form or table of a function of one int8."""
        constants = [tensor.data for tensor in self.tensors if tensor.data is not None]
        if all(data.size == 1 for data in constants):
            stairs = self._stairs_of_one((1,))
            found = affine.unary(stairs, self.low, self.high)
            return self._affine(found, (operand,)) if found else self._table(operand, stairs[0])
        if self.op.kind in ("ADD", "SUB"):
            both = self._binary()
            return self._with_constant(both, operand) if both else None
        if self.out.size > LARGEST_PER_ELEMENT:
            return None
        found = affine.unary(self._stairs_of_one(self.out.shape), self.low, self.high)
        return self._affine(found, (operand,)) if found else None

    def _of_two(self, operands: list[Operand]) -> Lane | None:
        found = self._binary()
        return self._affine(found, tuple(operands)) if found else None

    def _table(self, operand: Operand, values: NDArray[np.int64]) -> Lane:
        table = Array(
            name=f"{self.out.name}_table",
            c_type="int8_t",
            values=values,
            comment=f"{self.op.kind} of -128 ... 127",
        )
        return self._make("table", (operand,), table=table)

    def _affine(self, found: Affine, operands: tuple[Operand, ...], offset: Array | None = None) -> Lane:
        if offset is None and found.is_identity:
            return self._make("same", operands)
        factors: list[Any] = [self._per_element(one, "factor") for one in found.factors]
        return self._make(
            "affine",
            operands,
            factors=factors,
            offset=offset or self._per_element(found.offset, "offset"),
            shift=found.shift,
            bounded=found.bounded,
        )

    def _per_element(self, values: NDArray[np.int64], what: str) -> Any:
        """A number, or an array with one for each element of the result."""
        if values.size == 1:
            return int(values.reshape(-1)[0])
        return Array(
            name=f"{self.out.name}_{what}",
            c_type="int32_t",
            values=values,
            comment=f"of {self.op.kind}, by element",
        )

    def _with_constant(self, both: Affine, operand: Operand) -> Lane:
        """ADD or SUB of a constant array: its part of the sum goes into the offsets."""
        position = 0 if self.operands[0] is None else 1
        data = self.tensors[position].data
        assert data is not None
        offset = np.broadcast_to(data, self.out.shape).reshape(-1).astype(np.int64) * both.factors[position]
        form = replace(both, factors=(both.factors[1 - position],), offset=offset + both.offset)
        return self._affine(form, (operand,))

    def _stairs_of_one(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The twin's result for every input, of a result of that shape, which constants are broadcast to: [n, 256]."""
        count = math.prod(shape)
        tensors, values = [], {}
        for position, tensor in enumerate(self.tensors):
            data = tensor.data
            if data is None:
                values[position] = np.repeat(X8.astype(np.int8)[:, None], count, axis=1)
            else:
                data = np.broadcast_to(data.reshape(1) if data.size == 1 else data, shape).reshape(1, count)
            tensors.append(replace(tensor, shape=(1, count), data=data))
        return self._run(tensors, count, values).T.astype(np.int64)

    def _binary(self) -> Affine | None:
        """Affine form of ADD or SUB, proved on all pairs of operands."""
        tensors = [replace(tensor, shape=(1, 1), data=None) for tensor in self.tensors]
        a, b = (one.astype(np.int8).reshape(-1, 1) for one in np.meshgrid(X8, X8, indexing="ij"))
        stairs = self._run(tensors, 1, {0: a, 1: b}).reshape(256, 256).astype(np.int64)
        scale, zero = self._scale(self.result), self._zero(self.result)
        sign = -1 if self.op.kind == "SUB" else 1
        slopes = (self._scale(self.tensors[0]) / scale, sign * self._scale(self.tensors[1]) / scale)
        start = zero - sum(slope * self._zero(one) for slope, one in zip(slopes, self.tensors, strict=True))
        return affine.binary(stairs, self.low, self.high, slopes, start)

    def _run(self, tensors: Sequence[Tensor], count: int, values: dict[int, NDArray[np.int8]]) -> NDArray[Any]:
        """The twin's result for a batch of operands, by position: [B, count]."""
        last = len(tensors)
        program = Program(
            tensors=(*tensors, replace(self.result, shape=(1, count))),
            ops=(replace(self.op, inputs=tuple(range(last)), outputs=(last,)),),
            inputs=tuple(values),
            outputs=(last,),
            sha256="",
        )
        return reference.run(program, list(values.values()))[0]

    # -- TFLite's own sequences ------------------------------------------------------------------------------------

    def _general(self) -> Lane:
        makers = {
            "ADD": self._sum,
            "SUB": self._sum,
            "MUL": self._product,
            "QUANTIZE": self._rescale,
            "LOGISTIC": self._sigmoid_16,
            "TANH": self._sigmoid_16,
            "SQUARED_DIFFERENCE": self._squared_difference,
            "RELU": self._relu,
            "RELU6": self._relu6,
            "RSQRT": self._rsqrt,
        }
        return makers[self.op.kind]()

    def _sum(self) -> Lane:
        bits = 15 if self.result.dtype == "int16" else 20
        twice, operands, parts = self._aligned(bits)
        last = scaling(twice / (2**bits * self._scale(self.result)))
        sign = "-" if self.op.kind == "SUB" else "+"
        return self._make("sum", operands, parts=parts, sign=sign, zero=self._zero(self.result), scaling=last)

    def _squared_difference(self) -> Lane:
        bits = 0 if self.result.dtype == "int16" else 7
        twice, operands, parts = self._aligned(bits)
        last = scaling(twice * twice / (4**bits * self._scale(self.result)))
        return self._make("squared_difference", operands, parts=parts, zero=self._zero(self.result), scaling=last)

    def _aligned(self, bits: int) -> tuple[float, tuple[Operand | int, ...], list[dict[str, Any]]]:
        """Twice the larger scale, and how each operand is brought to it with spare bits."""
        twice = 2 * max(self._scale(one) for one in self.tensors)
        operands: list[Operand | int] = []
        parts: list[dict[str, Any]] = []
        for position, tensor in enumerate(self.tensors):
            multiplier, shift = quantize_multiplier(self._scale(tensor) / twice)
            if tensor.data is not None:
                shifted = (tensor.data.astype(np.int64) - self._zero(tensor)) << bits
                operands.append(self._constant(requantize(shifted, multiplier, shift), position, "int32_t"))
                parts.append({"zero": 0, "gain": 1, "scaling": None})
                continue
            operands.append(self._operand(position))
            half = bits > 0 and (multiplier, shift) == (1 << 30, 0)  # exact, as long as there is a bit to spare
            parts.append(
                {
                    "zero": self._zero(tensor),
                    "gain": 1 << (bits - half),
                    "scaling": None if half else split_multiplier(multiplier, shift),
                }
            )
        return twice, tuple(operands), parts

    def _product(self) -> Lane:
        operands: list[Operand | int] = []
        zeros: list[int] = []
        for position, tensor in enumerate(self.tensors):
            zero = self._zero(tensor)
            zeros.append(0 if tensor.data is not None else zero)
            operands.append(
                self._operand(position)
                if tensor.data is None
                else self._constant(tensor.data.astype(np.int64) - zero, position, "int16_t")
            )
        factor = self._scale(self.tensors[0]) * self._scale(self.tensors[1]) / self._scale(self.result)
        return self._make(
            "product", tuple(operands), zeros=zeros, zero=self._zero(self.result), scaling=scaling(factor)
        )

    def _rescale(self) -> Lane:
        x = self.tensors[0]
        factor = self._scale(x) / self._scale(self.result)
        return self._make(
            "rescale",
            (self._operand(0),),
            x_zero=self._zero(x),
            zero=self._zero(self.result),
            scaling=scaling(factor),
        )

    def _relu(self) -> Lane:
        return replace_limits(self._rescale(), low=max(self.low, self._zero(self.result)))

    def _relu6(self) -> Lane:
        """Clamped on the operand's own grid, as TFLite-Micro does."""
        low, high = relu6_limits(self.tensors[0], self.what)
        return replace_limits(self._make("clamp", (self._operand(0),)), low=low, high=high)

    def _rsqrt(self) -> Lane:
        x = self.tensors[0]
        multiplier, shift = quantize_multiplier(1 / (math.sqrt(self._scale(x)) * self._scale(self.result)))
        return self._make(
            "rsqrt",
            (self._operand(0),),
            x_zero=self._zero(x),
            zero=self._zero(self.result),
            most=np.iinfo(self.result.dtype).max,
            scaling=split_multiplier(multiplier, shift - RSQRT_BITS),
        )

    def _sigmoid_16(self) -> Lane:
        x = self.tensors[0]
        powers = (0,) if self.op.kind == "LOGISTIC" else (0, 1)
        multiplier, shift = sigmoid_scaling_16(self._scale(x), *powers)
        return self._make(self.op.kind.lower(), (self._operand(0),), multiplier=multiplier, input_shift=shift)

    def _operand(self, position: int) -> Operand:
        operand = self.operands[position]
        assert operand is not None
        return operand

    def _constant(self, values: NDArray[np.int64], position: int, c_type: str) -> Operand | int:
        """A constant operand: a number, or an array that is broadcast."""
        if values.size == 1:
            return int(values.reshape(-1)[0])
        array = Array(
            name=f"{self.out.name}_{'ab'[position]}",
            c_type=c_type,
            values=values.reshape(-1),
            comment=f"constant operand of {self.op.kind}",
        )
        return Operand(source=array, index=broadcast(values.shape, self.out.shape))

    def _make(self, kind: str, operands: tuple[Operand | int, ...], **constants: Any) -> Lane:
        limits = np.iinfo(self.result.dtype)
        return Lane(
            kind=kind,
            op=self.op.kind,
            out=self.out,
            operands=operands,
            constants=constants
            | {
                "low": self.low,
                "high": self.high,
                "full": (self.low, self.high) == (limits.min, limits.max),
                "bits": limits.bits,
            },
        )

    def _scale(self, tensor: Tensor) -> float:
        return reference.scale_of(tensor, self.what)

    def _zero(self, tensor: Tensor) -> int:
        return reference.zero_point_of(tensor, self.what)
