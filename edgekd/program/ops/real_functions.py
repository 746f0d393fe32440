"""NEG, SQRT and SQUARE, which TFLite-Micro computes in float32 only.

They are supported between DEQUANTIZE and QUANTIZE, where they become tables.
"""

from collections.abc import Callable

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.lowering.builder import GraphBuilder, OpToLower
from edgekd.program.model_file import TO_INTEGERS
from edgekd.program.operands import KernelContext, Values
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.ops.operator import Operator


def _rule(op: CheckedOp) -> None:
    op.count([1])
    x, y = op.operand(0), op.result
    op.shape(y, x.shape)
    op.same_type((x, y), ("float32",))


def _lower(graph: GraphBuilder, op: OpToLower) -> None:
    del graph
    raise ModelError(f"{op.what}: '{op.tensor(0).name}' is float32 and does not come from int8", hint=TO_INTEGERS)


def _operator(name: str, resolver: str, real: Callable[[Values], Values]) -> Operator:
    def reference(context: KernelContext) -> list[Values]:
        return [real(context.raw(0))]

    return Operator(
        name=name,
        resolver=resolver,
        rule=_rule,
        reference=reference,
        lower=_lower,
        float32=True,
        real=real,
        types="float32 between DEQUANTIZE and QUANTIZE of int8",
    )


def _square_root(x: Values) -> Values:
    with np.errstate(invalid="ignore"):
        return np.sqrt(x)


OPERATORS = (
    _operator("NEG", "AddNeg", np.negative),
    _operator("SQRT", "AddSqrt", _square_root),
    _operator("SQUARE", "AddSquare", np.square),
)
