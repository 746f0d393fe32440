"""What operators have in common that only move values: each says where the elements of its results come from.

`move` is such a function: it takes values [B, *shape], which may be positions instead, and gives those of the results.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values, zero_point_of
from edgekd.program.program import Op, Tensor


@dataclass(frozen=True, kw_only=True)
class Moved:
    """An operator to be moved by. fill: what stands where no element of the operand does."""

    op: Op
    outputs: Sequence[Tensor]
    integers: Callable[[int], list[int]]
    """Constant operands as flat lists, by their place."""
    fill: float


Move = Callable[[Values, Moved], list[Values]]


def zero_of(tensor: Tensor, what: str) -> float:
    """What stands for zero."""
    return 0 if tensor.quantization is None or tensor.dtype == "float32" else zero_point_of(tensor, what)


def reference(move: Move) -> Callable[[KernelContext], list[Values]]:
    """Return the reference of an operator that moves its first operand."""

    def compute(context: KernelContext) -> list[Values]:
        fill = zero_of(context.tensor(0), context.what)
        moved = Moved(op=context.op, outputs=context.outputs, integers=context.integers, fill=fill)
        return move(context.raw(0), moved)

    return compute


def lower(move: Move) -> Callable[[GraphBuilder, OpToLower], None]:
    """Return the lowering of the same: strided copies, or a view where that will do."""

    def lower_moved(graph: GraphBuilder, op: OpToLower) -> None:
        x = op.tensor(0)
        positions = np.arange(int(np.prod(x.shape)), dtype=np.int64).reshape(1, *x.shape)
        moved = Moved(op=op.op, outputs=op.outputs, integers=op.integers, fill=-1)
        for index, tensor, places in zip(op.op.outputs, op.outputs, move(positions, moved), strict=True):
            graph.gather(index, op.op, places.reshape(tensor.shape), zero_of(x, op.what))

    return lower_moved
