import contextlib
import functools
import random
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_folders import make_model_folder
from operator_cases import MAKERS

from edgekd.contracts.errors import ModelError
from edgekd.program import reference
from edgekd.program.reader import read_tflite


@functools.cache
def graphs() -> dict[str, bytes]:
    """Small real files: int8 and int16, float, cell and head."""
    folder = make_model_folder(Path(tempfile.mkdtemp(prefix="edgekd-")), "gru", 8)
    wide = make_model_folder(Path(tempfile.mkdtemp(prefix="edgekd-")), "liquid", 16)
    paths = [*sorted(folder.glob("*.tflite")), *sorted(wide.glob("*.tflite"))]
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}


def test_a_graph_is_read_with_types_shapes_grids_and_constants() -> None:
    program = read_tflite(graphs()["gru6_w8a8_s00/cell.tflite"])
    x, h = (program.tensors[i] for i in program.inputs)
    assert (x.shape, h.shape, x.dtype) == ((1, 4), (1, 6), "int8")
    assert x.quantization is not None and h.quantization is not None
    assert x.quantization.scale == h.quantization.scale
    dense = [op for op in program.ops if op.kind == "FULLY_CONNECTED"]
    assert len(dense) == 3
    weights = program.tensors[dense[0].inputs[1]]
    assert weights.shape == (6, 10)
    assert weights.data is not None and weights.data.dtype == np.int8
    assert weights.quantization is not None and len(weights.quantization.scale) == 6
    biases = [op.inputs[2] for op in dense if op.inputs[2] >= 0]  # one that is all zeros is left out
    assert {program.tensors[i].dtype for i in biases} == {"int32"}
    assert len(program.sha256) == 64


def test_the_first_tensor_of_another_reader_is_the_same() -> None:
    """Against tensorflow's own generated reader."""
    schema = pytest.importorskip("tensorflow.lite.python.schema_py_generated")
    for content in graphs().values():
        program = read_tflite(content)
        graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
        assert len(program.tensors) == graph.TensorsLength()
        assert len(program.ops) == graph.OperatorsLength()
        for i, tensor in enumerate(program.tensors):
            other = graph.Tensors(i)
            assert tensor.name == other.Name().decode()
            assert tensor.shape == tuple(other.ShapeAsNumpy() if other.ShapeLength() else ())
            if tensor.quantization is not None:
                assert np.array_equal(tensor.quantization.scale, other.Quantization().ScaleAsNumpy())


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 64, b"\x08\0\0\0TFL3", b"%PDF-1.4 not a model at all"])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError):
        read_tflite(content)


def test_every_cut_off_file_is_refused() -> None:
    content = graphs()["liquid6_w8a16_s00/cell.tflite"]
    for size in range(0, len(content), 7):
        try:
            read_tflite(content[:size])
        except ModelError:
            continue
        raise AssertionError(f"{size} of {len(content)} bytes were taken for a whole file")


def mutated(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif at + 4 <= len(data):
            value = rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, len(data), rng.randrange(2**32)])
            data[at : at + 4] = struct.pack("<I", value)
    return bytes(data)


@functools.cache
def originals() -> list[bytes]:
    """Files of cells and heads, and one or two of every operator."""
    single = [make(np.random.default_rng(seed), dtype) for (_, dtype), make in MAKERS.items() for seed in range(2)]
    return [*graphs().values(), *single]


def test_a_damaged_file_ends_in_a_model_error_or_a_program() -> None:
    rng = random.Random(0)
    refused = 0
    for _ in range(20_000):
        try:
            read_tflite(mutated(rng.choice(originals()), rng))
        except ModelError:
            refused += 1
    assert 5000 < refused < 20_000


def test_a_damaged_file_takes_little_memory() -> None:
    rng = random.Random(1)
    contents = originals()
    tracemalloc.start()
    for _ in range(1500):
        with contextlib.suppress(ModelError):
            read_tflite(mutated(rng.choice(contents), rng))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_model_error(content: bytes) -> None:
    for whole in (content, b"\x0c\0\0\0TFL3" + content):
        with pytest.raises(ModelError):
            read_tflite(whole)


@pytest.mark.parametrize(("kind", "dtype"), MAKERS)
def test_a_damaged_graph_that_is_read_can_be_run(kind: str, dtype: str) -> None:
    """What passes the reader's rules is safe for the twin: a result, or a ModelError."""
    rng = random.Random(f"{kind} {dtype}")
    content = MAKERS[kind, dtype](np.random.default_rng(3), dtype)
    for _ in range(400):
        with contextlib.suppress(ModelError):
            program = read_tflite(mutated(content, rng))
            shapes = [(program.tensors[i].window, program.tensors[i].dtype) for i in program.inputs]
            reference.run(program, [np.zeros((2, *shape), dtype) for shape, dtype in shapes])


def test_an_operator_that_is_not_supported_is_named_with_its_place_and_output() -> None:
    tf = pytest.importorskip("tensorflow")
    function = tf.function(lambda x: tf.math.cumsum(x, axis=1, name="total"))
    concrete = function.get_concrete_function(tf.TensorSpec([1, 4], name="x"))
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    with pytest.raises(ModelError, match=r"operator 0: CUMSUM, which makes '.+', is not supported") as caught:
        read_tflite(content)
    assert "FULLY_CONNECTED" in str(caught.value.hint)
