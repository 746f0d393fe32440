"""Program -> Graph: views instead of copies, elementwise operators joined into loops, the rest calls of kernels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgekd.codegen import block_sparse, dense, elementwise, layout, pool, reduce, softmax
from edgekd.codegen.c_names import TensorNames
from edgekd.codegen.dense import Weighted
from edgekd.codegen.elementwise import Lowering
from edgekd.codegen.ir import Array, Buffer, Call, Graph, Lane, Loop, Step
from edgekd.codegen.memory_plan import ALIGNMENT
from edgekd.codegen.weight_packing import ROWS
from edgekd.contracts.errors import ModelError
from edgekd.program.program import Op, Program, Tensor

TYPES = ("int8", "int16")
CONVOLUTIONS = {"CONV_2D": dense.conv_2d, "DEPTHWISE_CONV_2D": dense.depthwise_conv_2d}
ONE_OPERAND = {
    "AVERAGE_POOL_2D": pool.pool_2d,
    "MAX_POOL_2D": pool.pool_2d,
    "MEAN": reduce.mean,
    "SUM": reduce.sum_,
    "SOFTMAX": softmax.softmax,
}
"""Operators whose other operands are constants of the file, and their calls."""
LANES = {1: 4, 2: 2}
"""Elements that kernels read together, by their size in bytes."""


def lower(programs: Sequence[Program], *, padded: bool = False) -> list[Graph]:
    """Lower programs that share an image. padded: the caller's buffers are readable up to a multiple of four elements.

    ModelError names the operator or tensor that has no kernel.
    """
    dense_ones, sparse_ones = (
        [_Lowerer(program, padded=padded, sparse=sparse).graph() for program in programs] for sparse in (False, True)
    )
    return min(dense_ones, sparse_ones, key=block_sparse.flash_bytes)


@dataclass(kw_only=True, eq=False)
class _Node:
    """One operator: lanes to be joined into loops, or calls; `needs` are buffers that must be there before."""

    needs: list[Buffer]
    makes: list[Buffer]
    lane: Lane | None = None
    calls: list[Call] = field(default_factory=list)


class _Lowerer:
    def __init__(self, program: Program, *, padded: bool, sparse: bool) -> None:
        self._program, self._padded, self._sparse = program, padded, sparse
        self._names = TensorNames()
        self._buffers: dict[int, Buffer] = {}
        self._nodes: list[_Node] = []
        self._uses = [index for op in program.ops for index in op.inputs] + list(program.outputs)

    def graph(self) -> Graph:
        """Lower every operator in order, then arrange."""
        program = self._program
        inputs = [self._buffer(index, "input") for index in program.inputs]
        outputs = [self._output(index) for index in program.outputs]
        for position, op in _needed(program):
            self._lower(op, f"operator {position} ({op.kind})", position)
        for index, buffer in outputs:
            self._copy_unless_made(index, buffer)
        return Graph(inputs=inputs, outputs=[buffer for _, buffer in outputs], steps=_arrange(self._nodes))

    # -- buffers ---------------------------------------------------------------------------------------------------

    def _tensor(self, index: int) -> Tensor:
        return self._program.tensors[index]

    def _name(self, title: str) -> str:
        return self._names.add(title)

    def _new(self, tensor: Tensor, role: str = "inner", name: str = "") -> Buffer:
        if tensor.dtype not in TYPES:
            raise ModelError(
                f"tensor '{tensor.name}' is {tensor.dtype}; the native engine computes with int8 and int16",
                hint="quantise the model with int8 or int16 activations",
            )
        return Buffer(
            name=self._name(name or tensor.name), dtype=tensor.dtype, shape=tensor.shape, role=role, tensor=tensor
        )

    def _buffer(self, index: int, role: str = "inner") -> Buffer:
        """The buffer of a value that is computed, made where it is first named."""
        if index not in self._buffers:
            self._buffers[index] = self._new(self._tensor(index), role)
        return self._buffers[index]

    def _output(self, index: int) -> tuple[int, Buffer]:
        """An output's buffer. What is an input, a constant, or an output already, gets a copy of its own."""
        if index in self._buffers or self._tensor(index).data is not None:
            return index, self._new(self._tensor(index), "output", f"{self._tensor(index).name}_out")
        return index, self._buffer(index, "output")

    def _source(self, index: int) -> Buffer | None:
        """The buffer of an operand; None for a constant."""
        return None if self._tensor(index).data is not None else self._buffer(index)

    def _required(self, index: int, what: str) -> Buffer:
        source = self._source(index)
        if source is None:
            raise ModelError(f"{what}: operand '{self._tensor(index).name}' is a constant")
        return source

    # -- operators -------------------------------------------------------------------------------------------------

    def _lower(self, op: Op, what: str, position: int) -> None:
        if op.kind in elementwise.KINDS:
            self._elementwise(op, position)
        elif op.kind == "FULLY_CONNECTED":
            self._fully_connected(op, what)
        elif op.kind in CONVOLUTIONS:
            self._convolution(op, what)
        elif op.kind in ONE_OPERAND:
            x = self._required(op.inputs[0], what)
            tensors = [self._tensor(index) for index in op.inputs]
            self._call(ONE_OPERAND[op.kind](op, tensors, x, self._buffer(op.outputs[0]), what))
        elif op.kind in ("CONCATENATION", "PACK"):
            self._join(op)
        elif op.kind in layout.PARTS:
            self._parts(op, what)
        elif op.kind == "RESHAPE":
            self._view(op.outputs[0], self._required(op.inputs[0], what), 0)
        else:
            raise ModelError(f"{what} has no kernel in the native engine", hint="the TFLite-Micro sketch may run it")

    def _elementwise(self, op: Op, position: int) -> None:
        buffers = [self._source(index) for index in op.inputs]
        out = self._buffer(op.outputs[0])
        lane = Lowering(op, [self._tensor(index) for index in op.inputs], buffers, out, position).lane()
        self._nodes.append(_Node(needs=[one for one in buffers if one], makes=[out], lane=lane))

    def _fully_connected(self, op: Op, what: str) -> None:
        one = self._weighted(op, what)
        if dense.is_one_row(one):
            self._call(dense.fully_connected(replace(one, x=self._readable(one.x)), sparse=self._sparse))
        else:
            self._call(dense.fully_connected_rows(one, self._scratch(one.out)))

    def _convolution(self, op: Op, what: str) -> None:
        one = self._weighted(op, what)
        self._call(CONVOLUTIONS[op.kind](one, self._scratch(one.out)))

    def _weighted(self, op: Op, what: str) -> Weighted:
        tensors = [None if index < 0 else self._tensor(index) for index in op.inputs]
        return dense.weighted(op, tensors, self._required(op.inputs[0], what), self._buffer(op.outputs[0]), what)

    def _scratch(self, out: Buffer) -> str:
        return self._name(f"{out.name}_scratch")

    def _parts(self, op: Op, what: str) -> None:
        """Parts of the operand: where they lie, if each is one piece, otherwise copied."""
        at = 1 if op.kind == "SPLIT" else 0
        x = self._required(op.inputs[at], what)
        tensors = [self._tensor(index) for index in op.inputs]
        for index, picks in zip(op.outputs, layout.PARTS[op.kind](op, tensors), strict=True):
            region = layout.part(tensors[at].shape, picks)
            if region.is_one_piece:
                self._view(index, x, region.x_start)
            else:
                self._call(layout.copy(region, op.kind, x, self._buffer(index)))

    def _join(self, op: Op) -> None:
        """Operands one after another along an axis, new in PACK."""
        out = self._buffer(op.outputs[0])
        axis = op.options["axis"] % len(out.shape)
        if math.prod(out.shape[:axis]) == 1:
            self._join_pieces(op, out)
            return
        calls, needs, start = [], [], 0
        for index in op.inputs:
            size = math.prod(out.shape[axis + 1 :]) * (self._tensor(index).shape[axis] if op.kind != "PACK" else 1)
            region = layout.place(out.size // math.prod(out.shape[axis:]), size, math.prod(out.shape[axis:]), start)
            source = self._source(index)
            needs += [source] if source else []
            calls.append(layout.copy(region, op.kind, source or self._constant(self._tensor(index)), out))
            start += size
        for call in calls[:-1]:
            call.whole = False
        self._nodes.append(_Node(needs=needs, makes=[out], calls=calls))

    def _join_pieces(self, op: Op, out: Buffer) -> None:
        """Operands that are computed are computed in place; inputs, constants and what is in two places is copied."""
        offset, parts = 0, []
        for index in op.inputs:
            tensor = self._tensor(index)
            source = self._source(index)
            if source is not None and self._placeable(source, out):
                source.base, source.offset = out, offset
                parts.append(source)
            else:
                parts.append(self._part(out, offset, tensor))
                self._copy(source or self._constant(tensor), parts[-1])
            offset += math.prod(tensor.shape)
        self._nodes.append(_Node(needs=parts, makes=[out]))

    def _placeable(self, source: Buffer, out: Buffer) -> bool:
        return source.role == "inner" and source.base is None and out.root is not source

    def _part(self, out: Buffer, offset: int, tensor: Tensor) -> Buffer:
        return Buffer(
            name=self._name(f"{out.name}_{tensor.name}"),
            dtype=out.dtype,
            shape=tensor.shape,
            role=out.role,
            tensor=tensor,
            base=out,
            offset=offset,
        )

    def _view(self, index: int, source: Buffer, offset: int) -> None:
        """The output is part of the source's memory; an output of the graph gets a copy."""
        tensor = self._tensor(index)
        part = Buffer(
            name=self._name(tensor.name),
            dtype=tensor.dtype,
            shape=tensor.shape,
            role=source.role,
            tensor=tensor,
            base=source,
            offset=offset,
        )
        if index in self._buffers:
            self._copy(part, self._buffers[index])
        else:
            self._buffers[index] = part
            self._nodes.append(_Node(needs=[source], makes=[part]))

    def _readable(self, source: Buffer) -> Buffer:
        """The same values where whole words can be read: a copy, if what lies behind them is the caller's."""
        size, root = np.dtype(source.dtype).itemsize, source.root
        there = root.size
        if root.role == "inner":
            there = -(-root.bytes // ALIGNMENT) * ALIGNMENT // size
        elif self._padded:
            there = -(-root.size // ROWS) * ROWS
        if source.start + -(-source.size // LANES[size]) * LANES[size] <= there:
            return source
        assert source.tensor is not None
        copy = self._new(source.tensor, name=f"{source.name}_padded")
        self._copy(source, copy)
        return copy

    def _copy(self, source: Buffer | Array, out: Buffer) -> None:
        self._call(
            Call(
                kernel="edgekd_copy",
                function="edgekd_copy",
                op="COPY",
                sources=[source],
                out=out,
                numbers=(out.bytes,),
            )
        )

    def _constant(self, tensor: Tensor) -> Array:
        assert tensor.data is not None
        return Array(
            name=self._name(tensor.name),
            c_type=f"{tensor.dtype}_t",
            values=tensor.data.astype(np.int64).reshape(-1),
            comment=f"constant {list(tensor.shape)}",
        )

    def _copy_unless_made(self, index: int, buffer: Buffer) -> None:
        if self._buffers.get(index) is not buffer:
            self._copy(self._source(index) or self._constant(self._tensor(index)), buffer)

    def _call(self, call: Call) -> None:
        self._nodes.append(_Node(needs=call.reads, makes=[call.out], calls=[call]))


def _needed(program: Program) -> list[tuple[int, Op]]:
    """Operators that an output depends on, with their positions."""
    wanted, found = set(program.outputs), []
    for position, op in reversed(list(enumerate(program.ops))):
        if not wanted.isdisjoint(op.outputs):
            wanted.update(op.inputs)
            found.append((position, op))
    return found[::-1]


def _arrange(nodes: Sequence[_Node]) -> list[Step]:
    """Order of the steps: kernels as soon as they can run, then all elementwise operators that can, in one loop."""
    waiting = list(nodes)
    made = {one for node in nodes for one in node.makes}
    done: set[Buffer] = {one for node in nodes for one in node.needs if one not in made}
    steps: list[Step] = []
    while waiting:
        ready = next((node for node in waiting if node.lane is None and done.issuperset(node.needs)), None)
        group = [ready] if ready else _group(waiting, done)
        waiting = [node for node in waiting if node not in group]
        done.update(one for node in group for one in node.makes)
        if ready:
            steps += ready.calls
        else:
            steps.append(Loop(lanes=[node.lane for node in group if node.lane], kept=_kept(group, waiting)))
    return steps


def _group(waiting: Sequence[_Node], done: set[Buffer]) -> list[_Node]:
    """The first elementwise operator that can run, and all of its size that can run with it, element by element."""
    group: list[_Node] = []
    inside: set[Buffer] = set()
    for node in waiting:
        if node.lane is None or not (done | inside).issuperset(node.needs):
            continue
        if group and node.lane.out.size != group[0].makes[0].size:
            continue
        if all(one.index.direct for one in node.lane.reads if one.source in inside):
            group.append(node)
            inside.update(node.makes)
    return group


def _kept(group: Sequence[_Node], later: Sequence[_Node]) -> list[Buffer]:
    """Results of a loop that are outputs, or read after it."""
    read = {one for node in later for one in node.needs} | {one.base for node in later for one in node.makes}
    return [one for node in group for one in node.makes if one in read or one.root.role == "output"]
