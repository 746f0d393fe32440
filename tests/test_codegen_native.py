"""Generated C against the twin: graphs that are awkward to plan, models made elsewhere. Operators: test_kernels."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dlnet_graph import dlnet
from numpy.typing import NDArray
from operator_cases import MAKERS, random_inputs
from tflite_builder import Node, Spec, build, constant, single

from edgekd.codegen.c_graph import Code, generate
from edgekd.contracts.board import load_board
from edgekd.contracts.errors import ModelError
from edgekd.emulate.graph_harness import HostGraph
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.sketch import Sketch, compile_sketch
from edgekd.program import reference
from edgekd.program.reader import read_tflite
from edgekd.run import write_files

pytest.importorskip("unicorn", reason="unicorn is not installed")
BENCH = Path(__file__).resolve().parents[2] / "shared" / "bench"
SEEDS = 12
WINDOWS = 24
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion", "-Werror")
Batch = list[NDArray[Any]]


def assert_equal(code: Code, found: Batch, wanted: Batch) -> None:
    for tensor, a, b in zip(code.outputs, found, wanted, strict=True):
        assert np.array_equal(a, b), f"{code.name}: {tensor.name}"


def whole() -> dict[str, bytes]:
    """Graphs that are awkward to plan: outputs that are inputs, constants or used again, joins of joins, dead ends."""
    x, y, z = (Spec(shape=(1, 6), scale=0.05, zero_point=3) for _ in range(3))
    both = Spec(shape=(1, 12), scale=0.05, zero_point=3)
    more = Spec(shape=(1, 18), scale=0.05, zero_point=3)
    return {
        "an output that is read again": build(
            [x, y, z],
            [
                Node(kind="RELU", inputs=[0], outputs=[1], options={}),
                Node(kind="ADD", inputs=[0, 1], outputs=[2], options={}),
            ],
            [0],
            [1, 2],
        ),
        "an output that is an input": build(
            [x, y], [Node(kind="RELU", inputs=[0], outputs=[1], options={})], [0], [0, 1]
        ),
        "outputs that repeat a tensor": build(
            [x, y], [Node(kind="RELU", inputs=[0], outputs=[1], options={})], [0], [1, 1, 0, 0, 1]
        ),
        "outputs that are constants": build(
            [x, y, constant(np.arange(6)[None], "int8", 0.5)],
            [Node(kind="RELU", inputs=[0], outputs=[1], options={})],
            [0],
            [2, 1, 2],
        ),
        "an output that is a view of an output": build(
            [x, y, z, constant([1, 2, 3]), Spec(shape=(1, 2, 3), scale=0.05, zero_point=3)],
            [
                Node(kind="RELU", inputs=[0], outputs=[1], options={}),
                Node(kind="RESHAPE", inputs=[1, 3], outputs=[4], options={}),
                Node(kind="ADD", inputs=[0, 1], outputs=[2], options={}),
            ],
            [0],
            [4, 1],
        ),
        "no operators": build([x], [], [0], [0]),
        "no operators, two outputs": build([x, y], [], [0, 1], [1, 0]),
        "a result nobody reads": build(
            [x, y, z],
            [
                Node(kind="RELU", inputs=[0], outputs=[1], options={}),
                Node(kind="RELU6", inputs=[0], outputs=[2], options={}),
            ],
            [0],
            [1],
        ),
        "a join of what was joined": build(
            [x, y, both, more],
            [
                Node(kind="RELU", inputs=[0], outputs=[1], options={}),
                Node(kind="CONCATENATION", inputs=[1, 0], outputs=[2], options={"axis": 1}),
                Node(kind="CONCATENATION", inputs=[2, 1], outputs=[3], options={"axis": 1}),
            ],
            [0],
            [3],
        ),
        "the same operand twice": single("MUL", [x, x], [z]),
    }


@pytest.mark.parametrize("name", whole())
def test_graphs_that_are_awkward_to_plan(name: str, tmp_path: Path) -> None:
    program = read_tflite(whole()[name])
    inputs = random_inputs(program, WINDOWS, np.random.default_rng(0))
    code = generate(program, "graph")
    write_files(tmp_path, code.files)
    library = HostLibrary([tmp_path / one for one in code.sources], [tmp_path], tmp_path, flags=STRICT)
    run = HostGraph(library, code.entry, code.workspace_bytes, code.inputs, code.outputs)
    assert_equal(code, run(inputs), reference.run(program, inputs))


COMPILERS = {
    "gcc": ("gcc", "-std=c99"),
    "g++": ("g++", "-std=c++11", "-x", "c++"),
    "clang": (sys.executable, "-m", "ziglang", "cc", "-std=c99"),
    "Arduino's flags": (
        "arm-none-eabi-gcc", "-std=c99", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=softfp", "-Os",
        "-funsigned-char",
    ),
}  # fmt: skip


@pytest.mark.skipif(not BENCH.exists(), reason="the benchmark models are not there")
@pytest.mark.parametrize("name", COMPILERS)
def test_generated_code_compiles_without_a_warning(name: str, tmp_path: Path) -> None:
    command = COMPILERS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    code = generate(read_tflite((BENCH / "liquid_step_int8.tflite").read_bytes()), "step")
    write_files(tmp_path, code.files)
    for source in code.sources:
        done = subprocess.run(
            [*command, *STRICT, "-O2", "-c", tmp_path / source, "-o", tmp_path / "one.o"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


LIMITS = {"liquid_step_int8": (4800, 4000, 300), "autoencoder_int8": (480_000, 285_000, 3200)}
"""Cycles, flash and RAM in bytes."""


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize("name", LIMITS)
def test_models_made_elsewhere_stay_small_and_fast(name: str, tmp_path: Path) -> None:
    from edgekd.evaluate.code_folder import write_code
    from edgekd.evaluate.code_parity import verify
    from edgekd.pipeline.emulation import emulate

    path = BENCH / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    write_code(path, "model", "nano33ble", tmp_path)
    found = emulate(tmp_path)
    assert all(a <= b for a, b in zip((found.cycles, found.flash_bytes, found.ram_bytes), LIMITS[name], strict=True))
    pairs = verify(tmp_path, None, 500).pairs
    assert all(one.equal == one.windows == 500 for one in pairs.values())
    assert set(pairs) == {"twin_tflm", "twin_host", "twin_board"}


def test_what_the_engine_does_not_compute_with_is_named() -> None:
    x, y = (Spec(shape=(1, 6), dtype="float32") for _ in range(2))
    with pytest.raises(ModelError, match="is float32; the native engine computes with int8 and int16"):
        generate(read_tflite(single("RELU", [x], [y])), "graph")


def test_equal_files_give_equal_code() -> None:
    content = MAKERS["MUL", "int8"](np.random.default_rng(0), "int8")
    assert generate(read_tflite(content), "graph").files == generate(read_tflite(content), "graph").files


def test_dlnet_in_integers(tmp_path: Path) -> None:
    """An encoder, an Euler step and a decoder with LayerNorm in int8, some 80 operators."""
    from edgekd.evaluate.code_folder import write_code
    from edgekd.evaluate.code_parity import verify

    model = tmp_path / "dlnet.tflite"
    model.write_bytes(dlnet())
    program = read_tflite(model.read_bytes())
    assert len(program.ops) > 70
    assert {op.kind for op in program.ops} >= {
        "FULLY_CONNECTED", "MEAN", "SQUARED_DIFFERENCE", "RSQRT", "MUL", "SUB", "ADD", "RESHAPE", "SUM", "TANH",
    }  # fmt: skip
    (y,) = reference.run(program, random_inputs(program, WINDOWS, np.random.default_rng(0)))
    assert len(np.unique(y)) > 50  # the output is alive, not saturated
    write_code(model, "dlnet", "nano33ble", tmp_path / "code")
    found = verify(tmp_path / "code", None, 300)
    assert found.first_difference is None
    assert len(found.pairs) == 3


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_example_and_the_sketch_check_themselves(tmp_path: Path) -> None:
    from edgekd.evaluate.code_folder import write_code

    model = tmp_path / "model.tflite"
    model.write_bytes(MAKERS["MUL", "int8"](np.random.default_rng(0), "int8"))
    write_code(model, "product", "nano33ble", tmp_path / "code")
    program = tmp_path / "example"
    sources = sorted((tmp_path / "code").glob("*.c"))
    subprocess.run(["gcc", "-std=c99", *STRICT, *sources, "-o", program], check=True)
    assert subprocess.run([program], check=False).returncode == 0
    image = compile_sketch(tmp_path / "code" / "product_native", load_board("nano33ble"), tmp_path / "sketch.elf")
    sketch = Sketch(image)
    sketch.setup()
    assert "self-test PASS, " in sketch.send("")
    vectors = tmp_path / "code" / "product_vectors.h"
    text = vectors.read_text()
    start = text.index("{", text.index("test_output_0[")) + 1
    vectors.write_text(text[:start] + text[start:].replace(",", " ^ 1,", 1))
    subprocess.run(["gcc", "-std=c99", *sources, "-o", program], check=True)
    assert subprocess.run([program], check=False).returncode == 1


def dilated(rng: np.random.Generator, *, sequence: bool, depthwise: bool) -> bytes:
    """A dilated convolution of an image [7, 9] or a sequence [9], as converters write it; padded behind, cropped."""
    block, kernel, channels = 2, 3, 4
    spatial = [9] if sequence else [7, 9]
    pads = [[2, 2 + (-(n + 4)) % block] for n in spatial]
    crops = [[0, (-(n + 4)) % block] for n in spatial]
    parts = [(n + sum(pad)) // block for n, pad in zip(spatial, pads, strict=True)]
    made = [n - kernel + 1 for n in parts]
    images, quant = block ** len(spatial), {"scale": 0.05, "zero_point": 3}
    result = [n * block - sum(crop) for n, crop in zip(made, crops, strict=True)]
    height = [1] if sequence else []
    size = (
        (1, *(height or [kernel]), kernel, channels)
        if depthwise
        else (channels, *(height or [kernel]), kernel, channels)
    )
    weights = constant(rng.integers(-127, 128, size), "int8", np.full(channels, 0.01), axis=3 if depthwise else 0)
    tensors = [
        Spec(shape=(1, *spatial, channels), **quant),
        constant([block] * len(spatial)),
        constant(pads),
        Spec(shape=(images, *parts, channels), **quant),
        constant(1),
        Spec(shape=(images, *height, *parts, channels), **quant),
        weights,
        Spec(shape=(images, *height, *made, channels), **quant),
        Spec(shape=(images, *made, channels), **quant),
        constant(crops),
        Spec(shape=(1, *result, channels), **quant),
    ]
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1}
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    if depthwise:
        options["depth_multiplier"] = 1
    nodes = [Node(kind="SPACE_TO_BATCH_ND", inputs=[0, 1, 2], outputs=[3], options={})]
    if sequence:
        nodes.append(Node(kind="EXPAND_DIMS", inputs=[3, 4], outputs=[5], options={}))
    nodes.append(Node(kind=kind, inputs=[5 if sequence else 3, 6], outputs=[7], options=options))
    if sequence:
        nodes.append(Node(kind="RESHAPE", inputs=[7], outputs=[8], options={}))
    nodes.append(Node(kind="BATCH_TO_SPACE_ND", inputs=[8 if sequence else 7, 1, 9], outputs=[10], options={}))
    return build(tensors, nodes, [0], [10])


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_dilated_convolution_in_three_operators_is_one(sequence: bool, depthwise: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    program = read_tflite(dilated(rng, sequence=sequence, depthwise=depthwise))
    inputs = random_inputs(program, WINDOWS, rng)
    code = generate(program, "graph")
    assert len([layer for layer in code.layers if layer.macs]) == 1
    assert len(code.layers) == (2 if sequence else 1)  # a view that is an output is copied
    write_files(tmp_path, code.files)
    library = HostLibrary([tmp_path / name for name in code.sources], [tmp_path], tmp_path, flags=STRICT)
    run = HostGraph(library, code.entry, code.workspace_bytes, code.inputs, code.outputs)
    assert_equal(code, run(inputs), reference.run(program, inputs))
