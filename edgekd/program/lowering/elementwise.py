"""Elementwise operators -> parts of a loop: the cheapest form that equals the reference for every input.

An int8 operator of one variable is an affine form (see `affine`) or a table; of two variables an affine form or
TFLite's own sequence. Which one is proved by running the reference on every input. int16 operators keep TFLite's
sequence, which the operator's own module knows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.program.lowering import affine
from edgekd.program.lowering.affine import X8, Affine
from edgekd.program.lowering.ir import Array, Buffer, ElementwiseOp, Index, Operand, PerElement, Term
from edgekd.program.operands import KernelContext, Values, activation_limits, scale_of, zero_point_of
from edgekd.program.program import Op, Program, Tensor
from edgekd.program.requantize import quantize_multiplier, requantize

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


Reference = Callable[[KernelContext], list[Values]]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How an elementwise operator becomes C. general: TFLite's own sequence, which every operator has.

    signs: of the two operands, where the operator is a sum of them on another grid.
    """

    general: "Callable[[ElementwiseLowering], ElementwiseOp]"
    signs: tuple[int, int] | None = None


def only_tables(op: "ElementwiseLowering") -> ElementwiseOp:
    """For functions of one int8, of which `ElementwiseLowering` makes a table."""
    raise AssertionError(f"{op.what}: its rule refuses what is no function of one int8")


