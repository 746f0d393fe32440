"""Rows without their blocks of zeros: equal to the twin to the last bit, and used where they pay."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from block_sparse_layer import TYPES, layer
from kernel_cases import (
    Case,
    check_on_board,
    check_on_host,
    check_with_sanitizers,
    needs_gcc,
    needs_host_gcc,
    split_and_joined,
)
from operator_cases import random_inputs
from tflite_builder import Spec, constant, single

from edgekd.codegen.c_graph import generate, generate_together
from edgekd.contracts.board import load_board, resource
from edgekd.emulate.compiler import compile_image, empty_flash_bytes, find_compiler
from edgekd.program import reference
from edgekd.program.lowering import block_sparse
from edgekd.program.lowering.ir import Graph, KernelCall
from edgekd.program.reader import read_tflite

SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
KERNELS = {"int8": "edgekd_block_sparse_s8", "int16": "edgekd_block_sparse_s16"}


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every layer that can be is block-sparse, whether it pays or not."""

    def fewest_dense(graphs: Sequence[Graph]) -> int:
        steps = [step for graph in graphs for step in graph.steps]
        return -sum(isinstance(step, KernelCall) and step.kernel in KERNELS.values() for step in steps)

    monkeypatch.setattr(block_sparse, "pays", lambda *_: True)
    monkeypatch.setattr(block_sparse, "flash_bytes", fewest_dense)
    yield


def case(content: bytes, name: str, rng: np.random.Generator, windows: int = 6) -> Case:
    program = read_tflite(content)
    inputs = random_inputs(program, windows, rng)
    found = Case(program, generate(program, name, grids=False), inputs, reference.run(program, inputs))
    kernel = KERNELS[program.tensors[program.inputs[0]].dtype]
    assert any(one.function == kernel for one in found.code.layers)
    return found


def random_cases(count: int, seed: int = 0) -> list[Case]:
    """Random shapes: short last blocks, one block, rows without any; each share of zeros; limits of the types."""
    found = []
    for types in TYPES:
        rng = np.random.default_rng([seed, *map(len, types)])
        for i in range(count):
            inputs, outputs = int(rng.integers(3, 70)), int(rng.integers(1, 14))
            content = layer(rng, types, outputs, inputs, SHARES[i % len(SHARES)], most=i % 4 == 3)
            found.append(case(content, f"case{len(found)}", rng))
    return found


def largest_cases() -> list[Case]:
    """The most inputs that a byte can point to: 255 blocks, and the last word of x at 255."""
    rng = np.random.default_rng(0)
    sizes = [(TYPES[0], 1020), (TYPES[0], 1017), (TYPES[1], 513), (TYPES[1], 514)]
    return [case(layer(rng, types, 3, n, 0.9), f"large{n}", rng) for types, n in sizes]


@pytest.mark.usefixtures("always")
def test_rows_on_host_and_board(tmp_path: Path) -> None:
    found = [*random_cases(24), *largest_cases()]
    check_on_host(tmp_path, found)
    check_on_board(tmp_path, found, "nano33ble")


@pytest.mark.usefixtures("always")
def test_rows_on_a_core_without_dsp_instructions(tmp_path: Path) -> None:
    check_on_board(tmp_path, random_cases(8, seed=1), "rp2040_pico")


@needs_gcc
@pytest.mark.usefixtures("always")
def test_rows_with_the_flags_of_arduino(tmp_path: Path) -> None:
    check_on_board(tmp_path, random_cases(8, seed=2), "nano33ble", profile="arduino")


