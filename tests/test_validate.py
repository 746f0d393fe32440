"""What the reader refuses, and how it says so: operator, place, tensor, value, and what is supported."""

from typing import Any

import numpy as np
import pytest
from tflite_builder import Node, Spec, build, constant, single

from edgekd.contracts.errors import ModelError
from edgekd.program.reader import read_tflite


def t(*shape: int, dtype: str = "int8", scale: Any = 0.1, **more: Any) -> Spec:
    return Spec(shape=shape, dtype=dtype, scale=scale, **more)


def weights(*shape: int, dtype: str = "int8", scale: Any = 0.1, **more: Any) -> Spec:
    return constant(np.ones(shape), dtype, scale, **more)


def dense(x: Spec, w: Spec, bias: Spec | None, y: Spec, **options: Any) -> bytes:
    return single("FULLY_CONNECTED", [x, w, bias], [y], **options)


def conv(x: Spec, w: Spec, y: Spec, **options: Any) -> bytes:
    return single("CONV_2D", [x, w], [y], **({"stride_w": 1, "stride_h": 1, "padding": "SAME"} | options))


def sliced(begin: list[int], end: list[int], strides: list[int], y: Spec, **options: Any) -> bytes:
    return single("STRIDED_SLICE", [t(1, 8), constant(begin), constant(end), constant(strides)], [y], **options)


