"""Whether TFLite-Micro takes a program: the rule of each operator. What does not depend on inputs is computed here."""

from dataclasses import replace

from edgekd.program.operands import KernelContext, activation_limits
from edgekd.program.ops import OPERATORS
from edgekd.program.ops.checks import CheckedOp
from edgekd.program.program import Op, Program, Tensor


def checked(program: Program) -> Program:
    """Return the program without operators whose operands are constants, such as those that compute shapes.

    ModelError for the first operator that breaks a rule, with its place, kind, tensor and what is supported.
    """
    tensors, ops = list(program.tensors), []
    for op in program.ops:
        operands = tuple(tensors[i] if i >= 0 else None for i in op.inputs)
        operator = CheckedOp(op.what, op, operands, tuple(tensors[i] for i in op.outputs))
        OPERATORS[op.kind].rule(operator)
        if op.outputs and operator.result.dtype in ("int8", "int16"):
            activation_limits(operator.result, op.options.get("activation", "NONE"), operator.what)
        if _is_constant(op, operands):
            _compute(program, tensors, op)
        else:
            ops.append(op)
    return replace(program, tensors=tuple(tensors), ops=tuple(ops))


def _is_constant(op: Op, operands: tuple[Tensor | None, ...]) -> bool:
    if OPERATORS[op.kind].static or OPERATORS[op.kind].has_state:
        return OPERATORS[op.kind].static
    types = {tensor.dtype for tensor in operands if tensor}
    known = all(tensor is None or tensor.data is not None for tensor in operands)
    return known and bool(operands) and ("float32" not in types or OPERATORS[op.kind].float32)


def _compute(program: Program, tensors: list[Tensor], op: Op) -> None:
    """Replace the results of an operator by constants."""
    context = KernelContext(replace(program, tensors=tuple(tensors)), op, {}, op.what)
    for index, value in zip(op.outputs, OPERATORS[op.kind].reference(context), strict=True):
        tensor = tensors[index]
        tensors[index] = replace(tensor, data=value.astype(tensor.dtype).reshape(tensor.shape))
