"""ARG_MAX and ARG_MIN."""

import math
from collections.abc import Callable

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.lowering.ir import KernelCall, Member, Struct
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator


def _rule(op: CheckedOp) -> None:
    op.count([2])
    x, y = op.operand(0), op.result
    op.same_type((x,), ("int8",))
    if y.dtype != "int32":
        raise op.fail(f"'{y.name}' is {y.dtype}", hint="supported: int32")
    op.rank(x)
    axis = op.axis(op.constant(1, 1)[0], len(x.shape))
    op.shape(y, (*x.shape[:axis], *x.shape[axis + 1 :]))


def _reference(pick: Callable[..., Values]) -> Callable[[KernelContext], list[Values]]:
    """The first place of the extreme."""

    def compute(context: KernelContext) -> list[Values]:
        axis = context.integers(1)[0] % len(context.tensor(0).shape)
        return [pick(context.raw(0), axis=axis + 1)]

    return compute


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    x, out = graph.required(op.op.inputs[0], op.what), graph.buffer(op.op.outputs[0])
    shape = op.tensor(0).shape
    axis = op.integers(1)[0] % len(shape)
    members: dict[str, Member] = {
        "outer": math.prod(shape[:axis]),
        "size": shape[axis],
        "inner": math.prod(shape[axis + 1 :]),
        "largest": int(op.op.kind == "ARG_MAX"),
    }
    layer = Struct(c_type="edgekd_arg_extreme", members=members)
    name = "edgekd_arg_extreme_s8"
    graph.call(KernelCall(kernel=name, function=name, op=op.op.kind, sources=[x], out=out, layer=layer))


OPERATORS = (
    Operator(
        name="ARG_MAX",
        resolver="AddArgMax",
        rule=_rule,
        reference=_reference(np.argmax),
        lower=_lower,
        types="int8 to int32",
        limits="a constant axis, of up to 4",
    ),
    Operator(
        name="ARG_MIN",
        resolver="AddArgMin",
        rule=_rule,
        reference=_reference(np.argmin),
        lower=_lower,
        types="int8 to int32",
        limits="a constant axis, of up to 4",
    ),
)
