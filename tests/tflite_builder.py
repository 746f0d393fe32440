"""Builds tiny TFLite files, tensor by tensor, so that every operator can be held against TFLite-Micro on its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import flatbuffers
import numpy as np
import pytest
from numpy.typing import NDArray

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

OPTION_TABLES = {
    "FULLY_CONNECTED": "FullyConnectedOptions", "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions",
    "CONCATENATION": "ConcatenationOptions", "SPLIT": "SplitOptions", "RESHAPE": "ReshapeOptions",
    "STRIDED_SLICE": "StridedSliceOptions", "PACK": "PackOptions", "UNPACK": "UnpackOptions",
    "MEAN": "ReducerOptions", "SUM": "ReducerOptions", "SOFTMAX": "SoftmaxOptions", "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions", "LEAKY_RELU": "LeakyReluOptions",
    "REDUCE_MAX": "ReducerOptions", "REDUCE_MIN": "ReducerOptions", "ARG_MAX": "ArgMaxOptions",
    "ARG_MIN": "ArgMinOptions", "MIRROR_PAD": "MirrorPadOptions", "GATHER": "GatherOptions", "SPLIT_V": "SplitVOptions",
    "SQUEEZE": "SqueezeOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions", "SPACE_TO_DEPTH": "SpaceToDepthOptions", "DIV": "DivOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions", "BATCH_MATMUL": "BatchMatMulOptions",
    "CALL_ONCE": "CallOnceOptions", "VAR_HANDLE": "VarHandleOptions", "READ_VARIABLE": "ReadVariableOptions",
    "ASSIGN_VARIABLE": "AssignVariableOptions", "MAXIMUM": "MaximumMinimumOptions", "MINIMUM": "MaximumMinimumOptions",
}  # fmt: skip
FIELDS = {
    "activation": "fusedActivationFunction", "weights_format": "weightsFormat", "keep_dims": "keepDims",
    "begin_mask": "beginMask", "end_mask": "endMask", "ellipsis_mask": "ellipsisMask", "new_axis_mask": "newAxisMask",
    "shrink_axis_mask": "shrinkAxisMask", "stride_w": "strideW", "stride_h": "strideH", "filter_w": "filterWidth",
    "filter_h": "filterHeight", "dilation_w": "dilationWFactor", "dilation_h": "dilationHFactor",
    "block_size": "blockSize", "align_corners": "alignCorners", "half_pixel_centers": "halfPixelCenters",
    "batch_dims": "batchDims", "output_type": "outputType", "depth_multiplier": "depthMultiplier",
    "count": "valuesCount", "time_major": "timeMajor", "cell_clip": "cellClip",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Spec:
    """A tensor to be: constant when it has data. Several scales are along `axis`."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: Any = None
    zero_point: Any = 0
    axis: int = 0
    data: NDArray[Any] | None = None
    name: str = ""
    variable: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """An operator to be; operands and results by position in the list of tensors."""

    kind: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: dict[str, Any]


def constant(values: Any, dtype: str = "int32", scale: Any = None, **more: Any) -> Spec:
    data = np.asarray(values, dtype="int8" if dtype == "int4" else dtype)
    return Spec(shape=data.shape, dtype=dtype, scale=scale, data=data, **more)


