"""TRANSPOSE and REVERSE_V2: axes in another order, and the other way round."""

import numpy as np

from edgekd.program.operands import Values
from edgekd.program.ops import moves
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.moves import Moved
from edgekd.program.ops.operator import Operator

MOST_AXES = 5


def _transpose_rule(op: CheckedOp) -> None:
    op.count([2])
    x, y = op.operand(0), op.result
    op.copied((x, y))
    op.rank(x, MOST_AXES)
    order = [op.axis(axis, len(x.shape)) for axis in op.constant(1, len(x.shape))]
    if sorted(order) != list(range(len(x.shape))):
        raise op.fail(f"axes {order} are no order of {len(x.shape)} axes")
    op.shape(y, [x.shape[axis] for axis in order])


def _transpose(x: Values, moved: Moved) -> list[Values]:
    rank = x.ndim - 1
    return [np.transpose(x, (0, *(axis % rank + 1 for axis in moved.integers(1))))]


def _reverse_rule(op: CheckedOp) -> None:
    op.count([2])
    x, y = op.operand(0), op.result
    op.copied((x, y))
    op.rank(x, MOST_AXES)
    for axis in op.constant(1):
        op.axis(axis, len(x.shape))
    op.shape(y, x.shape)


def _reverse(x: Values, moved: Moved) -> list[Values]:
    rank = x.ndim - 1
    return [np.flip(x, tuple({axis % rank + 1 for axis in moved.integers(1)}))]


OPERATORS = (
    Operator(
        name="TRANSPOSE",
        resolver="AddTranspose",
        rule=_transpose_rule,
        reference=moves.reference(_transpose),
        lower=moves.lower(_transpose),
        float32=True,
        moves=True,
        limits=f"up to {MOST_AXES} axes",
    ),
    Operator(
        name="REVERSE_V2",
        resolver="AddReverseV2",
        rule=_reverse_rule,
        reference=moves.reference(_reverse),
        lower=moves.lower(_reverse),
        float32=True,
        moves=True,
        limits=f"up to {MOST_AXES} axes",
    ),
)
