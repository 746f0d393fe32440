"""RESHAPE, EXPAND_DIMS and SQUEEZE, which leave values where they are, and SHAPE."""

import math

import numpy as np

from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator


def _same_elements(op: CheckedOp) -> None:
    x, y = op.operand(0), op.result
    op.copied((x, y))
    if math.prod(x.shape) != math.prod(y.shape):
        raise op.fail(f"'{x.name}' of shape {list(x.shape)} has other elements than '{y.name}' of {list(y.shape)}")


def _reshape_rule(op: CheckedOp) -> None:
    op.count([1, 2])
    _same_elements(op)


def _expand_rule(op: CheckedOp) -> None:
    op.count([2])
    x, y = op.operand(0), op.result
    axis = op.axis(op.constant(1, 1)[0], len(x.shape) + 1)
    op.shape(y, (*x.shape[:axis], 1, *x.shape[axis:]))
    _same_elements(op)


def _squeeze_rule(op: CheckedOp) -> None:
    op.count([1])
    _same_elements(op)
    x, y = op.operand(0), op.result
    if [n for n in x.shape if n > 1] != [n for n in y.shape if n > 1]:
        raise op.fail(f"'{x.name}' of shape {list(x.shape)} cannot become {list(y.shape)}")


def _reference(context: KernelContext) -> list[Values]:
    """Return the same values; the caller gives them the output's shape."""
    return [context.raw(0)]


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    graph.view(op.op.outputs[0], graph.required(op.op.inputs[0], op.what), 0)


def _shape_rule(op: CheckedOp) -> None:
    op.count([1])
    if op.result.dtype != "int32":
        raise op.fail(f"'{op.result.name}' is {op.result.dtype}", hint="supported: int32")
    op.shape(op.result, (len(op.operand(0).shape),))


def _shape(context: KernelContext) -> list[Values]:
    """Return the operand's shape."""
    return [np.array([context.tensor(0).shape], np.int32)]


def _lower_shape(*_: object) -> None:
    raise AssertionError("shapes are constants")


OPERATORS = (
    Operator(
        name="RESHAPE",
        resolver="AddReshape",
        rule=_reshape_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        moves=True,
    ),
    Operator(
        name="EXPAND_DIMS",
        resolver="AddExpandDims",
        rule=_expand_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        moves=True,
    ),
    Operator(
        name="SQUEEZE",
        resolver="AddSqueeze",
        rule=_squeeze_rule,
        reference=_reference,
        lower=_lower,
        float32=True,
        moves=True,
    ),
    Operator(
        name="SHAPE",
        resolver="AddShape",
        rule=_shape_rule,
        reference=_shape,
        lower=_lower_shape,
        static=True,
        float32=True,
        types="any",
    ),
)
