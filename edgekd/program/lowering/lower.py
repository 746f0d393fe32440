"""Program -> Graph: the operators' own lowerings, arranged into calls and fused loops."""

from collections.abc import Sequence

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering import block_sparse
from edgekd.program.lowering.builder import GraphBuilder, Node, OpToLower
from edgekd.program.lowering.dilations import with_dilations
from edgekd.program.lowering.ir import Buffer, FusedLoop, Graph, Step
from edgekd.program.lowering.islands import in_integers
from edgekd.program.model_file import TO_INTEGERS
from edgekd.program.ops import OPERATORS
from edgekd.program.program import Op, Program
from edgekd.program.reference import first_in_float


def lower(programs: Sequence[Program], *, padded: bool = False) -> list[Graph]:
    """Lower programs that share an image. padded: the caller's buffers are readable up to a multiple of four elements.

    ModelError names the operator or tensor that has no kernel.
    """
    dense, sparse = ([_lower(program, padded, sparse) for program in programs] for sparse in (False, True))
    return min(dense, sparse, key=block_sparse.flash_bytes)


def _lower(program: Program, padded: bool, sparse: bool) -> Graph:
    program = with_dilations(in_integers(program))
    builder = GraphBuilder(program, padded=padded, sparse=sparse)
    in_float = first_in_float(program)
    if in_float:
        raise ModelError(
            f"{in_float[0].what}: '{in_float[1]}' is float32; the native engine computes with int8 and int16",
            hint=TO_INTEGERS,
        )
    for op in _needed(program):
        operator = OPERATORS[op.kind]
        tensors = tuple(program.tensors[index] if index >= 0 else None for index in op.inputs)
        results = tuple(program.tensors[index] for index in op.outputs)
        to_lower = OpToLower(op=op, what=op.what, tensors=tensors, outputs=results, reference=operator.reference)
        operator.lower(builder, to_lower)
    outputs = builder.finish()
    return Graph(inputs=builder.inputs, outputs=outputs, steps=_arrange(builder.nodes), variables=builder.variables)


def _needed(program: Program) -> list[Op]:
    """Operators that an output or a variable depends on."""
    wanted, needed = set(program.outputs), []
    for op in reversed(program.ops):
        if not wanted.isdisjoint(op.outputs) or op.kind == "ASSIGN_VARIABLE":
            wanted.update(op.inputs)
            needed.append(op)
    return needed[::-1]


def _arrange(nodes: Sequence[Node]) -> list[Step]:
    """Order of the steps: kernels as soon as they can run, then all elementwise operators that can, in one loop."""
    waiting = list(nodes)
    made = {buffer for node in nodes for buffer in node.makes}
    done: set[Buffer] = {buffer for node in nodes for buffer in node.needs if buffer not in made}
    steps: list[Step] = []
    while waiting:
        ready = next((node for node in waiting if node.elementwise is None and done.issuperset(node.needs)), None)
        group = [ready] if ready else _group(waiting, done)
        waiting = [node for node in waiting if node not in group]
        done.update(buffer for node in group for buffer in node.makes)
        if ready:
            steps += ready.calls
        else:
            steps.append(
                FusedLoop(ops=[node.elementwise for node in group if node.elementwise], kept=_kept(group, waiting))
            )
    return steps


def _group(waiting: Sequence[Node], done: set[Buffer]) -> list[Node]:
    """The first elementwise operator that can run, and all of its size that can run with it, element by element."""
    group: list[Node] = []
    inside: set[Buffer] = set()
    for node in waiting:
        if node.elementwise is None or not (done | inside).issuperset(node.needs):
            continue
        if group and node.elementwise.out.size != group[0].makes[0].size:
            continue
        if all(load.index.direct for load in node.elementwise.reads if load.source in inside):
            group.append(node)
            inside.update(node.makes)
    return group


def _kept(group: Sequence[Node], later: Sequence[Node]) -> list[Buffer]:
    """Results of a loop that are outputs, or read after it."""
    read = {buffer for node in later for buffer in node.needs}
    read |= {buffer.base for node in later for buffer in node.makes if buffer.base}
    return [buffer for node in group for buffer in node.makes if buffer in read or buffer.root.role == "output"]
