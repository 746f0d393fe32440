"""TFLite file -> Program. The file is not trusted: whatever is wrong with it ends in a ModelError that says where."""

import hashlib
import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.program.flatbuffer import FlatbufferTable, root
from edgekd.program.model_file import require_tflite
from edgekd.program.ops import OPERATORS
from edgekd.program.program import Op, Options, Program, Quantization, Tensor
from edgekd.program.schema import OPERATOR_NAMES, OTHER_TYPES, TYPES, VERSION, operator_name
from edgekd.program.validate import checked
from edgekd.program.variables import with_variables

RECURRENT = frozenset(
    ("WHILE", "IF", "CALL", "RNN", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN")
    + ("BIDIRECTIONAL_SEQUENCE_LSTM",)
)
LARGEST_RANK = 8
LARGEST_TENSOR_BYTES = 1 << 28  # of values that are computed, so that a short file cannot ask for much memory


def read_tflite(content: bytes) -> Program:
    """Read the first graph of a .tflite file. ModelError names the operator or tensor that cannot be used, and why."""
    require_tflite(content)
    model = root(content, "TFLite")
    version = model.integer(0, "uint32")
    if version != VERSION:
        raise ModelError(f"the file has schema version {version}, {VERSION} is supported")
    subgraphs = model.tables(2, "subgraph")
    if not subgraphs:
        raise ModelError("the model has no subgraph")
    graph = subgraphs[0]
    buffers = model.tables(4, "buffer")
    tensors = tuple(_tensor(table, buffers) for table in graph.tables(0, "tensor"))
    codes = [_operator_name(table) for table in model.tables(1, "operator code")]
    ops = tuple(_op(i, table, codes, tensors) for i, table in enumerate(graph.tables(3, "operator")))
    others = partial(_other_graph, subgraphs, buffers, codes)
    ops, variables = with_variables(tensors, ops, others)
    inputs, outputs = (_indices(graph, field, len(tensors), "graph") for field in (1, 2))
    program = Program(
        tensors=tensors,
        ops=ops,
        inputs=inputs,
        outputs=outputs,
        sha256=hashlib.sha256(content).hexdigest(),
        variables=variables,
    )
    _check_order(program)
    return checked(program)


def _other_graph(
    subgraphs: list[FlatbufferTable], buffers: list[FlatbufferTable], codes: list[str], index: int
) -> tuple[tuple[Tensor, ...], tuple[Op, ...]]:
    """Tensors and operators of a graph that an operator calls."""
    if not 0 < index < len(subgraphs):
        raise ModelError(f"subgraph {index} of {len(subgraphs)} is called")
    tensors = tuple(_tensor(table, buffers) for table in subgraphs[index].tables(0, "tensor"))
    tables = subgraphs[index].tables(3, "operator")
    return tensors, tuple(_op(i, table, codes, tensors) for i, table in enumerate(tables))


def _operator_name(code: FlatbufferTable) -> str:
    """The operator's name, or a description of one that is not supported; only those in use are refused."""
    number = max(code.integer(0, "int8"), code.integer(3, "int32"))
    custom = code.text(1)
    return operator_name(number, custom if OPERATOR_NAMES[number : number + 1] == ("CUSTOM",) else "")


def _tensor(table: FlatbufferTable, buffers: list[FlatbufferTable]) -> Tensor:
    name = table.text(3)
    what = f"{table.what} '{name}'"
    number = table.integer(1, "int8")
    if number not in TYPES:
        raise ModelError(
            f"{what} is {OTHER_TYPES.get(number, f'of type number {number}')}",
            hint=f"supported: {', '.join(TYPES.values())}",
        )
    if table.table(6, what) is not None:
        raise ModelError(f"{what} is stored sparse, which is not supported")
    shape = _shape(table, what)
    dtype = TYPES[number]
    return Tensor(
        name=name,
        shape=shape,
        dtype=dtype,
        quantization=_quantization(table, shape, what),
        data=_constant(table, buffers, shape, dtype, what),
        is_variable=bool(table.scalar(5, "bool")),
    )


def _shape(table: FlatbufferTable, what: str) -> tuple[int, ...]:
    raw = table.array(0, "int32")
    shape = () if raw is None else tuple(int(size) for size in raw)
    if shape[:1] == (-1,):
        shape = (1, *shape[1:])  # one window at a time
    if len(shape) > LARGEST_RANK or any(size < 1 for size in shape):
        raise ModelError(f"{what} has shape {list(shape)}; up to {LARGEST_RANK} fixed sizes of 1 or more are supported")
    if math.prod(shape) * 4 > LARGEST_TENSOR_BYTES:
        raise ModelError(f"{what} of shape {list(shape)} is larger than {LARGEST_TENSOR_BYTES >> 20} MiB")
    return shape


def _quantization(table: FlatbufferTable, shape: tuple[int, ...], what: str) -> Quantization | None:
    params = table.table(4, what)
    scale = None if params is None else params.array(2, "float32")
    if params is None or scale is None or len(scale) == 0:
        return None
    stored = params.array(3, "int64")
    zero_point = np.zeros(0, np.int64) if stored is None else stored.astype(np.int64)
    axis = params.integer(6)
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise ModelError(f"{what}: scales must be finite and above zero")
    if len(zero_point) != len(scale) or (np.abs(zero_point) > 2**31).any():
        raise ModelError(f"{what}: {len(scale)} scales with zero points {zero_point[:4].tolist()}")
    if len(shape) == 1:
        axis = 0  # old converters give a bias the axis of its weights
    if len(scale) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scale)):
        raise ModelError(f"{what} of shape {list(shape)}: {len(scale)} scales along axis {axis}")
    return Quantization(scale=scale.astype(np.float32), zero_point=zero_point, axis=axis)