class ElementwiseLowering:
    """One operator being lowered: its tensors, where its operands are, and the part of a loop that comes out."""

    def __init__(
        self,
        op: Op,
        reference: Reference,
        form: Form,
        *,
        tensors: Sequence[Tensor],
        sources: Sequence[Buffer | None],
        out: Buffer,
        what: str,
    ) -> None:
        self.op, self.tensors, self.out, self.what = op, tensors, out, what
        self._reference, self._form = reference, form
        assert out.tensor is not None
        self.result = out.tensor
        self.operands = [
            None if buffer is None else Operand(source=buffer, index=broadcast(buffer.shape, out.shape))
            for buffer in sources
        ]
        self.low, self.high = activation_limits(self.result, str(op.options.get("activation", "NONE")), what)

    def lower(self) -> ElementwiseOp:
        """The cheapest form."""
        variable = [operand for operand in self.operands if operand is not None]
        small = all(tensor.dtype == "int8" for tensor in (self.result, *self.tensors))
        cheap = None
        if small and len(variable) == 1:
            cheap = self._of_one(variable[0])
        elif small and len(variable) == 2 and self._form.signs:
            form = self._sum_form()
            cheap = self._affine(form, tuple(variable)) if form else None
        return cheap or self._form.general(self)

    def _of_one(self, operand: Operand) -> ElementwiseOp | None:
        """Affine form or table of a function of one int8."""
        constants = [tensor.data for tensor in self.tensors if tensor.data is not None]
        if all(data.size == 1 for data in constants):
            stairs = self._stairs_of_one((1,))
            form = affine.unary(stairs, self.low, self.high)
            return self._affine(form, (operand,)) if form else self._table(operand, stairs[0])
        if self._form.signs:
            form = self._sum_form()
            return self._with_constant(form, operand) if form else None
        if self.out.size > LARGEST_PER_ELEMENT:
            return None
        form = affine.unary(self._stairs_of_one(self.out.shape), self.low, self.high)
        return self._affine(form, (operand,)) if form else None

    def _table(self, operand: Operand, values: NDArray[np.int64]) -> ElementwiseOp:
        table = Array(
            name=f"{self.out.name}_table",
            c_type="int8_t",
            values=values,
            comment=f"{self.op.kind} of -128 ... 127",
        )
        return self.make("table", (operand,), table=table)

    def _affine(self, form: Affine, operands: tuple[Operand, ...], offset: PerElement | None = None) -> ElementwiseOp:
        if offset is None and form.is_identity:
            return self.make("same", operands)
        factors: list[Any] = [self._per_element(factor, "factor") for factor in form.factors]
        return self.make(
            "affine",
            operands,
            factors=factors,
            offset=offset or self._per_element(form.offset, "offset"),
            shift=form.shift,
            bounded=form.bounded,
        )

    def _per_element(self, values: NDArray[np.int64], what: str) -> Any:
        """A number, or an array with one for each element of the result."""
        if values.size == 1:
            return int(values.reshape(-1)[0])
        comment = f"of {self.op.kind}, by element"
        return PerElement(Array(name=f"{self.out.name}_{what}", c_type="int32_t", values=values, comment=comment))

    def _with_constant(self, form: Affine, operand: Operand) -> ElementwiseOp:
        """ADD or SUB of a constant array: its part of the sum goes into the offsets."""
        position = 0 if self.operands[0] is None else 1
        data = self.tensors[position].data
        assert data is not None
        offset = np.broadcast_to(data, self.out.shape).reshape(-1).astype(np.int64) * form.factors[position]
        form = replace(form, factors=(form.factors[1 - position],), offset=offset + form.offset)
        return self._affine(form, (operand,))

    def _stairs_of_one(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The result for every input, of a result of that shape, which constants are broadcast to: [n, 256]."""
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

    def _sum_form(self) -> Affine | None:
        """Affine form of a sum, proved on all pairs of operands."""
        assert self._form.signs is not None
        tensors = [replace(tensor, shape=(1, 1), data=None) for tensor in self.tensors]
        a, b = (values.astype(np.int8).reshape(-1, 1) for values in np.meshgrid(X8, X8, indexing="ij"))
        stairs = self._run(tensors, 1, {0: a, 1: b}).reshape(256, 256).astype(np.int64)
        scales = zip(self._form.signs, self.tensors, strict=True)
        first, second = (sign * self.scale(tensor) / self.scale(self.result) for sign, tensor in scales)
        zeros = first * self.zero(self.tensors[0]) + second * self.zero(self.tensors[1])
        return affine.binary(stairs, self.low, self.high, (first, second), self.zero(self.result) - zeros)

    def _run(self, tensors: Sequence[Tensor], count: int, values: dict[int, NDArray[np.int8]]) -> NDArray[Any]:
        """The reference's result for a batch of operands, by position: [B, count]."""
        last = len(tensors)
        program = Program(
            tensors=(*tensors, replace(self.result, shape=(1, count))),
            ops=(replace(self.op, inputs=tuple(range(last)), outputs=(last,)),),
            inputs=tuple(values),
            outputs=(last,),
            sha256="",
        )
        batch = {index: value.reshape(-1, 1, count) for index, value in values.items()}
        result = self._reference(KernelContext(program, program.ops[0], batch, self.what))[0]
        return result.astype(self.result.dtype, copy=False).reshape(-1, count)

    # -- for TFLite's own sequences, in the modules of operators -----------------------------------------------------

    def operand(self, position: int) -> Operand:
        """An operand that is computed."""
        operand = self.operands[position]
        assert operand is not None
        return operand

    def constant(self, values: NDArray[np.int64], position: int, c_type: str) -> Operand | int:
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

    def aligned(self, bits: int) -> tuple[float, tuple[Operand | int, ...], list[dict[str, Any]]]:
        """Twice the larger scale, and how each operand is brought to it with spare bits."""
        twice = 2 * max(self.scale(tensor) for tensor in self.tensors)
        operands: list[Operand | int] = []
        parts: list[dict[str, Any]] = []
        for position, tensor in enumerate(self.tensors):
            multiplier, shift = quantize_multiplier(self.scale(tensor) / twice)
            if tensor.data is not None:
                shifted = (tensor.data.astype(np.int64) - self.zero(tensor)) << bits
                operands.append(self.constant(requantize(shifted, multiplier, shift), position, "int32_t"))
                parts.append({"zero": 0, "gain": 1, "scaling": None})
                continue
            operands.append(self.operand(position))
            half = bits > 0 and (multiplier, shift) == (1 << 30, 0)  # exact, as long as there is a bit to spare
            parts.append(
                {
                    "zero": self.zero(tensor),
                    "gain": 1 << (bits - half),
                    "scaling": None if half else split_multiplier(multiplier, shift),
                }
            )
        return twice, tuple(operands), parts

    def make(self, kind: str, operands: tuple[Operand | int, ...], **constants: Any) -> ElementwiseOp:
        """A part of the loop by a macro of the template, clamped to the limits of the result."""
        limits = np.iinfo(self.result.dtype)
        return ElementwiseOp(
            kind=kind,
            op=self.op.kind,
            out=self.out,
            operands=operands,
            constants=constants
            | {
                "low": self.low,
                "high": self.high,
                "full": limits.min < 0 and (self.low, self.high) == (limits.min, limits.max),
                "bits": limits.bits,
            },
        )

    def call(
        self, function: str, operands: tuple[Operand | int, ...], *arguments: Any, sources: tuple[str, ...] = ()
    ) -> ElementwiseOp:
        """The result of a function of edgekd_elementwise.h, as it is, from operands and numbers."""
        made = self.make("call", operands, arguments=list(arguments))
        return replace(made, function=function, sources=sources)

    def clamped(self, made: ElementwiseOp, low: int, high: int) -> ElementwiseOp:
        """The same with other limits."""
        return replace(made, constants=made.constants | {"low": low, "high": high, "full": False})

    def scale(self, tensor: Tensor) -> float:
        """The scale of a tensor that has one."""
        return scale_of(tensor, self.what)

    def zero(self, tensor: Tensor) -> int:
        """The zero point of a tensor that has one scale."""
        return zero_point_of(tensor, self.what)
