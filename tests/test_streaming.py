"""Variables of streaming models: TFLite-Micro, the reference interpreter and C agree over a stream of windows."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_builder import Node, Spec, constant, stream

from edgekd.contracts.errors import ModelError
from edgekd.program import reference
from edgekd.program.interpreters import TfliteMicro
from edgekd.program.reader import read_tflite

pytest.importorskip("tflite_micro")
STEPS = {"scale": 0.05, "zero_point": 3}


def ring(first: np.ndarray) -> bytes:
    """The last three frames of four features each, of which weights make two outputs."""
    frames, window = Spec(shape=(1, 2, 4), **STEPS), Spec(shape=(1, 3, 4), **STEPS)
    tensors = [
        Spec(shape=(1, 1, 4), **STEPS),
        frames,
        window,
        constant([0, 1, 0]),
        constant([-1, -1, -1]),
        frames,
        constant([1, 12]),
        Spec(shape=(1, 12), **STEPS),
        constant(np.arange(-12, 12).reshape(2, 12), "int8", np.float32(0.02)),
        Spec(shape=(1, 2), scale=0.1, zero_point=-5),
    ]
    nodes = [
        Node(kind="READ_VARIABLE", inputs=[-1], outputs=[1], options={}),
        Node(kind="CONCATENATION", inputs=[1, 0], outputs=[2], options={"axis": 1, "activation": "NONE"}),
        Node(kind="SLICE", inputs=[2, 3, 4], outputs=[5], options={}),
        Node(kind="ASSIGN_VARIABLE", inputs=[-1, 5], outputs=[], options={}),
        Node(kind="RESHAPE", inputs=[2, 6], outputs=[7], options={}),
        Node(kind="FULLY_CONNECTED", inputs=[7, 8, -1], outputs=[9], options={"activation": "NONE"}),
    ]
    for node in nodes:  # -1 is a handle for variables only
        if node.kind == "FULLY_CONNECTED":
            node.inputs.pop()
    return stream(tensors, nodes, [0], [9], [Spec(shape=first.shape, data=first.astype(np.int8), **STEPS)])


def counter() -> bytes:
    """Two variables: a sum that saturates, which is an output as it was and as it is, and the input before."""
    x = Spec(shape=(1, 5), **STEPS)
    nodes = [
        Node(kind="READ_VARIABLE", inputs=[-1], outputs=[1], options={}),
        Node(kind="READ_VARIABLE", inputs=[-2], outputs=[3], options={}),
        Node(kind="ADD", inputs=[1, 0], outputs=[2], options={"activation": "NONE"}),
        Node(kind="ASSIGN_VARIABLE", inputs=[-1, 2], outputs=[], options={}),
        Node(kind="ASSIGN_VARIABLE", inputs=[-2, 0], outputs=[], options={}),
        Node(kind="READ_VARIABLE", inputs=[-1], outputs=[4], options={}),
    ]
    first = [Spec(shape=(1, 5), data=np.full((1, 5), value, np.int8), **STEPS) for value in (3, -7)]
    return stream([x] * 5, nodes, [0], [1, 3, 4], first)


MODELS = {"ring": ring(np.arange(8).reshape(1, 2, 4)), "counter": counter()}


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_is_the_same_everywhere(name: str, tmp_path: Path) -> None:
    from edgekd.evaluate.code_folder import write_code
    from edgekd.evaluate.code_parity import verify
    from edgekd.pipeline.emulation import emulate

    model = tmp_path / "model.tflite"
    model.write_bytes(MODELS[name])
    write_code(model, name, "nano33ble", tmp_path / "code")
    verification = verify(tmp_path / "code", None, 40)
    assert verification.first_difference is None and len(verification.pairs) == 3
    header = (tmp_path / "code" / f"{name}.h").read_text()
    assert f"void {name}_init({name}_state *state);" in header
    assert emulate(tmp_path / "code").cycles > 0


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_a_stream_from_its_start(name: str) -> None:
    program = read_tflite(MODELS[name])
    rng = np.random.default_rng(0)
    x = [rng.integers(-128, 128, (6, *program.tensors[i].window)).astype(np.int8) for i in program.inputs]
    micro = TfliteMicro(MODELS[name], 1 << 20)
    for _ in range(2):
        for expected, computed in zip(reference.run(program, x), micro.run(x), strict=True):
            assert np.array_equal(expected, computed)
    alone = reference.run(program, [value[3:] for value in x])
    assert not all(np.array_equal(a[3:], b) for a, b in zip(reference.run(program, x), alone, strict=True))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MODELS)), st.integers(0), st.integers(0, 255))
def test_a_damaged_stream_is_an_error_or_runs(name: str, at: int, byte: int) -> None:
    content = bytearray(MODELS[name])
    content[at % len(content)] = byte
    with contextlib.suppress(ModelError):
        program = read_tflite(bytes(content))
        shapes = [(program.tensors[i].window, program.tensors[i].dtype) for i in program.inputs]
        reference.run(program, [np.zeros((2, *shape), dtype) for shape, dtype in shapes])


def test_a_variable_of_another_shape_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"variable 'variable0' is set to int8 \[1, 3, 4\], and used as int8 \[1, 2, 4\]"
    ):
        read_tflite(ring(np.arange(12).reshape(1, 3, 4)))
