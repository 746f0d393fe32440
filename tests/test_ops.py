"""Every operator of the twin against TFLite-Micro, alone: random shapes, scales, zero points, options and extremes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_cases import MAKERS, random_inputs
from tflite_builder import Spec, constant, single

from edgekd.program import reference
from edgekd.program.interpreters import TfliteMicro
from edgekd.program.ops import OPERATORS
from edgekd.program.reader import read_tflite
from edgekd.program.requantize import quantize_multiplier, requantize

pytest.importorskip("tflite_micro")
ARENA = 1 << 20


def check(content: bytes, count: int, rng: np.random.Generator) -> None:
    """The twin equals TFLite-Micro on random inputs, to the last bit, and the batch equals window by window."""
    program = read_tflite(content)
    inputs = random_inputs(program, count, rng)
    ours = reference.run(program, inputs)
    for mine, theirs in zip(ours, TfliteMicro(content, ARENA).run(inputs), strict=True):
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(("kind", "dtype"), MAKERS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_operator(kind: str, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(MAKERS[kind, dtype](rng, dtype), 24, rng)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"])
@pytest.mark.parametrize("seed", range(3))
def test_every_pair_of_8_bit_operands(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scales = np.float32(2 ** rng.uniform(-7, -4, 3))
    a, b, y = (Spec(shape=(1, 256), scale=s, zero_point=int(rng.integers(-128, 128))) for s in scales)
    content = single(kind, [a, b], [y])
    every = np.arange(-128, 128, dtype=np.int8)
    inputs = [np.repeat(every[:, None], 256, axis=1), np.repeat(every[None], 256, axis=0)]
    program = read_tflite(content)
    assert np.array_equal(reference.run(program, inputs)[0], TfliteMicro(content, ARENA).run(inputs)[0])


@pytest.mark.parametrize("kind", ["TANH", "LOGISTIC"])
@pytest.mark.parametrize("exponent", [-13, -12, -11, -10, -4])
@pytest.mark.parametrize("factor", [1, 1.0005, 0.9996, 1.001])
def test_16_bit_functions_near_powers_of_two(kind: str, exponent: int, factor: float) -> None:
    x = Spec(shape=(1, 64), dtype="int16", scale=2.0**exponent * factor)
    content = single(kind, [x], [Spec(shape=(1, 64), dtype="int16", scale=1 / 32768)])
    every = np.arange(-32768, 32768, 7, dtype=np.int16)[: 64 * 140].reshape(-1, 64)
    assert np.array_equal(reference.run(read_tflite(content), [every])[0], TfliteMicro(content, ARENA).run([every])[0])


@pytest.mark.parametrize("kind", ["RELU", "QUANTIZE"])
@pytest.mark.parametrize("ratio", [2.0**-40, 2.0**-31, 2.0**-9, 0.75, 1, 1.5, 2.0**10, 2.0**22])
def test_extreme_ratios_of_scales(kind: str, ratio: float) -> None:
    x = Spec(shape=(1, 64), dtype="int16", scale=2.0**-12 * ratio)
    content = single(kind, [x], [Spec(shape=(1, 64), dtype="int16", scale=2.0**-12)])
    every = np.arange(-32768, 32768, 7, dtype=np.int16)[: 64 * 140].reshape(-1, 64)
    assert np.array_equal(reference.run(read_tflite(content), [every])[0], TfliteMicro(content, ARENA).run([every])[0])


def test_scales_of_weights_are_multiplied_in_double() -> None:
    """Accumulators that a product rounded to float32 would carry to another integer."""
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(20):
        sx, sw = np.float32(2 ** rng.uniform(-6, -2, 2))
        sy = np.float32(float(sx) * float(sw) * 2.0**24)
        rough, exact = (quantize_multiplier(p / float(sy)) for p in (float(sx * sw), float(sx) * float(sw)))
        sums = np.round((np.arange(-100, 100) + 0.5) * 2.0**24 + rng.integers(-8, 8)).astype(np.int64)
        sums = sums[requantize(sums, *rough) != requantize(sums, *exact)][:32]
        if len(sums) == 0:
            continue
        weights, bias = constant(np.ones((len(sums), 1)), "int8", sw), constant(sums, "int32", sx * sw)
        x, y = Spec(shape=(1, 1), scale=sx), Spec(shape=(1, len(sums)), scale=sy)
        content = single("FULLY_CONNECTED", [x, weights, bias], [y])
        zero = [np.zeros((1, 1), np.int8)]
        assert np.array_equal(reference.run(read_tflite(content), zero)[0], TfliteMicro(content, ARENA).run(zero)[0])
        compared += 1
    assert compared > 5


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_below_zero_the_root_is_that_of_zero_where_tflite_micro_stops(dtype: str) -> None:
    x, y = (Spec(shape=(1, 4), dtype=dtype, scale=0.05) for _ in range(2))
    content = single("RSQRT", [x], [y])
    below = [np.array([[-1, 0, 1, -100]], dtype)]
    got = reference.run(read_tflite(content), below)[0][0]
    assert got[0] == got[1] == got[3] == np.iinfo(dtype).max
    with pytest.raises(Exception, match="stopped"):
        TfliteMicro(content, ARENA).run(below)


def test_an_output_may_be_an_input_or_a_constant() -> None:
    from tflite_builder import Node, build

    tensors = [Spec(shape=(1, 3), scale=1.0), constant([[5, 6, 7]], "int8", 1.0), Spec(shape=(1, 3), scale=1.0)]
    content = build(tensors, [Node(kind="ADD", inputs=[0, 1], outputs=[2], options={})], [0], [0, 1, 2])
    x = np.arange(6, dtype=np.int8).reshape(2, 3)
    out = reference.run(read_tflite(content), [x])
    assert np.array_equal(out[0], x)
    assert np.array_equal(out[1], [[5, 6, 7]] * 2)
    assert np.array_equal(out[2], x + [[5, 6, 7]])


def test_a_batch_of_none_gives_none() -> None:
    content = single(
        "ADD", [Spec(shape=(1, 3), scale=1.0), Spec(shape=(1, 3), scale=1.0)], [Spec(shape=(1, 3), scale=1.0)]
    )
    empty = np.zeros((0, 3), np.int8)
    assert reference.run(read_tflite(content), [empty, empty])[0].shape == (0, 3)


def test_every_operator_is_registered_with_tflite_micro_by_its_own_method() -> None:
    resolvers = [operator.resolver for operator in OPERATORS.values() if operator.resolver]
    assert len(set(resolvers)) == len(resolvers) and all(name.startswith("Add") for name in resolvers)
    assert {name for name, operator in OPERATORS.items() if not operator.resolver} == {"RELU_N1_TO_1"}  # is refused
