"""Real numbers between DEQUANTIZE and QUANTIZE that are functions of one integer each, computed as integers.

Converters put DEQUANTIZE -> SPLIT -> QUANTIZE into the first step of unrolled recurrent layers, and
DEQUANTIZE -> NEG -> QUANTIZE into layer normalization. What is moved is moved as integers, what is computed becomes a
table of every int8.
"""

from dataclasses import dataclass, replace

import numpy as np

from edgekd.program.operands import Values, every_input
from edgekd.program.ops import OPERATORS
from edgekd.program.ops.quantize import from_real, to_real
from edgekd.program.program import Op, Program, Tensor


@dataclass(frozen=True)
class _Carrier:
    """Where the integers are that a float32 tensor comes from, and the real number for each integer of their type."""

    index: int
    reals: Values


def in_integers(program: Program) -> Program:
    """The same program with operators beside those in float32, and their results in place of QUANTIZE."""
    tensors = list(program.tensors)
    ops: list[Op] = []
    carriers: dict[int, _Carrier] = {}
    for op in program.ops:
        ops.append(_in_integers(op, tensors, ops, carriers) or op)
    return replace(program, tensors=tuple(tensors), ops=tuple(ops))


def _in_integers(op: Op, tensors: list[Tensor], ops: list[Op], carriers: dict[int, _Carrier]) -> Op | None:
    """What takes the place of an operator, or None."""
    operator = OPERATORS[op.kind]
    carried = [carriers[index] for index in op.inputs if index in carriers]
    if op.kind == "DEQUANTIZE" and tensors[op.inputs[0]].dtype in ("int8", "int16"):
        x = tensors[op.inputs[0]]
        carriers[op.outputs[0]] = _Carrier(op.inputs[0], to_real(every_input(x.dtype), x, op.what))
    elif not carried:
        return None
    elif operator.moves and _is_uniform(op, tensors, carried):
        ops.append(_moved(op, tensors, carriers))
    elif operator.real:
        carriers[op.outputs[0]] = _Carrier(carried[0].index, operator.real(carried[0].reals))
    elif op.kind == "QUANTIZE":
        return _quantized(op, tensors, carried[0])
    return None


def _is_uniform(op: Op, tensors: list[Tensor], carried: list[_Carrier]) -> bool:
    """Whether all real operands come from integers by one function."""
    reals = [index for index in op.inputs if index >= 0 and tensors[index].dtype == "float32"]
    same = all(np.array_equal(carrier.reals, carried[0].reals, equal_nan=True) for carrier in carried)
    return same and len(reals) == len(carried)


def _moved(op: Op, tensors: list[Tensor], carriers: dict[int, _Carrier]) -> Op:
    """The operator on the integers."""
    inputs = tuple(carriers[index].index if index in carriers else index for index in op.inputs)
    carrier = next(carriers[index] for index in op.inputs if index in carriers)
    integers, outputs = tensors[carrier.index], []
    for index in op.outputs:
        outputs.append(len(tensors))
        tensors.append(replace(tensors[index], dtype=integers.dtype, quantization=integers.quantization))
        carriers[index] = _Carrier(outputs[-1], carrier.reals)
    return replace(op, inputs=inputs, outputs=tuple(outputs))


def _quantized(op: Op, tensors: list[Tensor], carrier: _Carrier) -> Op | None:
    """A view of the integers if they are those wanted, else a table."""
    x, y = tensors[carrier.index], tensors[op.outputs[0]]
    wanted = from_real(carrier.reals, y, op.what)
    if x.dtype == y.dtype and np.array_equal(wanted, every_input(x.dtype)):
        return replace(op, kind="RESHAPE", inputs=(carrier.index,))
    if x.dtype == y.dtype == "int8":
        return replace(op, inputs=(carrier.index,), options={"table": wanted})
    return None
