"""Whether TFLite-Micro takes a program: the rule of each operator, and its fused activation."""

from edgekd.program.operands import activation_limits
from edgekd.program.ops import OPERATORS
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.program import Program


def check(program: Program) -> None:
    """ModelError for the first operator that breaks a rule, with its place, kind, tensor and what is supported."""
    for position, op in enumerate(program.ops):
        operator = CheckedOp(
            f"operator {position} ({op.kind})",
            op,
            tuple(program.tensors[i] if i >= 0 else None for i in op.inputs),
            tuple(program.tensors[i] for i in op.outputs),
        )
        OPERATORS[op.kind].rule(operator)
        if operator.result.dtype in ("int8", "int16"):
            activation_limits(operator.result, op.options.get("activation", "NONE"), operator.what)