REFUSED: dict[str, tuple[bytes, str]] = {
    "operands that do not broadcast": (
        single("ADD", [t(1, 3), t(1, 4)], [t(1, 4)]),
        r"operator 0 \(ADD\): shapes \[1, 3\] of 't0' and \[1, 4\] of 't1' do not fit",
    ),
    "an output of another shape": (
        single("ADD", [t(1, 3), t(1, 3)], [t(1, 4)]),
        r"'t2' has shape \[1, 4\], the operands give \[1, 3\]",
    ),
    "types that differ": (single("ADD", [t(1, 3), t(1, 3, dtype="int16")], [t(1, 3)]), r"'t0' is int8 and 't1' int16"),
    "a type it does not compute": (single("ADD", [t(1, 3, dtype="int32")] * 2, [t(1, 3, dtype="int32")]), "is int32"),
    "no scale": (single("ADD", [t(1, 3), t(1, 3, scale=None)], [t(1, 3)]), "'t1' has 0 scales, 1 is supported"),
    "several scales": (
        single("RELU", [t(1, 3, scale=[0.1, 0.2, 0.3], axis=1)], [t(1, 3)]),
        "'t0' has 3 scales, 1 is supported",
    ),
    "a scale of zero": (single("RELU", [t(1, 3, scale=0.0)], [t(1, 3)]), "scales must be finite and above zero"),
    "a scale that is not a number": (single("RELU", [t(1, 3, scale=np.nan)], [t(1, 3)]), "finite and above zero"),
    "a zero point out of range": (
        single("RELU", [t(1, 3, zero_point=128)], [t(1, 3)]),
        "'t0' has zero point 128",
    ),
    "a zero point of int16": (
        single("RELU", [t(1, 3, dtype="int16", zero_point=1)], [t(1, 3, dtype="int16")]),
        "'t0' has zero point 1",
    ),
    "scales too far apart": (
        single("MUL", [t(1, 3, scale=2e9)] * 2, [t(1, 3)]),
        r"scales differ by a factor of 4e\+19, up to 1.07e\+09 is supported",
    ),
    "a sum that is too fine": (
        single("ADD", [t(1, 3, dtype="int16", scale=1.0)] * 2, [t(1, 3, dtype="int16", scale=1e-5)]),
        "scales differ by a factor of 6.1, up to 1 is supported",
    ),
    "a clamp beyond 32 bits": (
        single("ADD", [t(1, 3, scale=1e-11)] * 2, [t(1, 3, scale=1e-11)], activation="RELU6"),
        r"6 is 6e\+11 steps of 't2', more than 32 bits hold",
    ),
    "logistic on another grid": (
        single("LOGISTIC", [t(1, 3)], [t(1, 3)]),
        "'t1' must have scale 0.00390625 and zero point -128",
    ),
    "tanh on another grid": (single("TANH", [t(1, 3)], [t(1, 3)]), "'t1' must have scale 0.0078125 and zero point 0"),
    "a 6 that does not fit": (
        single("RELU6", [t(1, 3, scale=0.01)], [t(1, 3, scale=0.01)]),
        "6 does not fit the grid of 't0'",
    ),
    "softmax from int16 to int8": (
        single("SOFTMAX", [t(1, 3, dtype="int16")], [t(1, 3, scale=1 / 256, zero_point=-128)], beta=1.0),
        "'t0' is int16 and 't1' int8",
    ),
    "softmax without beta": (
        single("SOFTMAX", [t(1, 3)], [t(1, 3, scale=1 / 256, zero_point=-128)]),
        "beta 0 with scale",
    ),
    "an operator of TFLite only": (
        single("RELU_N1_TO_1", [t(1, 3)], [t(1, 3)]),
        r"operator 0 \(RELU_N1_TO_1\): TFLite-Micro has no such operator",
    ),
    "parts on other grids": (
        single("CONCATENATION", [t(1, 3), t(1, 3, scale=0.2)], [t(1, 6)], axis=1),
        "'t1' and 't2' differ in scale or zero point",
    ),
    "parts of another rank": (
        single("CONCATENATION", [t(1, 3), t(3)], [t(1, 6)], axis=1),
        r"'t1' of shape \[3\] does not fit",
    ),
    "parts that do not add up": (
        single("CONCATENATION", [t(1, 3), t(1, 3)], [t(1, 7)], axis=1),
        "operands have 6 along axis 1, 't2' has 7",
    ),
    "an axis that is not there": (
        single("CONCATENATION", [t(1, 3), t(1, 3)], [t(1, 6)], axis=2),
        "axis 2 of a tensor with 2 axes",
    ),
    "too many parts": (
        single("CONCATENATION", [t(1, 1) for _ in range(11)], [t(1, 11)], axis=1),
        "11 operands",
    ),
    "a fused activation of a copy": (
        single("CONCATENATION", [t(1, 3), t(1, 3)], [t(1, 6)], axis=1, activation="RELU"),
        "a fused RELU is not supported",
    ),
    "unequal parts": (single("SPLIT", [constant([1]), t(1, 5)], [t(1, 2), t(1, 3)], count=2), "are not 2 equal parts"),
    "a count that is wrong": (
        single("SPLIT", [constant([1]), t(1, 4)], [t(1, 2), t(1, 2)], count=3),
        "it promises 3 tensors and names 2",
    ),
    "an axis that is computed": (
        single("SPLIT", [Spec(shape=(), dtype="int32"), t(1, 4)], [t(1, 2), t(1, 2)], count=2),
        "'t0' must be a constant of type int32",
    ),
    "a slice over the end": (
        single("SLICE", [t(1, 8), constant([0, 5]), constant([1, 4])], [t(1, 4)]),
        "4 from 5 of 8 elements of 't0'",
    ),
    "a stride of zero": (sliced([0, 0], [1, 8], [1, 0], t(1, 8)), "index 0 with stride 0"),
    "an index beyond the end": (
        sliced([0, 8], [1, 9], [1, 1], t(1), shrink_axis_mask=2),
        "index 8 with stride 1 of 8 elements",
    ),
    "a new axis": (sliced([0, 0], [1, 8], [1, 1], t(1, 8), new_axis_mask=1), "new_axis_mask 1 is not supported"),
    "numbers for other axes": (sliced([0], [1], [1], t(1, 8)), "'t1' has 1 numbers for a tensor of 2 axes"),
    "other elements": (single("RESHAPE", [t(1, 8), constant([1, 9])], [t(1, 9)]), "has other elements than"),
    "unequal tensors in a stack": (single("PACK", [t(1, 3), t(1, 4)], [t(1, 2, 3)], axis=1, count=2), "has shape"),
    "a mean of another shape": (
        single("MEAN", [t(1, 2, 3), constant([1])], [t(1, 3)], keep_dims=True),
        r"has shape \[1, 3\], the operands give \[1, 1, 3\]",
    ),
    "weights that do not fit": (dense(t(1, 8), weights(4, 7), None, t(1, 4)), r"does not fit weights of \[4, 7\]"),
    "weights that are computed": (dense(t(1, 8), t(4, 8), None, t(1, 4)), "weights 't1' must be a constant"),
    "weights with a zero point": (
        dense(t(1, 8), weights(4, 8, zero_point=1), None, t(1, 4)),
        "weights 't1' have a zero point, 0 is supported",
    ),
    "scales along another axis": (
        dense(t(1, 4), weights(4, 4, scale=[0.1] * 4, axis=1), None, t(1, 4)),
        "weights 't1' need 1 scale, or 4 along axis 0",
    ),
    "int4 weights per channel": (
        dense(t(1, 8), weights(4, 8, dtype="int4", scale=[0.1] * 4), None, t(1, 4)),
        "weights 't1' are int4 with a scale per channel",
    ),
    "int4 weights with int16": (
        dense(t(1, 8, dtype="int16"), weights(4, 8, dtype="int4"), None, t(1, 4, dtype="int16")),
        "weights 't1' are int4 with int16 activations",
    ),
    "a bias of another type": (
        dense(t(1, 8), weights(4, 8), constant([1] * 4, "int64", 0.01), t(1, 4)),
        "bias 't2' is int64, a constant of int32 is supported with int8 activations",
    ),
    "a bias of another length": (
        dense(t(1, 8), weights(4, 8), constant([1] * 3, "int32", 0.01), t(1, 4)),
        r"'t2' has shape \[3\], the operands give \[4\]",
    ),
    "a bias on another grid": (
        dense(t(1, 8), weights(4, 8), constant([1] * 4, "int32", 0.02), t(1, 4)),
        "bias 't2' has scale 0.02, the products have 0.01",
    ),
    "shuffled weights": (
        dense(t(1, 8), weights(4, 8), None, t(1, 4), weights_format=1),
        "weights format 1 is not supported",
    ),
    "no stride": (conv(t(1, 4, 4, 1), weights(1, 1, 1, 1), t(1, 4, 4, 1), stride_h=0), "stride 0"),
    "channels that do not divide": (conv(t(1, 4, 4, 3), weights(2, 1, 1, 2), t(1, 4, 4, 2)), "3 channels of 't0'"),
    "a window that reaches too far": (
        conv(t(1, 4, 4, 1), weights(1, 2, 1, 1), t(1, 4, 4, 1), dilation_h=5000, dilation_w=1),
        "the window reaches over 5001 places",
    ),
    "an image of two axes": (conv(t(4, 4), weights(1, 1, 1, 1), t(1, 4, 4, 1)), "'t0' has 2 axes, 4 are supported"),
    "pooling to another grid": (
        single(
            "MAX_POOL_2D",
            [t(1, 4, 4, 1)],
            [t(1, 2, 2, 1, scale=0.2)],
            padding="VALID",
            stride_w=2,
            stride_h=2,
            filter_w=2,
            filter_h=2,
        ),
        "'t0' and 't1' differ in scale or zero point",
    ),
    "a missing operand": (
        build([t(1, 3), t(1, 3)], [Node(kind="ADD", inputs=[0, -1], outputs=[1], options={})], [0], [1]),
        "operand 1 is missing",
    ),
    "too few operands": (single("ADD", [t(1, 3)], [t(1, 3)]), "1 operands, 2 are supported"),
    "no result": (build([t(1, 3)], [Node(kind="RELU", inputs=[0], outputs=[], options={})], [0], [0]), "0 results"),
    "a value read too early": (
        build(
            [t(1, 3), t(1, 3), t(1, 3)],
            [
                Node(kind="RELU", inputs=[1], outputs=[2], options={}),
                Node(kind="RELU", inputs=[0], outputs=[1], options={}),
            ],
            [0],
            [2],
        ),
        r"operator 0 \(RELU\) reads 't1' before it is computed",
    ),
    "a value computed twice": (
        build([t(1, 3), t(1, 3)], [Node(kind="RELU", inputs=[0], outputs=[1], options={})] * 2, [0], [1]),
        r"operator 1 \(RELU\) computes 't1' a second time",
    ),
    "an output that is never computed": (
        build([t(1, 3), t(1, 3), t(1, 3)], [Node(kind="RELU", inputs=[0], outputs=[1], options={})], [0], [2]),
        "output 't2' is never computed",
    ),
    "an input that is a constant": (
        build([weights(1, 3), t(1, 3)], [Node(kind="RELU", inputs=[0], outputs=[1], options={})], [0], [1]),
        "an input of the graph is a constant, or named twice",
    ),
    "a tensor that is not there": (
        build([t(1, 3), t(1, 3)], [Node(kind="RELU", inputs=[7], outputs=[1], options={})], [0], [1]),
        r"operator 0 \(RELU\) names tensor 7 of 2",
    ),
    "no inputs": (build([weights(1, 3)], [], [], [0]), "the graph has 0 inputs and 1 outputs"),
    "a shape that is not fixed": (single("RELU", [t(1, -1)], [t(1, -1)]), "fixed sizes of 1 or more are supported"),
    "a tensor that is too large": (single("RELU", [t(2**15, 2**15)], [t(2**15, 2**15)]), "is larger than 256 MiB"),
    "a constant that is too short": (
        single("ADD", [t(1, 4), Spec(shape=(1, 4), scale=0.1, data=np.zeros(3, np.int8))], [t(1, 4)]),
        r"'t1' of shape \[1, 4\] and type int8 needs 4 bytes, its buffer has 3",
    ),
    "a sequence in one operator": (
        single("UNIDIRECTIONAL_SEQUENCE_LSTM", [t(1, 4, 3)], [t(1, 4, 2)]),
        r"operator 0 \(UNIDIRECTIONAL_SEQUENCE_LSTM\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    content, message = REFUSED[case]
    with pytest.raises(ModelError, match=message):
        read_tflite(content)


def test_other_graphs_of_a_file_are_left_alone() -> None:
    """No operator that is supported calls another graph."""
    import flatbuffers
    from tflite_builder import schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(single("RELU", [t(1, 3)], [t(1, 3)])), 0)
    model.subgraphs = [model.subgraphs[0], model.subgraphs[0]]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    assert len(read_tflite(bytes(builder.Output())).ops) == 1


def test_float_graphs_are_read() -> None:
    x, y = (Spec(shape=(1, 3), dtype="float32") for _ in range(2))
    program = read_tflite(single("FULLY_CONNECTED", [x, constant(np.eye(3), "float32"), None], [y]))
    assert program.tensors[1].dtype == "float32"


def test_int4_weights_are_unpacked_low_nibble_first() -> None:
    values = np.array([[-8, 7, -1], [0, 3, -5]])
    program = read_tflite(dense(t(1, 3), constant(values, "int4", 0.1), None, t(1, 2)))
    assert np.array_equal(program.tensors[1].data, values)