def _constant(
    table: FlatbufferTable, buffers: list[FlatbufferTable], shape: tuple[int, ...], dtype: str, what: str
) -> NDArray[Any] | None:
    """The values of a constant; None for a value that is computed (it names an empty buffer)."""
    index = table.integer(2, "uint32")
    if index >= len(buffers):
        raise ModelError(f"{what} names buffer {index} of {len(buffers)}")
    if buffers[index].integer(1, "uint64") > 1:
        raise ModelError(f"{what} is stored behind the flatbuffer, as in files over 2 GB, which is not supported")
    data = buffers[index].array(0, "uint8")
    if data is None or len(data) == 0:
        return None
    if dtype == "resource":
        raise ModelError(f"{what} is a handle, and has values")
    count = math.prod(shape)
    needed = (count + 1) // 2 if dtype == "int4" else count * np.dtype(dtype).itemsize
    if len(data) != needed:
        raise ModelError(
            f"{what} of shape {list(shape)} and type {dtype} needs {needed} bytes, its buffer has {len(data)}"
        )
    if dtype == "int4":
        return _nibbles(data, count).reshape(shape)
    return np.frombuffer(data.tobytes(), np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)


def _nibbles(data: NDArray[Any], count: int) -> NDArray[np.int8]:
    """Two signed four-bit numbers per byte, the lower one first."""
    pairs = np.stack([data & 15, data >> 4], axis=1).reshape(-1)[:count].astype(np.int8)
    return np.where(pairs > 7, pairs - 16, pairs).astype(np.int8)


def _op(index: int, table: FlatbufferTable, codes: list[str], tensors: tuple[Tensor, ...]) -> Op:
    code = table.integer(0, "uint32")
    if code >= len(codes):
        raise ModelError(f"operator {index} names operator code {code} of {len(codes)}")
    kind = codes[code]
    what = f"operator {index} ({kind})"
    if kind not in OPERATORS:
        outputs = _indices(table, 2, len(tensors), what)
        result = f", which makes '{tensors[outputs[0]].name}'," if outputs else ""
        raise ModelError(f"operator {index}: {kind}{result} is not supported", hint=_way_out(kind))
    return Op(
        kind=kind,
        inputs=_indices(table, 1, len(tensors), what, optional=True),
        outputs=_indices(table, 2, len(tensors), what),
        options=_options(kind, table, what),
        position=index,
    )


def _way_out(kind: str) -> str:
    """What to do about an operator that is not supported."""
    if kind in RECURRENT:
        return "build recurrent layers with unroll=True and a fixed batch size, or export one step of the cell"
    if kind.startswith("custom operator 'Flex"):
        return "convert with TFLITE_BUILTINS_INT8 instead of SELECT_TF_OPS"
    if kind in ("DEQUANTIZE", "CAST", "FAKE_QUANT"):
        return "the model computes in float there: quantize all of it to int8 or int16, inputs and outputs as well"
    return f"supported: {', '.join(OPERATORS)}"


def _options(kind: str, operator: FlatbufferTable, what: str) -> Options:
    values: Options = {}
    wanted = OPERATORS[kind].options_table
    number, table = operator.integer(3, "uint8"), operator.table(4, f"{what} options")
    if wanted and (table is None or number != wanted):
        raise ModelError(f"{what}: its options have number {number}, it must be {wanted}")
    for name, option in OPERATORS[kind].options.items():
        if option.kind == "text":
            values[name] = "" if table is None else table.text(option.number)
            continue
        value = table.scalar(option.number, option.kind, option.default) if table else option.default
        if option.names is None:
            values[name] = value
        elif value in option.names:
            values[name] = option.names[int(value)]
        else:
            raise ModelError(
                f"{what}: {name} number {value} is not supported", hint=f"supported: {list(option.names.values())}"
            )
    return values


def _indices(table: FlatbufferTable, field: int, count: int, what: str, *, optional: bool = False) -> tuple[int, ...]:
    raw = table.array(field, "int32")
    indices = () if raw is None else tuple(int(i) for i in raw)
    lowest = -1 if optional else 0
    for index in indices:
        if not lowest <= index < count:
            raise ModelError(f"{what} names tensor {index} of {count}")
    return indices


def _check_order(program: Program) -> None:
    """ModelError unless every value is a constant, an input, or computed once before it is read."""
    constants = {i for i, tensor in enumerate(program.tensors) if tensor.data is not None}
    states = {i for op in program.ops if OPERATORS[op.kind].has_state for i in op.inputs if i >= 0}
    states = {i for i in states if program.tensors[i].is_variable} - constants - set(program.inputs)
    known = constants | set(program.inputs)
    if not program.inputs or not program.outputs:
        raise ModelError(f"the graph has {len(program.inputs)} inputs and {len(program.outputs)} outputs")
    if len(known) != len(constants) + len(program.inputs):
        raise ModelError("an input of the graph is a constant, or named twice")
    for index, op in enumerate(program.ops):
        what = f"operator {index} ({op.kind})"
        for i in op.inputs:
            if i >= 0 and i not in known and not (i in states and OPERATORS[op.kind].has_state):
                raise ModelError(f"{what} reads '{program.tensors[i].name}' before it is computed")
        for i in op.outputs:
            if i in known or i in states:
                raise ModelError(f"{what} computes '{program.tensors[i].name}' a second time")
            known.add(i)
    for i in (*program.inputs, *program.outputs):
        if program.tensors[i].dtype not in ("uint8", "int8", "int16", "int32", "float32"):
            raise ModelError(
                f"'{program.tensors[i].name}' is {program.tensors[i].dtype}, which no input or output can be"
            )
    for i in program.outputs:
        if i not in known:
            raise ModelError(f"output '{program.tensors[i].name}' is never computed")
