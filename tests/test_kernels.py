"""Every operator as generated C against the twin, to the last bit: portable on this computer and on a core without DSP
instructions, and the DSP path on an emulated Cortex-M4.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from operator_cases import MAKERS, random_inputs

from edgekd.board import load_board
from edgekd.codegen.native import Code, generate
from edgekd.codegen.write import write
from edgekd.emulate.compiler import compile_image
from edgekd.emulate.graph import BoardGraph, HostGraph
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.program import twin
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
KINDS = [*WEIGHTED]


@dataclass(frozen=True)
class Case:
    """One graph with windows and what the twin makes of them."""

    program: Program
    code: Code
    inputs: Batch
    wanted: Batch


def cases(makers: Sequence[tuple[str, str]], count: int, seed: int = 0, windows: int = 4) -> list[Case]:
    """Random graphs of these operators, `count` of each."""
    found = []
    for kind, dtype in makers:
        rng = np.random.default_rng([seed, *kind.encode(), *dtype.encode()])
        for _ in range(count):
            program = read_tflite(MAKERS[kind, dtype](rng, dtype))
            inputs = random_inputs(program, windows, rng)
            code = generate(program, f"case{len(found)}", grids=False)
            found.append(Case(program, code, inputs, twin.run(program, inputs)))
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
    if shutil.which("arm-none-eabi-gcc"):
        check_on_board(tmp_path, found, "nano33ble")