@needs_gcc
@pytest.mark.usefixtures("always")
def test_rows_compiled_by_clang(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    compiler = find_compiler(load_board("nano33ble"), "zig")
    check_on_board(tmp_path, random_cases(8, seed=3), "nano33ble", compiler=compiler)


@needs_host_gcc
@pytest.mark.usefixtures("always")
def test_nothing_undefined_is_done_and_nothing_beyond_the_arguments_is_read(tmp_path: Path) -> None:
    check_with_sanitizers(tmp_path, [*random_cases(12, seed=4), *largest_cases()])


@needs_host_gcc
@pytest.mark.usefixtures("always")
def test_parts_at_any_address_are_read_to_their_end_only(tmp_path: Path) -> None:
    found = [
        split_and_joined(dtype, inner=inner, size=size)
        for dtype in KERNELS
        for inner in (False, True)
        for size in (3, 5, 6)
    ]
    assert all(KERNELS[str(one.inputs[0].dtype)] in {layer.function for layer in one.code.layers} for one in found)
    check_on_host(tmp_path, found)
    check_on_board(tmp_path, found, "nano33ble")
    check_with_sanitizers(tmp_path, found)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(("types", "inputs"), [(TYPES[0], 1024), (TYPES[1], 2), (TYPES[1], 515)])
def test_what_the_streams_cannot_hold_stays_dense(types: tuple[str, str], inputs: int) -> None:
    code = generate(read_tflite(layer(np.random.default_rng(0), types, 4, inputs, 0.5)), "wide")
    assert not set(KERNELS.values()) & {one.function for one in code.layers}


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("scale", [2.0**5, 2.0**-3])
def test_what_needs_a_wide_kernel_stays_dense(scale: float) -> None:
    x, y = (Spec(shape=(1, n), dtype="int8", scale=1.0) for n in (8, 4))
    content = single("FULLY_CONNECTED", [x, constant(np.full((4, 8), -128), "int8", np.float32(scale))], [y])
    code = generate(read_tflite(content), "wide")
    assert {one.function for one in code.layers if one.macs} == {"edgekd_fully_connected_s8_s32acc"}


def functions(types: tuple[str, str], outputs: int, inputs: int, share: float) -> set[str]:
    code = generate(read_tflite(layer(np.random.default_rng(0), types, outputs, inputs, share)), "graph")
    return {one.function for one in code.layers if one.macs or one.bytes}


def test_zeros_are_left_out_where_that_pays() -> None:
    int8, int16, int4 = TYPES
    assert functions(int8, 32, 64, 0.25) == {"edgekd_fully_connected_s8"}  # a third slower, 4 % smaller
    assert functions(int8, 32, 64, 0.5) == {"edgekd_block_sparse_s8"}  # 8 % slower, 31 % smaller
    assert functions(int16, 32, 64, 0.5) == {"edgekd_block_sparse_s16"}
    assert functions(int4, 32, 64, 0.5) == {"edgekd_fully_connected_s4"}  # would be faster, but bigger
    assert functions(int4, 32, 64, 0.75) == {"edgekd_block_sparse_s8"}
    assert functions(int8, 16, 36, 0.5) == {"edgekd_block_sparse_s8"}


def test_a_kernel_of_its_own_has_to_pay_too() -> None:
    """A layer that gains less than the second kernel takes stays dense beside a dense one."""
    rng = np.random.default_rng(0)
    sparse, dense = (read_tflite(layer(rng, TYPES[0], 16, 36, share)) for share in (0.5, 0.0))
    alone = generate_together({"sparse": sparse}, padded=False, grids=False)
    both = generate_together({"sparse": sparse, "dense": dense}, padded=False, grids=False)
    assert "edgekd_block_sparse_s8.c" in alone["sparse"].files
    assert "edgekd_block_sparse_s8.c" not in both["sparse"].files


def built(content: bytes, folder: Path) -> Any:
    """Code, and what it needs on the emulated board, proved equal to TFLite-Micro first."""
    from edgekd.evaluate.code_folder import write_code
    from edgekd.evaluate.code_parity import verify
    from edgekd.pipeline.emulation import emulate

    (folder / "model.tflite").write_bytes(content)
    code = write_code(folder / "model.tflite", "model", "nano33ble", folder / "code")
    found = verify(folder / "code", None, 200)
    assert found.first_difference is None and len(found.pairs) == 3
    return code, emulate(folder / "code")


@needs_gcc
@pytest.mark.parametrize("types", TYPES)
def test_an_image_with_zeros_left_out_is_smaller_and_as_estimated(
    types: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = layer(np.random.default_rng(1), types, 32, 64, 0.75)
    folders = [tmp_path / name for name in ("sparse", "dense")]
    for folder in folders:
        folder.mkdir()
    code, sparse = built(content, folders[0])
    kernel = KERNELS[types[0]]
    assert f"{kernel}.c" in code.files
    monkeypatch.setattr(block_sparse, "pays", lambda *_: False)
    _, dense = built(content, folders[1])
    assert sparse.flash_bytes < dense.flash_bytes
    assert sparse.cycles < 0.75 * dense.cycles
    per_row, per_block = block_sparse.SPARSE_CYCLES[kernel]
    assert sparse.cycles == pytest.approx(32 * (per_row + 4 * per_block), rel=0.1)
    dense_kernel = (
        "edgekd_fully_connected_s4" if types[1] == "int4" else kernel.replace("block_sparse", "fully_connected")
    )
    per_group, per_group_block = block_sparse.DENSE_CYCLES[dense_kernel]
    assert dense.cycles == pytest.approx(8 * (per_group + 16 * per_group_block), rel=0.1)


@needs_gcc
@pytest.mark.parametrize("kernel", block_sparse.KERNEL_BYTES)
def test_flash_of_the_kernels_is_as_stated(kernel: str, tmp_path: Path) -> None:
    firmware, board = resource("firmware"), load_board("nano33ble")
    source = firmware / "kernels" / f"{kernel}.c"
    image = compile_image([source], [firmware / "include"], board, tmp_path / "one.elf", entries=[kernel])
    empty = empty_flash_bytes(board, image.profile, image.toolchain)
    assert image.flash_bytes - empty == block_sparse.KERNEL_BYTES[kernel]
