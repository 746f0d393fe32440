"""Values that a streaming model keeps from one window to the next, from the operators that name, read and set them.

CALL_ONCE calls a graph that sets their first values; VAR_HANDLE makes a handle of a name; READ_VARIABLE and
ASSIGN_VARIABLE take a handle. What is left in a program are the last two, with the variable's index as an option.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edgekd.contracts.errors import ModelError
from edgekd.program.program import Op, Tensor, Variable

Graph = tuple[tuple[Tensor, ...], tuple[Op, ...]]


def with_variables(
    tensors: Sequence[Tensor], ops: Sequence[Op], graph: Callable[[int], Graph]
) -> tuple[tuple[Op, ...], tuple[Variable, ...]]:
    """Operators without handles, and the variables. graph: tensors and operators of another graph of the file."""
    first: dict[str, Tensor] = {}
    for op in ops:
        if op.kind == "CALL_ONCE":
            first |= _first_values(*graph(int(op.options["graph"])))
    handles = _handles(ops)
    names: dict[str, Tensor] = {}
    kept = []
    for op in ops:
        if op.kind in ("VAR_HANDLE", "CALL_ONCE"):
            continue
        if op.kind in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
            name = _name(op, handles)
            index = op.outputs[0] if op.kind == "READ_VARIABLE" else op.inputs[1]
            names.setdefault(name, tensors[index])
            inputs = () if op.kind == "READ_VARIABLE" else (index,)
            op = replace(op, inputs=inputs, options={"variable": list(names).index(name), "like": names[name]})
        kept.append(op)
    return tuple(kept), tuple(_variable(name, tensor, first.get(name)) for name, tensor in names.items())


def _first_values(tensors: Sequence[Tensor], ops: Sequence[Op]) -> dict[str, Tensor]:
    """What a graph sets variables to."""
    handles, values = _handles(ops), {}
    for op in ops:
        if op.kind == "ASSIGN_VARIABLE":
            name = _name(op, handles)
            values[name] = tensors[op.inputs[1]]
            if values[name].data is None:
                raise ModelError(
                    f"variable '{name}' is set to a value that is computed", hint="a constant is supported"
                )
        elif op.kind != "VAR_HANDLE":
            raise ModelError(f"{op.what} in the graph that sets variables is not supported")
    return values


def _handles(ops: Sequence[Op]) -> dict[int, str]:
    """Names of the variables, by the tensors of their handles."""
    handles: dict[int, str] = {}
    for op in ops:
        if op.kind == "VAR_HANDLE":
            handles |= {index: f"{op.options['container']}/{op.options['name']}".lstrip("/") for index in op.outputs}
    return handles


def _name(op: Op, handles: dict[int, str]) -> str:
    counts = {"READ_VARIABLE": (1, 1), "ASSIGN_VARIABLE": (2, 0)}
    if (len(op.inputs), len(op.outputs)) != counts[op.kind] or op.inputs[0] not in handles or min(op.inputs) < 0:
        raise ModelError(f"{op.what} does not name a variable")
    return handles[op.inputs[0]]


def _variable(name: str, like: Tensor, first: Tensor | None) -> Variable:
    if first is None or first.data is None:
        return Variable(name=name, initial=np.zeros(like.shape, like.dtype))
    if first.shape != like.shape or first.dtype != like.dtype:
        given, used = (f"{tensor.dtype} {list(tensor.shape)}" for tensor in (first, like))
        raise ModelError(f"variable '{name}' is set to {given}, and used as {used}")
    return Variable(name=name, initial=first.data)
