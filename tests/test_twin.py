import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.export import onnx_graph
from edgekd.export.tflite import float_tflite, quantized_tflite
from edgekd.program import twin
from edgekd.program.arena import arena_bytes
from edgekd.program.fixed_point import SIGMOID_TABLE
from edgekd.program.interpreters import TfliteMicro, prepare_micro
from edgekd.program.program import Program
from edgekd.program.reader import read_tflite
from edgekd.program.requantize import (
    doubling_high_mul,
    quantize_multiplier,
    requantize,
    requantize_wide,
    rounding_shift_right,
)

BENCH = Path(__file__).resolve().parents[2] / "shared" / "bench"
int32s = st.integers(-(2**31), 2**31 - 1)


def as_array(value: int) -> NDArray[np.int64]:
    return np.array([value], dtype=np.int64)


@given(int32s, int32s)
def test_doubling_high_mul_is_the_rounded_high_half(a: int, b: int) -> None:
    exact = a * b / 2**31
    got = int(doubling_high_mul(as_array(a), b)[0])
    if a == b == -(2**31):
        assert got == 2**31 - 1
    else:
        assert abs(got - exact) <= 0.5 + 1e-6


@given(int32s, st.integers(0, 31))
def test_rounding_shift_is_half_away_from_zero(x: int, exponent: int) -> None:
    sign = -1 if x < 0 else 1
    wanted = sign * ((abs(x) + (1 << exponent) // 2) >> exponent)
    assert int(rounding_shift_right(as_array(x), exponent)[0]) == wanted


@given(st.floats(1e-9, 100))
def test_a_factor_is_a_multiplier_and_a_power_of_two(factor: float) -> None:
    multiplier, shift = quantize_multiplier(factor)
    assert 2**30 <= multiplier < 2**31
    assert multiplier * 2.0 ** (shift - 31) == pytest.approx(factor, rel=2**-30)


@given(st.integers(-(2**24), 2**24), st.floats(1e-5, 0.99))
def test_requantized_is_near_the_product(x: int, factor: float) -> None:
    multiplier, shift = quantize_multiplier(factor)
    assert abs(int(requantize(as_array(x), multiplier, shift)[0]) - x * factor) <= 1.01
    wide = int(requantize_wide(as_array(x), multiplier, shift)[0])
    assert abs(wide - x * factor) <= 0.51 + abs(x * factor) * 2**-15


def test_extremes_of_the_multiplier() -> None:
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-40) == (0, 0)
    assert quantize_multiplier(1 - 2.0**-40) == (1 << 30, 1)
    assert quantize_multiplier(1.0) == (1 << 30, 1)


def test_the_sigmoid_table_rises_to_full_scale() -> None:
    assert SIGMOID_TABLE[0] == 32768
    assert SIGMOID_TABLE[255] == 65535
    assert (np.diff(SIGMOID_TABLE) >= 0).all()


# ---- single operators against TFLite-Micro, over random scales and all of the operands' ranges ----------------------

limits = st.tuples(st.floats(-8, -0.01), st.floats(0.01, 8))
BINARY, UNARY = ("Add", "Sub", "Mul"), ("Sigmoid", "Tanh")


def operator(op: str, bits: int, ranges: dict[str, tuple[float, float]], length: int = 16) -> bytes:
    graph = onnx_graph.Graph("one")
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
    for ours, theirs in zip(twin.run(program, inputs), TfliteMicro(content).run(inputs), strict=True):
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
    assert np.array_equal(twin.run(program, [x])[0], TfliteMicro(content).run([x])[0])


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("top", [0.3, 1.0, 7.9998, 8.0, 12.0, 40.0])
def test_functions_of_every_16_bit_input(op: str, top: float) -> None:
    content = operator(op, 16, {"a": (-top, top), "y": (-1, 1)}, length=64)
    program = read_tflite(content)
    x = np.arange(-32768, 32768, dtype=np.int16).reshape(-1, 64)
    assert np.array_equal(twin.run(program, [x])[0], TfliteMicro(content).run([x])[0])


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
    graph = onnx_graph.Graph("one")
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
    check(path.read_bytes(), count=2000)


# ---- what it refuses ------------------------------------------------------------------------------------------------


@functools.cache
def small() -> bytes:
    return operator("Add", 8, {"a": (-1, 1), "b": (-1, 1), "y": (-2, 2)})


def test_wrong_inputs_are_named() -> None:
    program = read_tflite(small())
    x = np.zeros((3, 16), np.int8)
    with pytest.raises(ModelError, match="2 inputs, 1 were given"):
        twin.run(program, [x])
    with pytest.raises(ModelError, match=r"input '\w+' is int8 \[B, 16\], got int16 \[3, 16\]"):
        twin.run(program, [x.astype(np.int16), x])


def test_a_float_model_is_refused() -> None:
    graph = onnx_graph.Graph("one")
    graph.add("Add", ["a", "b"], "y")
    program = read_tflite(float_tflite(graph.model({"a": 4, "b": 4}, {"y": 4})))
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ModelError, match="is float32, the twin computes with integers"):
        twin.run(program, [x, x])


def test_the_arena_found_is_the_smallest() -> None:
    content = small()
    size = arena_bytes(content)
    assert size % 16 == 0
    prepare_micro(content, size)
    with tempfile.TemporaryDirectory(), pytest.raises(ModelError, match="TFLite-Micro cannot run this graph"):
        prepare_micro(content, size - 16)
