"""The reference interpreter: runs a Program over a batch of windows in NumPy, equal to TFLite-Micro to the last bit.

It is the specification of the numbers in readable form: one function per operator, in `ops`, and one rounding rule, in
`requantize`. Arithmetic is that of TFLite's reference kernels (tensorflow/lite/kernels/internal/reference), which
TFLite-Micro shares. On the command line this engine is called the twin.
"""

import math
from collections.abc import Sequence

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.model_file import TO_INTEGERS
from edgekd.program.operands import KernelContext, Values, windows_of
from edgekd.program.ops import OPERATORS
from edgekd.program.program import Op, Program

CHUNK_ELEMENTS = 1 << 15
"""Elements of the largest tensor that are computed together: what stays in a processor's cache."""


def run(program: Program, inputs: Sequence[Values]) -> list[Values]:
    """Run over a batch: inputs [B, ...] of the graph's types -> outputs [B, ...].

    B stands in the place of a tensor's leading 1, and in front of a shape that begins otherwise. ModelError when the
    inputs do not fit, or for a float model.
    """
    batch = windows_of(program, inputs)
    in_float = first_in_float(program)
    if in_float:
        raise ModelError(
            f"{in_float[0].what}: '{in_float[1]}' is float32, the reference interpreter computes with integers",
            hint=TO_INTEGERS,
        )
    results = [program.tensors[i] for op in program.ops for i in op.outputs]
    size = max(1, CHUNK_ELEMENTS // max((math.prod(tensor.shape) for tensor in results), default=1))
    variables = [variable.initial[None] for variable in program.variables]
    if variables:
        size = 1  # each window finds what the one before it left
    parts = [
        _run(program, [value[at : at + size] for value in inputs], variables) for at in range(0, max(batch, 1), size)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def first_in_float(program: Program) -> tuple[Op, str] | None:
    """The first operator that computes in float, and the name of its tensor; None when all compute in integers."""
    for op in program.ops:
        tensors = [program.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0]
        name = next((tensor.name for tensor in tensors if tensor.dtype == "float32"), None)
        if name is not None and not OPERATORS[op.kind].float32:
            return op, name
    return None


def _run(program: Program, inputs: Sequence[Values], variables: list[Values]) -> list[Values]:
    """Run over windows that are computed together."""
    windows = len(inputs[0])
    values: dict[int, Values] = {}
    for index, value in zip(program.inputs, inputs, strict=True):
        values[index] = value.reshape(windows, *program.tensors[index].shape)
    for op in program.ops:
        results = OPERATORS[op.kind].reference(KernelContext(program, op, values, op.what, variables))
        for index, result in zip(op.outputs, results, strict=True):
            tensor = program.tensors[index]
            values[index] = result.astype(tensor.dtype, copy=False).reshape(-1, *tensor.shape)
    return [_output(program, index, values, windows) for index in program.outputs]


def _output(program: Program, index: int, values: dict[int, Values], windows: int) -> Values:
    tensor = program.tensors[index]
    value = values[index] if tensor.data is None else tensor.data[None]
    return np.broadcast_to(value, (windows, *tensor.shape)).reshape(windows, *tensor.window)
