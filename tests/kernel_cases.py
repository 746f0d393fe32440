"""Graphs with what the reference computes of them, and checks of their generated C: used by tests of the kernels."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from operator_cases import MAKERS, random_inputs
from tflite_builder import Node, Spec, build, constant

from edgekd.codegen.c_graph import Code, examples, generate
from edgekd.contracts.board import load_board
from edgekd.emulate.compiler import compile_image
from edgekd.emulate.graph_harness import BoardGraph, HostGraph
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.program import reference
from edgekd.program.program import Program
from edgekd.program.reader import read_tflite
from edgekd.run import write_files

Batch = list[NDArray[Any]]


MEMORY_BYTES = 1 << 14


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
    write_files(folder, files)
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


def check_with_sanitizers(folder: Path, found: Sequence[Case]) -> None:
    """Run the example of each graph, which checks itself, under both sanitizers, all in one program."""
    sources = write_all(folder, found)
    calls = []
    for case in found:
        name = case.code.name
        write_files(folder, examples(case.code, [one[0] for one in case.inputs], [one[0] for one in case.wanted]))
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
