"""Every operator as generated C against the twin, to the last bit: portable on this computer and on a core without DSP
instructions, and the DSP path on an emulated Cortex-M4.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import (
    Case,
    cases,
    check_on_board,
    check_on_host,
    check_with_sanitizers,
    needs_gcc,
    needs_host_gcc,
    split_and_joined,
    write_all,
)
from operator_cases import FUNCTIONS, MOVES, random_inputs
from tflite_builder import Spec, constant, single

from edgekd.codegen.c_graph import generate
from edgekd.contracts.board import load_board, resource
from edgekd.emulate.compiler import find_compiler
from edgekd.program import reference
from edgekd.program.reader import read_tflite

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
NO_OPERATORS = {"edgekd_probabilities.c", "edgekd_quantize.c", "edgekd_window.c"}
ELEMENTWISE = {"edgekd_inverse_sqrt.c"}


@pytest.mark.parametrize(("kind", "dtype"), KINDS)
def test_operator_on_host_and_board(kind: str, dtype: str, tmp_path: Path) -> None:
    found = cases([(kind, dtype)], 16)
    check_on_host(tmp_path, found)
    check_on_board(tmp_path, found, "nano33ble")


@pytest.mark.parametrize("kinds", [list(MOVES), list(FUNCTIONS)], ids=["moves", "functions"])
def test_small_operators_on_host_and_board(kinds: list[tuple[str, str]], tmp_path: Path) -> None:
    found = cases(kinds, 5)
    check_on_host(tmp_path, found)
    check_on_board(tmp_path, found, "nano33ble")


@pytest.mark.parametrize("kinds", [WEIGHTED, COPIES, [*OTHERS, *MOVES, *FUNCTIONS]])
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
    check_with_sanitizers(tmp_path, cases([*KINDS, *MOVES, *FUNCTIONS], 2, seed=4))


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
    sources = write_all(tmp_path, cases([*KINDS, *MOVES, *FUNCTIONS], 1, seed=5))
    headers = tmp_path / "headers.cpp"
    whole = [path for path in tmp_path.glob("edgekd_*.h") if not path.name.endswith("_body.h")]
    headers.write_text("".join(f'#include "{path.name}"\n' for path in whole))
    files = [headers, *sources] if "-xc++" in command else sources
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
    found = [*cases(KINDS, 16, windows=1), *cases([*MOVES, *FUNCTIONS], 1, windows=1), *extremes()]
    reached = {name for case in found for name in case.code.files}
    kernels = {path.name for path in (resource("firmware") / "kernels").iterdir()}
    assert kernels - reached == NO_OPERATORS | ELEMENTWISE
