"""FULLY_CONNECTED."""

import math
from dataclasses import replace

import numpy as np

from edgekd.program.lowering import weighted
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.conv_2d import rescaled
from edgekd.program.ops.operator import Operator, Option, activation


def _rule(op: CheckedOp) -> None:
    op.count([2, 3])
    x, w, y = op.operand(0), op.operand(1), op.result
    if op.op.options["weights_format"] != 0:
        raise op.fail(f"weights format {op.op.options['weights_format']} is not supported")
    if len(w.shape) != 2 or not y.shape or y.shape[-1] != w.shape[0]:
        raise op.fail(f"weights '{w.name}' of shape {list(w.shape)} do not give '{y.name}' of {list(y.shape)}")
    if math.prod(x.shape) != math.prod(y.shape[:-1]) * w.shape[1]:
        raise op.fail(
            f"'{x.name}' of shape {list(x.shape)} does not fit weights of {list(w.shape)} and {list(y.shape)}"
        )
    op.weighted(w.shape[0], 0, nibbles_per_channel=False)


def _reference(context: KernelContext) -> list[Values]:
    """Y = (x - zp_x) W' + bias, rescaled per tensor or per output channel. x [B, ..., K], W [N, K] -> [B, ..., N]."""
    weights = context.constant(1).astype(np.float64)
    x = context.raw(0).reshape(-1, weights.shape[1]).astype(np.float64) - context.zero_point(0)
    return rescaled(context, x @ weights.T)


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    layer = weighted.layer_of(graph, op)
    if weighted.is_one_row(layer):
        graph.call(weighted.fully_connected(replace(layer, x=graph.readable(layer.x)), sparse=graph.sparse))
    else:
        graph.call(weighted.fully_connected_rows(layer, graph.scratch(layer.out)))


OPERATORS = (
    Operator(
        name="FULLY_CONNECTED",
        resolver="AddFullyConnected",
        rule=_rule,
        reference=_reference,
        lower=_lower,
        options=activation() | {"weights_format": Option(1, "int8")},
        options_table=8,
        types="int8 with int8 or int4 weights, int16 with int8 weights",
        limits="int4 weights with one scale",
    ),
)
