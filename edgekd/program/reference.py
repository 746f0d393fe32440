"""The NumPy twin: runs a Program over a batch of windows, equal to TFLite-Micro to the last bit.

It is the specification of the numbers in readable form: one function per operator, in `kernels`, and one rounding rule,
in `requantize`. Arithmetic is that of TFLite's reference kernels (tensorflow/lite/kernels/internal/reference), which
TFLite-Micro shares.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.kernels import dense, elementwise, layout, pool, reduce, softmax
from edgekd.program.operands import Call, Values, activation_limits, scale_of, windows_of, zero_point_of
from edgekd.program.program import Program

__all__ = ["FUNCTIONS", "activation_limits", "run", "scale_of", "zero_point_of"]

FUNCTIONS: dict[str, Callable[[Call], list[Values]]] = {
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pool.average_pool_2d,
    "CONCATENATION": layout.concatenation,
    "CONV_2D": dense.conv_2d,
    "DEPTHWISE_CONV_2D": dense.depthwise_conv_2d,
    "FULLY_CONNECTED": dense.fully_connected,
    "LOGISTIC": elementwise.logistic,
    "MAX_POOL_2D": pool.max_pool_2d,
    "MEAN": reduce.mean,
    "MUL": elementwise.mul,
    "PACK": layout.pack,
    "QUANTIZE": elementwise.quantize,
    "RELU": elementwise.relu,
    "RELU6": elementwise.relu6,
    "RESHAPE": layout.reshape,
    "RSQRT": elementwise.rsqrt,
    "SLICE": layout.slice_,
    "SOFTMAX": softmax.softmax,
    "SPLIT": layout.split,
    "SQUARED_DIFFERENCE": elementwise.squared_difference,
    "STRIDED_SLICE": layout.strided_slice,
    "SUB": elementwise.sub,
    "SUM": reduce.sum_,
    "TANH": elementwise.tanh,
    "UNPACK": layout.unpack,
}
CHUNK_ELEMENTS = 1 << 15
"""Elements of the largest tensor that are computed together: what stays in a processor's cache."""


def run(program: Program, inputs: Sequence[Values]) -> list[Values]:
    """Run over a batch: inputs [B, ...] of the graph's types -> outputs [B, ...].

    B stands in the place of a tensor's leading 1, and in front of a shape that begins otherwise. ModelError when the
    inputs do not fit, or for an operator that the twin does not know.
    """
    batch = windows_of(program, inputs)
    for tensor in program.tensors:
        if tensor.dtype == "float32":
            raise ModelError(f"'{tensor.name}' is float32, the twin computes with integers", hint="quantise the model")
    results = [program.tensors[i] for op in program.ops for i in op.outputs]
    size = max(1, CHUNK_ELEMENTS // max((math.prod(tensor.shape) for tensor in results), default=1))
    parts = [_run(program, [one[at : at + size] for one in inputs]) for at in range(0, max(batch, 1), size)]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _run(program: Program, inputs: Sequence[Values]) -> list[Values]:
    """Run over windows that are computed together."""
    windows = len(inputs[0])
    values: dict[int, Values] = {}
    for index, value in zip(program.inputs, inputs, strict=True):
        values[index] = value.reshape(windows, *program.tensors[index].shape)
    for position, op in enumerate(program.ops):
        what = f"operator {position} ({op.kind})"
        if op.kind not in FUNCTIONS:
            raise ModelError(f"{what} is not known to the twin", hint=f"known: {', '.join(sorted(FUNCTIONS))}")
        results = FUNCTIONS[op.kind](Call(program, op, values, what))
        for index, result in zip(op.outputs, results, strict=True):
            tensor = program.tensors[index]
            values[index] = result.astype(tensor.dtype, copy=False).reshape(-1, *tensor.shape)
    return [_output(program, index, values, windows) for index in program.outputs]


def _output(program: Program, index: int, values: dict[int, Values], windows: int) -> Values:
    tensor = program.tensors[index]
    value = values[index] if tensor.data is None else tensor.data[None]
    return np.broadcast_to(value, (windows, *tensor.shape)).reshape(windows, *tensor.window)