def build(tensors: Sequence[Spec], nodes: Sequence[Node], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    """The bytes of a file with these tensors and operators."""
    return _file([(tensors, nodes, inputs, outputs)])


def _file(graphs: Sequence[tuple[Sequence[Spec], Sequence[Node], Sequence[int], Sequence[int]]]) -> bytes:
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    kinds = sorted({node.kind for _, nodes, _, _ in graphs for node in nodes})
    model.operatorCodes = [_code(kind) for kind in kinds]
    model.subgraphs = []
    for tensors, nodes, inputs, outputs in graphs:
        graph = schema.SubGraphT()
        graph.tensors = [_tensor(i, spec, model.buffers) for i, spec in enumerate(tensors)]
        graph.operators = [_operator(node, kinds) for node in nodes]
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model.subgraphs.append(graph)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def stream(
    tensors: Sequence[Spec], nodes: Sequence[Node], inputs: Sequence[int], outputs: Sequence[int], first: Sequence[Spec]
) -> bytes:
    """A file whose second graph sets variables 0, 1 ... to `first`, once.

    Operands and results below 0 of READ_VARIABLE and ASSIGN_VARIABLE are handles: -1 is that of variable 0.
    """
    count = len(first)
    handles = [Spec(shape=(), dtype="resource", name=f"handle{i}") for i in range(count)]

    def tied(nodes: Sequence[Node], base: int) -> list[Node]:
        made = [
            Node(kind="VAR_HANDLE", inputs=[], outputs=[base + i], options={"sharedName": f"variable{i}"})
            for i in range(count)
        ]
        for node in nodes:
            made.append(replace(node, inputs=[base - 1 - i if i < 0 else i for i in node.inputs]))
        return made

    main = [Node(kind="CALL_ONCE", inputs=[], outputs=[], options={"initSubgraphIndex": 1})]
    main += tied(nodes, len(tensors))
    setting = [Node(kind="ASSIGN_VARIABLE", inputs=[-1 - i, i], outputs=[], options={}) for i in range(count)]
    initial = ([*first, *handles], tied(setting, count), [], [])
    return _file([([*tensors, *handles], main, inputs, outputs), initial])


def single(kind: str, operands: Sequence[Spec], results: Sequence[Spec], **options: Any) -> bytes:
    """A file with one operator. Operands without data are the graph's inputs; None is an operand left out."""
    given = [spec for spec in operands if spec is not None]
    positions = {id(spec): i for i, spec in enumerate(given)}
    tensors = [*given, *results]
    inputs = [positions[id(spec)] if spec is not None else -1 for spec in operands]
    outputs = list(range(len(given), len(tensors)))
    computed = dict.fromkeys(i for i in inputs if i >= 0 and tensors[i].data is None and not tensors[i].variable)
    return build(tensors, [Node(kind=kind, inputs=inputs, outputs=outputs, options=options)], list(computed), outputs)


def _tensor(index: int, spec: Spec, buffers: list[Any]) -> Any:
    tensor = schema.TensorT()
    tensor.name = (spec.name or f"t{index}").encode()
    tensor.shape = list(spec.shape)
    tensor.type = getattr(schema.TensorType, spec.dtype.upper())
    tensor.isVariable = spec.variable
    tensor.buffer = 0
    if spec.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(_bytes(spec), np.uint8)
        tensor.buffer = len(buffers)
        buffers.append(buffer)
    if spec.scale is not None:
        scales = np.atleast_1d(np.asarray(spec.scale, np.float32))
        q = schema.QuantizationParametersT()
        q.scale = scales
        q.zeroPoint = np.broadcast_to(np.asarray(spec.zero_point, np.int64), scales.shape).copy()
        q.quantizedDimension = spec.axis
        tensor.quantization = q
    return tensor


def _bytes(spec: Spec) -> bytes:
    assert spec.data is not None
    if spec.dtype != "int4":
        return spec.data.astype(np.dtype(spec.dtype).newbyteorder("<")).tobytes()
    nibbles = (spec.data.reshape(-1).astype(np.int64) & 15).tolist()
    nibbles += [0] * (len(nibbles) % 2)
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _code(kind: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 1
    return code


def _operator(node: Node, kinds: Sequence[str]) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = kinds.index(node.kind)
    operator.inputs, operator.outputs = list(node.inputs), list(node.outputs)
    name = OPTION_TABLES.get(node.kind)
    if name:
        options = getattr(schema, f"{name}T")()
        for key, value in node.options.items():
            _set(options, FIELDS.get(key, key), value, node.kind)
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
    return operator


def _set(options: Any, field: str, value: Any, kind: str) -> None:
    if field == "fusedActivationFunction":
        value = getattr(schema.ActivationFunctionType, value)
    elif field == "padding":
        value = getattr(schema.Padding, value)
    elif field == "valuesCount" and kind in ("SPLIT", "SPLIT_V", "UNPACK"):
        field = "num" if kind == "UNPACK" else "numSplits"
    assert hasattr(options, field), (kind, field)
    setattr(options, field, value)
