"""ONNX -> TFLite float (through tensorflow) -> integers (through ai-edge-quantizer), with the ranges from training."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgekd.contracts.errors import ModelError


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what tensorflow's C++ writes to the terminal; its errors come as exceptions."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _quiet():
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    from ai_edge_quantizer import quantizer, recipe_manager
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

Range = tuple[float, float]
WITH_NARROW_WEIGHTS = (TFLOperationName.FULLY_CONNECTED, TFLOperationName.CONV_2D)

_BINARY = {"Mul": tf.multiply, "Sub": tf.subtract, "Add": tf.add}
_UNARY = {"Sigmoid": tf.sigmoid, "Tanh": tf.tanh, "Relu": tf.nn.relu}


def float_tflite(model: onnx.ModelProto) -> bytes:
    """The float flatbuffer of a graph, its tensors named like the values of the ONNX graph."""
    graph = model.graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}

    def run(*inputs: tf.Tensor) -> tf.Tensor:
        values: dict[str, Any] = dict(constants)
        values.update(zip((i.name for i in graph.input), inputs, strict=True))
        for node in graph.node:
            values[node.output[0]] = _node(node, [values[name] for name in node.input])
        return values[graph.output[0].name]

    specs = [tf.TensorSpec([d.dim_value for d in i.type.tensor_type.shape.dim], name=i.name) for i in graph.input]
    with _quiet():
        concrete = tf.function(run, input_signature=specs).get_concrete_function()
        content: bytes = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    return content


def _node(node: onnx.NodeProto, operands: list[Any]) -> Any:
    name = node.output[0]
    if node.op_type == "Gemm":
        x, weight, *bias = operands
        product = tf.matmul(x, weight, transpose_b=True, name=name + ".product" if bias else name)
        return tf.add(product, bias[0], name=name) if bias else product
    if node.op_type == "Conv":  # values of three axes are held as [1, 1, places, channels]
        x, weight, bias = operands
        stride = next(list(given.ints) for given in node.attribute if given.name == "strides")[0]
        product = tf.nn.conv2d(x, weight.transpose(2, 1, 0)[None], [1, stride], "VALID", name=name + ".product")
        return tf.nn.bias_add(product, bias, name=name)
    if node.op_type == "Transpose":
        return tf.expand_dims(operands[0], 1, name=name)
    if node.op_type == "Reshape":
        return tf.reshape(operands[0], [int(size) for size in operands[1]], name=name)
    if node.op_type == "Slice":
        x, (start,), (stop,), _ = operands
        return tf.slice(x, [0, int(start)], [1, int(stop - start)], name=name)
    if node.op_type == "Concat":
        return tf.concat(operands, axis=node.attribute[0].i, name=name)
    if node.op_type in _BINARY:
        return _BINARY[node.op_type](*operands, name=name)
    if node.op_type in _UNARY:
        return _UNARY[node.op_type](*operands, name=name)
    raise ModelError(f"ONNX operator {node.op_type} ('{node.name}') cannot be converted to TFLite")


def quantized_tflite(
    content: bytes,
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    bits: tuple[int, int],
    *,
    matrix_scales: bool = False,
) -> bytes:
    """Integers from the float flatbuffer of `model`. `ranges` holds every value of the graph by its ONNX name; bits are
    (weights, activations). ModelError when a value has no range.

    matrix_scales: one scale for each matrix of FULLY_CONNECTED, instead of one for each of its output channels.
    TFLite-Micro before September 2024 reads only the first scale of such a matrix.
    """
    order = [i.name for i in model.graph.input] + [node.output[0] for node in model.graph.node]
    values = {}
    for name, rank in _activations(content):
        value = _value(name, order)
        if value not in ranges:
            raise ModelError(f"value '{value}' of the graph has no range from training")
        low, high = ranges[value]
        values[name] = {key: np.full([1] * rank, v, np.float32) for key, v in (("min", low), ("max", high))}
    with _quiet():
        result = quantizer.Quantizer(bytearray(content), _recipe(*bits, matrix_scales)).quantize(values)
    return bytes(result.quantized_model)


def _recipe(weight_bits: int, activation_bits: int, matrix_scales: bool) -> Any:
    """Scales of 8-bit weights per output channel; of 4-bit weights per matrix, which is what TFLite-Micro takes."""
    recipe = recipe_manager.RecipeManager()
    every = {"regex": ".*", "activation_num_bits": activation_bits}
    recipe.add_static_config(operation_name=TFLOperationName.ALL_SUPPORTED, weight_num_bits=8, **every)
    tensorwise: tuple[TFLOperationName, ...] = (TFLOperationName.FULLY_CONNECTED,) if matrix_scales else ()
    for operation in WITH_NARROW_WEIGHTS if weight_bits < 8 else tensorwise:
        recipe.add_static_config(
            operation_name=operation,
            weight_num_bits=weight_bits,
            weight_granularity=QuantGranularity.TENSORWISE,
            **every,
        )
    return recipe.get_quantization_recipe()


def _value(tensor: str, order: list[str]) -> str:
    """The ONNX value a TFLite tensor holds: fused operators join their names with ';', the last of them is meant."""
    known = [order.index(part) for part in tensor.split(";") if part in order]
    return order[max(known)] if known else order[-1]


def _activations(content: bytes) -> list[tuple[str, int]]:
    """Name and rank of every value that is computed or fed in, constants left out."""
    with _quiet():
        interpreter = Interpreter(
            model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        interpreter.allocate_tensors()
    fed = {d["index"] for d in interpreter.get_input_details()}
    computed = {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    return [(d["name"], len(d["shape"])) for d in interpreter.get_tensor_details() if d["index"] in fed | computed]
