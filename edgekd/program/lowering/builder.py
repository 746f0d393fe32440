"""Builds the graph of a program: buffers of its tensors, views instead of copies, nodes in the order of operators.

Modules of operators add to it; `lower` arranges what they added.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering.elementwise import ElementwiseLowering, Form, Reference
from edgekd.program.lowering.ir import ALIGNMENT, Array, Buffer, ElementwiseOp, KernelCall, c_type_of
from edgekd.program.lowering.names import TensorNames
from edgekd.program.lowering.regions import Region, copy_of, decompose
from edgekd.program.model_file import TO_INTEGERS
from edgekd.program.program import Op, Program, Tensor, Variable

TYPES = ("uint8", "int8", "int16", "int32", "float32")
LANES = {1: 4, 2: 2, 4: 1}
"""Elements that kernels read together, by their size in bytes."""
READABLE = 4
"""Elements up to a multiple of which a caller's padded buffers can be read."""


@dataclass(kw_only=True, eq=False)
class Node:
    """One operator: part of a loop to be, or calls; `needs` are buffers that must be there before."""

    needs: list[Buffer]
    makes: list[Buffer]
    elementwise: ElementwiseOp | None = None
    calls: list[KernelCall] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class OpToLower:
    """One operator with its tensors. what: its place and name, for errors."""

    op: Op
    what: str
    tensors: tuple[Tensor | None, ...]
    """Operands; None for one that is left out."""
    outputs: tuple[Tensor, ...]
    reference: Reference

    def tensor(self, position: int) -> Tensor:
        """An operand that must be there."""
        tensor = self.tensors[position]
        assert tensor is not None
        return tensor

    def integers(self, position: int) -> list[int]:
        """A constant operand as a flat list, such as axes."""
        data = self.tensor(position).data
        assert data is not None
        return [int(number) for number in data.reshape(-1)]


