"""A Program on its way to C: calls of kernels and fused loops over flat buffers, in the order they run."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.program.program import Tensor

ALIGNMENT = 4
"""Bytes. Kernels read whole words: inner buffers are padded to a multiple."""
ITEM_BYTES = {
    "int8_t": 1,
    "uint8_t": 1,
    "int16_t": 2,
    "uint16_t": 2,
    "int32_t": 4,
    "uint32_t": 4,
    "int64_t": 8,
    "float": 4,
}


def c_type_of(dtype: str) -> str:
    """The C type of an element."""
    return "float" if dtype == "float32" else f"{dtype}_t"


@dataclass(kw_only=True, eq=False)
class Buffer:
    """A value in memory: `size` elements of a tensor, at `offset` elements into `base` where it is part of another."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    role: str = "inner"
    """inner, input or output of the graph, or state. Inner ones live in the workspace."""
    tensor: Tensor | None = None
    base: "Buffer | None" = None
    offset: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return self.size * np.dtype(self.dtype).itemsize

    @property
    def root(self) -> "Buffer":
        """The memory it lies in."""
        return self if self.base is None else self.base.root

    @property
    def start(self) -> int:
        """Elements from the start of the root."""
        return self.offset + (0 if self.base is None else self.base.start)

    @property
    def c_type(self) -> str:
        """Type of an element in C."""
        return c_type_of(self.dtype)


@dataclass(frozen=True, kw_only=True, eq=False)
class Array:
    """A constant array of the generated file."""

    name: str
    c_type: str
    values: NDArray[Any]
    comment: str

    @property
    def bytes(self) -> int:
        """What it takes in flash."""
        return self.values.size * ITEM_BYTES[self.c_type]


@dataclass(frozen=True)
class PerElement:
    """A constant with a value for each element of the result."""

    array: Array


@dataclass(frozen=True, kw_only=True)
class Term:
    """One dimension of a strided read: (i / divide % modulo) * stride."""

    divide: int
    modulo: int
    stride: int


@dataclass(frozen=True, kw_only=True)
class Index:
    """Which element of an operand belongs to element i of the result: `offset` + the sum of terms; None: i itself."""

    terms: tuple[Term, ...] | None = None
    offset: int = 0

    @property
    def direct(self) -> bool:
        """Whether the index is that of the loop."""
        return self.terms is None


@dataclass(frozen=True, kw_only=True, eq=False)
class Operand:
    """What an elementwise operator reads, element by element."""

    source: Buffer | Array
    index: Index = field(default_factory=Index)


@dataclass(frozen=True, kw_only=True, eq=False)
class ElementwiseOp:
    """One elementwise operator of a fused loop.

    kind: a macro of codegen/templates/elementwise.j2, or `call`: `function` of edgekd_elementwise.h with the operands
    and then the values of `constants["arguments"]`. constants: what the macro needs beside operands.
    """

    kind: str
    op: str
    out: Buffer
    operands: tuple[Operand | int, ...]
    constants: dict[str, Any]
    function: str = ""
    sources: tuple[str, ...] = ()
    """Files of firmware/kernels that it needs, without their suffix."""

    @property
    def reads(self) -> list[Operand]:
        """Operands that are values of the graph."""
        return [each for each in self.operands if isinstance(each, Operand) and isinstance(each.source, Buffer)]

    @property
    def arrays(self) -> list[Array]:
        """Constant arrays."""
        operands = [each.source for each in self.operands if isinstance(each, Operand)]
        arrays = [source for source in operands if isinstance(source, Array)]
        for value in self.constants.values():
            values = value if isinstance(value, list) else [value]
            arrays += [each.array for each in values if isinstance(each, PerElement)]
            arrays += [each for each in values if isinstance(each, Array)]
        return arrays


@dataclass(kw_only=True, eq=False)
class FusedLoop:
    """Elementwise operators in one pass over their elements. `kept`: results that are needed outside."""

    ops: list[ElementwiseOp]
    kept: list[Buffer]

    @property
    def size(self) -> int:
        """Number of iterations."""
        return self.ops[0].out.size

    @property
    def loads(self) -> list[Operand]:
        """Operands that come from memory, each once."""
        made = {op.out for op in self.ops}
        loads: dict[tuple[Buffer | Array, Index], Operand] = {}
        for op in self.ops:
            for operand in op.reads:
                if operand.source not in made:
                    loads.setdefault((operand.source, operand.index), operand)
        return list(loads.values())

    @property
    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        return [each for each in dict.fromkeys(load.source for load in self.loads) if isinstance(each, Buffer)]

    @property
    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        return self.kept

    @property
    def arrays(self) -> list[Array]:
        """Constant arrays that are read."""
        return [array for op in self.ops for array in op.arrays]


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The function of firmware/kernels/<name>.c with this name, for a kernel that calls another through its layer."""

    name: str


@dataclass(frozen=True)
class Word:
    """An uint32 that stands for bits and not for a number: it is written in hexadecimal."""

    bits: int


@dataclass(frozen=True)
class Real:
    """A float constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """A constant of an enumeration of edgekd_kernels.h."""

    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Struct:
    """A constant of a type of edgekd_kernels.h: its members in order. None is NULL, a Struct lies inside this one."""

    c_type: str
    members: "dict[str, Member]"

    @property
    def arrays(self) -> list[Array]:
        """Constant arrays it points to."""
        inside = [array for each in self.members.values() if isinstance(each, Struct) for array in each.arrays]
        return inside + [each for each in self.members.values() if isinstance(each, Array)]

    @property
    def kernels(self) -> list[Kernel]:
        """Kernels that are called through it."""
        return [each for each in self.members.values() if isinstance(each, Kernel)]


Member = int | Word | Real | Name | Array | Struct | Kernel | None


@dataclass(kw_only=True, eq=False)
class KernelCall:
    """A kernel: `function` of firmware/kernels/<kernel>.c, called with &layer, sources, out and numbers in turn.

    A source that no step writes is scratch memory, the call's own.
    """

    kernel: str
    function: str
    op: str
    sources: list[Buffer | Array]
    out: Buffer
    layer: Struct | None = None
    numbers: tuple[int, ...] = ()
    more_kernels: tuple[str, ...] = ()
    """Other files of firmware/kernels that it needs."""
    macs: int = 0
    whole: bool = True
    """Whether `out` is complete after it; False where a later call writes the rest."""

    @property
    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        return [each for each in self.sources if isinstance(each, Buffer)]

    @property
    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        return [self.out]

    @property
    def kernels(self) -> list[str]:
        """Names of all files of firmware/kernels that it needs, without their suffix."""
        return [
            self.kernel,
            *self.more_kernels,
            *(kernel.name for kernel in (self.layer.kernels if self.layer else [])),
        ]

    @property
    def arrays(self) -> list[Array]:
        """Constant arrays it reads."""
        return [each for each in self.sources if isinstance(each, Array)] + (self.layer.arrays if self.layer else [])


Step = FusedLoop | KernelCall


@dataclass(kw_only=True, eq=False)
class Graph:
    """Inputs, outputs and steps. Every buffer that a step writes is written once."""

    inputs: list[Buffer]
    outputs: list[Buffer]
    steps: list[Step]
    variables: list[Buffer]
    """Kept from one run to the next; `tensor.data` is what they are at first."""
