import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgekd.contracts.errors import ModelError
from edgekd.export.tflite import float_tflite, quantized_tflite
from edgekd.models.onnx_graph import OnnxGraphBuilder
from edgekd.program import reference
from edgekd.program.interpreters import TfliteMicro
from edgekd.program.program import Program
from edgekd.program.reader import read_tflite

ARENA = 1 << 20
BENCH = Path(__file__).resolve().parents[2] / "shared" / "bench"
# ---- single operators against TFLite-Micro, over random scales and all of the operands' ranges ----------------------

limits = st.tuples(st.floats(-8, -0.01), st.floats(0.01, 8))
BINARY, UNARY = ("Add", "Sub", "Mul"), ("Sigmoid", "Tanh")


def operator(op: str, bits: int, ranges: dict[str, tuple[float, float]], length: int = 16) -> bytes:
    graph = OnnxGraphBuilder("one")
    operands = ["a", "b"] if op in BINARY else ["a"]
    graph.add(op, operands, "y")
    model = graph.model({name: length for name in operands}, {"y": length})
    return quantized_tflite(float_tflite(model), model, ranges, (8, bits))


def everything(program: Program, count: int, seed: int) -> list[NDArray[Any]]:
    """Random integers over the whole range of each input, with the extremes among them."""
    rng = np.random.default_rng(seed)
    inputs = []
    for index in program.inputs:
        tensor = program.tensors[index]
        info = np.iinfo(tensor.dtype)
        values = rng.integers(info.min, info.max + 1, (count, *tensor.shape[1:]))
        values[rng.random(values.shape) < 0.1] = info.min
        values[rng.random(values.shape) < 0.1] = info.max
        inputs.append(values.astype(tensor.dtype))
    return inputs


def check(content: bytes, count: int = 400, seed: int = 0) -> None:
    program = read_tflite(content)
    inputs = everything(program, count, seed)
    for ours, theirs in zip(reference.run(program, inputs), TfliteMicro(content, ARENA).run(inputs), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("op", BINARY)
@settings(max_examples=12, deadline=None)
@given(a=limits, b=limits, y=limits)
def test_elementwise_operators(
    op: str, bits: int, a: tuple[float, float], b: tuple[float, float], y: tuple[float, float]
) -> None:
    check(operator(op, bits, {"a": a, "b": b, "y": y}))


@pytest.mark.parametrize("op", UNARY)
@settings(max_examples=12, deadline=None)
@given(a=st.tuples(st.floats(-30, -0.01), st.floats(0.01, 30)))
def test_functions_of_every_8_bit_input(op: str, a: tuple[float, float]) -> None:
    content = operator(op, 8, {"a": a, "y": (-1, 1)})
    program = read_tflite(content)
    x = np.arange(-128, 128, dtype=np.int8).reshape(16, 16)
    assert np.array_equal(reference.run(program, [x])[0], TfliteMicro(content, ARENA).run([x])[0])


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("top", [0.3, 1.0, 7.9998, 8.0, 12.0, 40.0])
def test_functions_of_every_16_bit_input(op: str, top: float) -> None:
    content = operator(op, 16, {"a": (-top, top), "y": (-1, 1)}, length=64)
    program = read_tflite(content)
    x = np.arange(-32768, 32768, dtype=np.int16).reshape(-1, 64)
    assert np.array_equal(reference.run(program, [x])[0], TfliteMicro(content, ARENA).run([x])[0])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("relu", [False, True])
@settings(max_examples=10, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 24)),
    x=limits,
    y=limits,
    seed=st.integers(0, 1000),
    size=st.floats(0.01, 4),
)
def test_fully_connected(
    bits: int,
    relu: bool,
    shape: tuple[int, int],
    x: tuple[float, float],
    y: tuple[float, float],
    seed: int,
    size: float,
) -> None:
    rng = np.random.default_rng(seed)
    inputs, outputs = shape
    weight = (rng.normal(size=(outputs, inputs)) * size * 10.0 ** rng.uniform(-2, 0, (outputs, 1))).astype(np.float32)
    graph = OnnxGraphBuilder("one")
    name = graph.dense("x", weight, rng.normal(size=outputs).astype(np.float32), "dense" if relu else "y")
    if relu:
        graph.add("Relu", [name], "y")
    model = graph.model({"x": inputs}, {"y": outputs})
    check(quantized_tflite(float_tflite(model), model, {"x": x, "y": y, "dense": y}, (8, bits)), count=100)


@pytest.mark.parametrize("name", ["liquid_step_int8", "autoencoder_int8"])
def test_models_made_elsewhere(name: str) -> None:
    path = BENCH / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    check(path.read_bytes(), count=10_000)


# ---- what it refuses ------------------------------------------------------------------------------------------------


@functools.cache
def small() -> bytes:
    return operator("Add", 8, {"a": (-1, 1), "b": (-1, 1), "y": (-2, 2)})


def test_wrong_inputs_are_named() -> None:
    program = read_tflite(small())
    x = np.zeros((3, 16), np.int8)
    with pytest.raises(ModelError, match="2 inputs, 1 were given"):
        reference.run(program, [x])
    with pytest.raises(ModelError, match=r"input 0, '\w+', is int8 \[B, 16\], got int16 \[3, 16\]"):
        reference.run(program, [x.astype(np.int16), x])


def test_a_float_model_is_refused() -> None:
    graph = OnnxGraphBuilder("one")
    graph.add("Add", ["a", "b"], "y")
    program = read_tflite(float_tflite(graph.model({"a": 4, "b": 4}, {"y": 4})))
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ModelError, match="is float32, the reference interpreter computes with integers"):
        reference.run(program, [x, x])