class GraphBuilder:
    """The graph of one program. padded: the caller's buffers are readable up to a multiple of READABLE elements.

    sparse: blocks of zero weights may be left out.
    """

    def __init__(self, program: Program, *, padded: bool, sparse: bool) -> None:
        self.nodes: list[Node] = []
        self.sparse = sparse
        self._program, self._padded = program, padded
        self._names = TensorNames()
        self._buffers: dict[int, Buffer] = {}
        self.variables = [self._variable(variable) for variable in program.variables]
        self._versions = list(self.variables)
        self._readers: list[list[Buffer]] = [[] for _ in self.variables]
        self.inputs = [self.buffer(index, "input") for index in program.inputs]
        self._outputs = [self._output(index) for index in program.outputs]

    def finish(self) -> list[Buffer]:
        """Copy to the outputs what was not computed there, and return them."""
        for index, buffer in self._outputs:
            if self._buffers.get(index) is not buffer:
                self.copy(self.source(index) or self.constant(self._tensor(index)), buffer)
        return [buffer for _, buffer in self._outputs]

    # -- buffers ---------------------------------------------------------------------------------------------------

    def name(self, title: str) -> str:
        """A name of its own."""
        return self._names.add(title)

    def scratch(self, out: Buffer) -> str:
        """A name for memory that a call computes `out` with."""
        return self.name(f"{out.name}_scratch")

    def buffer(self, index: int, role: str = "inner") -> Buffer:
        """The buffer of a value that is computed, made where it is first named."""
        if index not in self._buffers:
            self._buffers[index] = self._new(self._tensor(index), role)
        return self._buffers[index]

    def source(self, index: int) -> Buffer | None:
        """The buffer of an operand; None for a constant."""
        return None if self._tensor(index).data is not None else self.buffer(index)

    def required(self, index: int, what: str) -> Buffer:
        """The buffer of an operand. ModelError for a constant."""
        source = self.source(index)
        if source is None:
            raise ModelError(f"{what}: operand '{self._tensor(index).name}' is a constant")
        return source

    def constant(self, tensor: Tensor) -> Array:
        """A constant of the program as an array."""
        assert tensor.data is not None
        return Array(
            name=self.name(tensor.name),
            c_type=c_type_of(tensor.dtype),
            values=tensor.data.reshape(-1).astype(np.float32 if tensor.dtype == "float32" else np.int64),
            comment=f"constant {list(tensor.shape)}",
        )

    def readable(self, source: Buffer) -> Buffer:
        """The same values where whole words can be read: a copy, if what lies behind them is the caller's."""
        size, root = np.dtype(source.dtype).itemsize, source.root
        there = root.size
        if root.role == "inner":
            there = -(-root.bytes // ALIGNMENT) * ALIGNMENT // size
        elif self._padded:
            there = -(-root.size // READABLE) * READABLE
        if source.start + -(-source.size // LANES[size]) * LANES[size] <= there:
            return source
        assert source.tensor is not None
        copy = self._new(source.tensor, name=f"{source.name}_padded")
        self.copy(source, copy)
        return copy

    def _tensor(self, index: int) -> Tensor:
        return self._program.tensors[index]

    def _new(self, tensor: Tensor, role: str = "inner", name: str = "") -> Buffer:
        if tensor.dtype not in TYPES:
            raise ModelError(
                f"tensor '{tensor.name}' is {tensor.dtype}; the native engine computes with int8 and int16",
                hint=TO_INTEGERS,
            )
        return Buffer(
            name=self.name(name or tensor.name), dtype=tensor.dtype, shape=tensor.shape, role=role, tensor=tensor
        )

    def _output(self, index: int) -> tuple[int, Buffer]:
        """An output's buffer. What is an input, a constant, or an output already, gets a copy of its own."""
        if index in self._buffers or self._tensor(index).data is not None:
            return index, self._new(self._tensor(index), "output", f"{self._tensor(index).name}_out")
        return index, self.buffer(index, "output")

    # -- nodes -----------------------------------------------------------------------------------------------------

    def call(self, call: KernelCall) -> None:
        """Add a call of a kernel."""
        self.nodes.append(Node(needs=call.reads, makes=[call.out], calls=[call]))

    def read_variable(self, op: Op) -> None:
        """Add a copy of a variable, as it is before it is set."""
        index, out = op.options["variable"], self.buffer(op.outputs[0])
        call = self._copy_of(self.variables[index], out)
        self._readers[index].append(out)
        self.nodes.append(Node(needs=[self._versions[index]], makes=[out], calls=[call]))

    def assign_variable(self, op: Op) -> None:
        """Set a variable, after all that read it before."""
        index, variable = op.options["variable"], self.variables[op.options["variable"]]
        source = self.source(op.inputs[0])
        call = self._copy_of(source or self.constant(self._tensor(op.inputs[0])), variable)
        needs = [self._versions[index], *self._readers[index], *([source] if source else [])]
        self._versions[index] = replace(variable, name=self.name(variable.name))
        self._readers[index] = []
        self.nodes.append(Node(needs=needs, makes=[self._versions[index]], calls=[call]))

    def _variable(self, variable: Variable) -> Buffer:
        initial = variable.initial
        tensor = Tensor(name=variable.name, shape=initial.shape, dtype=str(initial.dtype), data=initial)
        return self._new(tensor, "state")

    def by_image(self, call: KernelCall) -> None:
        """Add a call of a kernel for one image, for every image [N, H, W, C] of its first operand and of its result."""
        x, out = call.sources[0], call.out
        assert isinstance(x, Buffer)
        if out.shape[0] == 1:
            self.call(call)
            return
        calls = []
        for image in range(out.shape[0]):
            parts = [self._image(buffer, image) for buffer in (x, out)]
            calls.append(replace(call, sources=[parts[0], *call.sources[1:]], out=parts[1], whole=False))
        self.nodes.append(Node(needs=[x], makes=[out], calls=calls))

    def _image(self, whole: Buffer, image: int) -> Buffer:
        shape = (1, *whole.shape[1:])
        offset = image * math.prod(shape)
        name = self.name(f"{whole.name}_{image}")
        return replace(whole, name=name, shape=shape, base=whole, offset=offset)

    def copy(self, source: Buffer | Array, out: Buffer) -> None:
        """Add a copy of a whole buffer or constant."""
        self.call(self._copy_of(source, out))

    def _copy_of(self, source: Buffer | Array, out: Buffer) -> KernelCall:
        name = "edgekd_copy"
        return KernelCall(kernel=name, function=name, op="COPY", sources=[source], out=out, numbers=(out.bytes,))

    def elementwise(self, op: OpToLower, form: Form) -> None:
        """Add an elementwise operator, in its cheapest form."""
        sources = [self.source(index) for index in op.op.inputs]
        out = self.buffer(op.op.outputs[0])
        tensors = [op.tensor(position) for position in range(len(op.tensors))]
        lowering = ElementwiseLowering(
            op.op, op.reference, form, tensors=tensors, sources=sources, out=out, what=op.what
        )
        needs = [source for source in sources if source]
        self.nodes.append(Node(needs=needs, makes=[out], elementwise=lowering.lower()))

    def view(self, index: int, source: Buffer, offset: int) -> None:
        """Add a value that is part of another's memory; an output of the graph gets a copy."""
        tensor = self._tensor(index)
        part = Buffer(
            name=self.name(tensor.name),
            dtype=tensor.dtype,
            shape=tensor.shape,
            role=source.role,
            tensor=tensor,
            base=source,
            offset=offset,
        )
        self.nodes.append(Node(needs=[source], makes=[part]))
        if index in self._buffers:
            self.copy(part, self._buffers[index])
        else:
            self._buffers[index] = part

    def take(self, index: int, source: Buffer, region: Region, op: str) -> None:
        """Add a value that is a region of another: where it lies, if that is one piece, otherwise copied."""
        if region.is_one_piece:
            self.view(index, source, region.x_start)
        else:
            self.call(copy_of(region, op, source, self.buffer(index)))

    def fill(self, op: Op, regions: Sequence[Region]) -> None:
        """Add a result that operands are copied into, each to its region."""
        out = self.buffer(op.outputs[0])
        calls, needs = [], []
        for index, region in zip(op.inputs, regions, strict=True):
            source = self.source(index)
            needs += [source] if source else []
            calls.append(copy_of(region, op.kind, source or self.constant(self._tensor(index)), out))
        for call in calls[:-1]:
            call.whole = False
        self.nodes.append(Node(needs=needs, makes=[out], calls=calls))

    def gather(self, index: int, op: Op, positions: NDArray[np.int64], fill: float = 0) -> None:
        """Add a value whose elements come from these positions of the first operand, or are `fill`, where it is -1."""
        source = self.required(op.inputs[0], op.what)
        regions = decompose(positions)
        if len(regions) == 1 and regions[0].is_one_piece and not regions[0].is_fill:
            self.view(index, source, regions[0].x_start)
            return
        out = self.buffer(index)
        calls = []
        constants: dict[int, Array] = {}
        for region in regions:
            if region.is_fill:
                run = region.run
                if run not in constants:
                    constants[run] = Array(
                        name=self.name(f"{out.name}_fill"),
                        c_type=out.c_type,
                        values=np.full(run, fill, np.float32 if out.dtype == "float32" else np.int64),
                        comment=f"what {op.kind} puts around",
                    )
                calls.append(copy_of(region, op.kind, constants[run], out))
            else:
                calls.append(copy_of(region, op.kind, source, out))
        for call in calls[:-1]:
            call.whole = False
        self.nodes.append(Node(needs=[source], makes=[out], calls=calls))

    def join(self, op: Op) -> None:
        """Add a result that is its operands one after another.

        What is computed is computed in place; inputs, constants and what is in two places is copied.
        """
        out = self.buffer(op.outputs[0])
        offset, parts = 0, []
        for index in op.inputs:
            tensor = self._tensor(index)
            source = self.source(index)
            if source is not None and source.role == "inner" and source.base is None and out.root is not source:
                source.base, source.offset = out, offset
                parts.append(source)
            else:
                parts.append(self._part(out, offset, tensor))
                self.copy(source or self.constant(tensor), parts[-1])
            offset += math.prod(tensor.shape)
        self.nodes.append(Node(needs=parts, makes=[out]))

    def _part(self, out: Buffer, offset: int, tensor: Tensor) -> Buffer:
        return Buffer(
            name=self.name(f"{out.name}_{tensor.name}"),
            dtype=out.dtype,
            shape=tensor.shape,
            role=out.role,
            tensor=tensor,
            base=out,
            offset=offset,
        )
