"""Every operator as generated C against the twin, to the last bit: portable on this computer and on a core without DSP
instructions, and the DSP path on an emulated Cortex-M4.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from operator_cases import MAKERS, random_inputs
from tflite_builder import Node, Spec, build, constant, single

from edgekd.codegen.c_graph import Code, examples, generate
from edgekd.codegen.write import write
from edgekd.contracts.board import load_board, resource
from edgekd.emulate.compiler import compile_image, find_compiler
from edgekd.emulate.graph_harness import BoardGraph, HostGraph
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.program import reference
from edgekd.program.program import Program
from edgekd.program.reader import read_tflite

Batch = list[NDArray[Any]]
MEMORY_BYTES = 1 << 14
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion", "-Werror")
WEIGHTED = [
    ("FULLY_CONNECTED", "int8"),
    ("FULLY_CONNECTED", "int16"),
    ("FULLY_CONNECTED with int4", "int8"),
    ("CONV_2D", "int8"),
    ("CONV_2D", "int16"),
    ("CONV_2D with int4", "int8"),
    ("DEPTHWISE_CONV_2D", "int8"),
    ("DEPTHWISE_CONV_2D", "int16"),
    ("DEPTHWISE_CONV_2D with int4", "int8"),
]
COPIES = [
    (kind, dtype)
    for kind in ("CONCATENATION", "SPLIT", "SLICE", "STRIDED_SLICE", "RESHAPE", "PACK", "UNPACK")
    for dtype in ("int8", "int16")
]
OTHERS = [
    *(
        (kind, dtype)
        for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SUM", "SOFTMAX")
        for dtype in ("int8", "int16")
    ),
    ("SOFTMAX to int16", "int8"),
]
KINDS = [*WEIGHTED, *COPIES, *OTHERS]
NO_OPERATORS = {"edgekd_window.c", "edgekd_grid.c"}
ELEMENTWISE = {"edgekd_sigmoid_table.c", "edgekd_inverse_sqrt.c"}
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
needs_host_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@dataclass(frozen=True)
class Case:
    """One graph with windows and what the twin makes of them."""

    program: Program
    code: Code
    inputs: Batch
    wanted: Batch


def cases(makers: Sequence[tuple[str, str]], count: int, seed: int = 0, windows: int = 4) -> list[Case]:
    """Random graphs of these operators, `count` of each."""
    found: list[Case] = []
    for kind, dtype in makers:
        rng = np.random.default_rng([seed, *kind.encode(), *dtype.encode()])
        for _ in range(count):
            program = read_tflite(MAKERS[kind, dtype](rng, dtype))
            inputs = random_inputs(program, windows, rng)
            code = generate(program, f"case{len(found)}", grids=False)
            found.append(Case(program, code, inputs, reference.run(program, inputs)))
    return found


def write_all(folder: Path, found: Sequence[Case]) -> list[Path]:
    """Write the files of all graphs into one folder. Returns what is to be compiled."""
    files: dict[str, str | bytes] = {}
    for case in found:
        files |= case.code.files
    write(folder, files)
    return [folder / name for name in files if name.endswith(".c")]


def check(case: Case, run: HostGraph | BoardGraph) -> None:
    for ours, wanted in zip(run(case.inputs), case.wanted, strict=True):
        assert np.array_equal(ours, wanted), case.program.ops


def check_on_host(folder: Path, found: Sequence[Case]) -> None:
    library = HostLibrary(write_all(folder, found), [folder], folder / "build")
    for case in found:
        code = case.code
        check(case, HostGraph(library, code.entry, code.workspace_bytes, code.inputs, code.outputs))


def check_on_board(folder: Path, found: Sequence[Case], board: str, **options: Any) -> None:
    """All graphs in one image, with the same memory for all."""
    count = max(len(case.code.variables) for case in found)
    names = [f"memory_{i}" for i in range(count)]
    assert all(case.code.workspace_bytes <= MEMORY_BYTES for case in found)
    lines = "".join(f"extern uint32_t {n}[{MEMORY_BYTES // 4}];\nuint32_t {n}[{MEMORY_BYTES // 4}];\n" for n in names)
    sources = write_all(folder, found)
    (folder / "memory.c").write_text("#include <stdint.h>\n" + lines)
    image = compile_image(
        [*sources, folder / "memory.c"],
        [folder],
        load_board(board),
        folder / "all.elf",
        entries=[*names, *(case.code.entry for case in found)],
        **options,
    )
    machine = Machine(image, counting=False)
    for case in found:
        code = case.code
        inputs = 1 + len(code.inputs)
        variables = [*names[:inputs], *names[inputs : inputs + len(code.outputs)]]
        check(case, BoardGraph(machine, code.entry, variables, code.inputs, code.outputs))


@pytest.mark.parametrize(("kind", "dtype"), KINDS)
def test_operator_on_host_and_board(kind: str, dtype: str, tmp_path: Path) -> None:
    found = cases([(kind, dtype)], 16)
    check_on_host(tmp_path, found)
    check_on_board(tmp_path, found, "nano33ble")


@pytest.mark.parametrize("kinds", [WEIGHTED, COPIES, OTHERS])
def test_operators_on_a_core_without_dsp_instructions(kinds: list[tuple[str, str]], tmp_path: Path) -> None:
    check_on_board(tmp_path, cases(kinds, 3, seed=1), "rp2040_pico")


@needs_gcc
@pytest.mark.parametrize("kinds", [WEIGHTED, COPIES, OTHERS])
def test_operators_with_the_flags_of_arduino(kinds: list[tuple[str, str]], tmp_path: Path) -> None:
    check_on_board(tmp_path, cases(kinds, 3, seed=2), "nano33ble", profile="arduino")


@needs_gcc
@pytest.mark.parametrize("kinds", [WEIGHTED, OTHERS])
def test_operators_compiled_by_clang(kinds: list[tuple[str, str]], tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    compiler = find_compiler(load_board("nano33ble"), "zig")
    check_on_board(tmp_path, cases(kinds, 3, seed=3), "nano33ble", compiler=compiler)


@needs_host_gcc
def test_nothing_undefined_is_done_and_nothing_beyond_the_arguments_is_read(tmp_path: Path) -> None:
    """Examples, which check themselves, with both sanitizers: their arrays have no spare element."""
    check_with_sanitizers(tmp_path, cases(KINDS, 2, seed=4))


def check_with_sanitizers(folder: Path, found: Sequence[Case]) -> None:
    """Run the example of each graph, which checks itself, under both sanitizers, all in one program."""
    sources = write_all(folder, found)
    calls = []
    for case in found:
        name = case.code.name
        write(folder, examples(case.code, [one[0] for one in case.inputs], [one[0] for one in case.wanted]))
        sources.append(folder / f"{name}_main.c")
        sources[-1].write_text(f'int {name}_main(void);\n#define main {name}_main\n#include "{name}_example.c"\n')
        calls.append(f'    if ({name}_main() != 0) {{\n        puts("{name}");\n        return 1;\n    }}\n')
    declared = "".join(f"int {case.code.name}_main(void);\n" for case in found)
    main = folder / "main.c"
    main.write_text(f"#include <stdio.h>\n{declared}int main(void) {{\n{''.join(calls)}    return 0;\n}}\n")
    command = ["gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{folder}"]
    done = subprocess.run([*command, *map(str, [*sources, main]), "-o", str(folder / "all")], check=False)
    assert done.returncode == 0
    ran = subprocess.run([folder / "all"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.stdout, ran.stderr[-2000:])


def split_and_joined(dtype: str, *, inner: bool, size: int) -> Case:
    """Parts of an input, or of a value in the workspace, each through rows of its own, then joined again."""
    rng = np.random.default_rng(size)
    steps = {"dtype": dtype, "scale": 0.05}
    whole = Spec(shape=(1, 3 * size), **steps)
    tensors, nodes = [whole, constant([1])], []
    if inner:
        tensors.append(Spec(shape=(1, 3 * size), **steps))
        nodes.append(Node(kind="ADD", inputs=[0, 0], outputs=[2], options={"activation": "NONE"}))
    source, first = len(tensors) - 1 if inner else 0, len(tensors)
    tensors += [Spec(shape=(1, size), **steps) for _ in range(3)]
    nodes.append(Node(kind="SPLIT", inputs=[1, source], outputs=[first, first + 1, first + 2], options={"count": 3}))
    results = []
    for part in range(first, first + 3):
        weights = constant(rng.integers(-127, 128, (5, size)), "int8", np.float32(0.01))
        tensors += [weights, Spec(shape=(1, 5), **steps)]
        results.append(len(tensors) - 1)
        options = {"activation": "RELU"}
        inputs = [part, results[-1] - 1, -1]
        nodes.append(Node(kind="FULLY_CONNECTED", inputs=inputs, outputs=[results[-1]], options=options))
    tensors.append(Spec(shape=(1, 15), **steps))
    last = len(tensors) - 1
    nodes.append(Node(kind="CONCATENATION", inputs=results, outputs=[last], options={"axis": 1, "activation": "NONE"}))
    program = read_tflite(build(tensors, nodes, [0], [last]))
    inputs = random_inputs(program, 10, rng)
    name = f"parts_{dtype}_{size}_{'inner' if inner else 'outer'}"
    return Case(program, generate(program, name, grids=False), inputs, reference.run(program, inputs))


@needs_host_gcc
def test_parts_at_any_address_are_read_to_their_end_only(tmp_path: Path) -> None:
    found = [
        split_and_joined(dtype, inner=inner, size=size)
        for dtype in ("int8", "int16")
        for inner in (False, True)
        for size in (1, 3, 6)
    ]
    check_on_host(tmp_path, found)
    check_on_board(tmp_path, found, "nano33ble")
    check_with_sanitizers(tmp_path, found)


@needs_host_gcc
@pytest.mark.parametrize(
    "command",
    [
        ["gcc", "-std=c99"],
        ["g++", "-std=c++11", "-xc++"],
        [sys.executable, "-m", "ziglang", "cc", "-std=c99"],
        ["arm-none-eabi-gcc", "-std=c99", "-mcpu=cortex-m4", "-mthumb"],
        ["arm-none-eabi-gcc", "-std=c99", "-mcpu=cortex-m4", "-mthumb", "-Os", "-funsigned-char"],
        ["arm-none-eabi-gcc", "-std=c99", "-mcpu=cortex-m0plus", "-mthumb"],
    ],
    ids=" ".join,
)
def test_no_compiler_has_a_warning(command: list[str], tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    sources = write_all(tmp_path, cases(KINDS, 1, seed=5))
    headers = tmp_path / "headers.cpp"
    whole = [path for path in tmp_path.glob("edgekd_*.h") if not path.name.endswith("_body.h")]
    headers.write_text("".join(f'#include "{path.name}"\n' for path in whole))
    files = [headers] if "-xc++" in command else sources
    for start in range(0, len(files), 20):
        some = files[start : start + 20]
        call = [*command, "-O1", *WARNINGS, f"-I{tmp_path}", "-fsyntax-only" if "-xc++" in command else "-c"]
        done = subprocess.run([*call, *map(str, some)], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:3000]


def extremes() -> list[Case]:
    """Weights and biases at the limits of their types: sums wrap as TFLite-Micro's do, factors vanish or are large."""
    rng = np.random.default_rng(0)
    found: list[Case] = []
    for dtype, bias_type, most in (("int8", "int32", 2**31 - 1), ("int16", "int64", 2**50)):
        for scale in (2.0**5, 2.0**-3, 2.0**-20, 2.0**-29, 2.0**-60):
            x = Spec(shape=(1, 6), dtype=dtype, scale=1.0)
            w = constant(rng.choice([-128, 127], (5, 6)), "int8", np.float32(scale))
            b = constant(rng.choice([-most, most, 0], 5), bias_type, np.float32(scale))
            y = Spec(shape=(1, 5), dtype=dtype, scale=1.0)
            program = read_tflite(single("FULLY_CONNECTED", [x, w, b], [y], activation="NONE"))
            inputs = random_inputs(program, 20, rng)
            code = generate(program, f"case{len(found)}", grids=False)
            found.append(Case(program, code, inputs, reference.run(program, inputs)))
    return found


def test_extreme_sums_and_factors(tmp_path: Path) -> None:
    check_on_host(tmp_path, extremes())
    check_on_board(tmp_path, extremes(), "nano33ble")


def test_every_kernel_is_reached() -> None:
    """The graphs above leave no kernel out, fast or wide."""
    found = [*cases(KINDS, 16, windows=1), *extremes()]
    reached = {name for case in found for name in case.code.files}
    kernels = {path.name for path in (resource("firmware") / "kernels").iterdir()}
    assert kernels - reached == NO_OPERATORS | ELEMENTWISE
