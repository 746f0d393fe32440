"""Cross-compiling: two compilers, what an image holds, and the messages when it cannot be made."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgekd.contracts.board import load_board
from edgekd.contracts.errors import ConfigError, DoesNotFit, EdgekdError, ToolMissing
from edgekd.emulate import compiler as module
from edgekd.emulate.compiler import Image, compile_image, empty_flash_bytes, empty_image, find_compiler

needs = {
    "gcc": pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"),
    "zig": pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed"),
}
COMPILERS = [pytest.param("gcc", marks=needs["gcc"]), pytest.param("zig", marks=needs["zig"])]
BOARD = load_board("nano33ble")

SOURCE = """
#include <stdint.h>
#include <string.h>
const int8_t table[1000] = {1, 2, 3};
int32_t counters[25];
int32_t start = 7;
void never_called(void) { counters[0] = table[5]; }
int32_t run(const int8_t *x) {
    int8_t copy[64];
    memcpy(copy, x, sizeof copy);
    counters[1] += table[copy[3] & 511];
    return counters[1] + start++;
}
"""


def build(folder: Path, source: str = SOURCE, *, kind: str = "gcc", entries=("run",), board=BOARD, **options) -> Image:
    path = folder / "model.c"
    path.write_text(source)
    return compile_image(
        [path], [], board, folder / "model.elf", entries=entries, compiler=find_compiler(board, kind), **options
    )


@pytest.mark.parametrize("kind", COMPILERS)
@pytest.mark.parametrize("board", ["nano33ble", "nucleo_f446re", "rp2040_pico", "teensy40"])
def test_image_lies_in_the_memory_of_its_board(tmp_path, kind, board):
    board = load_board(board)
    image = build(tmp_path, kind=kind, board=board)
    assert all(board.flash_origin <= address for address, _ in image.segments)
    assert image.symbol("run").address - board.flash_origin < image.flash_bytes
    assert image.symbol("table").address - board.flash_origin < image.flash_bytes, "constants stay in flash"
    assert 0 <= image.symbol("counters").address - board.ram_origin < image.static_ram_bytes
    assert (image.static_ram_bytes, image.symbol("counters").size) == (104, 100)
    assert 1004 < image.flash_bytes < 3000
    assert image.board is board


@pytest.mark.parametrize("kind", COMPILERS)
def test_flash_is_code_constants_and_initial_values(tmp_path, kind):
    """One more constant byte costs one more byte (and alignment), one more initialised word four."""
    one = build(tmp_path, kind=kind)
    larger = build(tmp_path, SOURCE.replace("table[1000]", "table[1400]"), kind=kind)
    assert larger.flash_bytes - one.flash_bytes == 400
    initialised = build(tmp_path, SOURCE + "int32_t more[3] = {1, 2, 3};", kind=kind, entries=("run", "more"))
    assert initialised.flash_bytes - one.flash_bytes == 12
    assert initialised.static_ram_bytes - one.static_ram_bytes == 12
    zeros = build(tmp_path, SOURCE + "int32_t more[3];", kind=kind, entries=("run", "more"))
    assert (zeros.flash_bytes, zeros.static_ram_bytes) == (one.flash_bytes, one.static_ram_bytes + 12)


@pytest.mark.parametrize("kind", COMPILERS)
def test_what_is_not_used_is_not_linked(tmp_path, kind):
    image = build(tmp_path, kind=kind)
    assert "never_called" not in image.symbols
    with pytest.raises(EdgekdError, match="no symbol 'never_called'") as caught:
        image.symbol("never_called")
    assert "entries" in caught.value.hint


@pytest.mark.parametrize("kind", COMPILERS)
def test_empty_image_is_small_and_linked_once(tmp_path, kind):
    toolchain = find_compiler(BOARD, kind)
    image = empty_image(BOARD, tmp_path / "empty.elf", compiler=toolchain)
    assert image.static_ram_bytes == 0
    assert image.flash_bytes < 400
    assert empty_flash_bytes(BOARD, "speed", toolchain) == image.flash_bytes


@needs["gcc"]
def test_same_source_gives_the_same_image(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert build(tmp_path / "a").segments == build(tmp_path / "b").segments


@needs["gcc"]
def test_profiles_and_flags(tmp_path):
    arduino = build(tmp_path, profile="arduino")
    assert "-mfloat-abi=softfp" in arduino.flags and not arduino.hard_float
    assert "-Os" in arduino.flags and "-funsigned-char" in arduino.flags
    speed = build(tmp_path, flags=("-O3",))
    assert speed.hard_float and speed.flags.index("-O3") > speed.flags.index("-O2"), "the last one wins"
    assert "-ffp-contract=off" in speed.flags
    pico = build(tmp_path, board=load_board("rp2040_pico"))
    assert "-mfloat-abi=soft" in pico.flags and not pico.hard_float


@needs["gcc"]
def test_no_fused_multiply_add(tmp_path):
    """a * b + c rounds twice, as in the reference."""
    from edgekd.emulate.timing import decode

    image = build(tmp_path, "float run(float a, float b, float c) { return a * b + c; }")
    symbol = image.symbol("run")
    base, data = image.segments[0]
    code = data[symbol.address - base :][: symbol.size]
    assert [one.mnemonic for one in decode(code, symbol.address)][:2] == ["vmul", "vadd"]


@needs["gcc"]
def test_addresses_are_named(tmp_path):
    image = build(tmp_path)
    run = image.symbol("run")
    assert image.where(run.address + 4) == "run+0x4"
    assert image.where(run.address + run.size + 0x100000) == f"0x{run.address + run.size + 0x100000:08x}"
    assert image.function_at(run.address - 1 + run.size).name == "run"


@pytest.mark.parametrize("kind", COMPILERS)
def test_messages_of_the_compiler_are_passed_on(tmp_path, kind):
    with pytest.raises(EdgekdError, match=r"compiling model.c for nano33ble failed:\n.*model.c:1:.*error") as caught:
        build(tmp_path, "int run(void) { return missing; }", kind=kind)
    assert "missing" in str(caught.value)


@pytest.mark.parametrize("kind", COMPILERS)
def test_missing_functions_are_named(tmp_path, kind):
    with pytest.raises(EdgekdError, match="undefined.*other_part"):
        build(tmp_path, "int other_part(int); int run(int x) { return other_part(x); }", kind=kind)


@pytest.mark.parametrize("kind", COMPILERS)
def test_image_larger_than_flash_does_not_fit(tmp_path, kind):
    small = replace(BOARD, sketch_flash_bytes=1200)
    with pytest.raises(DoesNotFit, match=r"model.elf needs 1,\d\d\d bytes of flash, nano33ble has 1,200") as caught:
        build(tmp_path, kind=kind, board=small)
    assert caught.value.hint and caught.value.exit_code == 4


@pytest.mark.parametrize("kind", COMPILERS)
def test_variables_larger_than_ram_do_not_fit(tmp_path, kind):
    source = "int buffer[70000]; int run(void) { return buffer[buffer[5]]++; }"
    with pytest.raises(DoesNotFit, match="needs 280,000 bytes of RAM .* nano33ble has 262,144") as caught:
        build(tmp_path, source, kind=kind)
    assert "const" in caught.value.hint


def test_missing_compilers_are_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "_installed", lambda kind: None)
    for prefer, name in (("gcc", "arm-none-eabi-gcc is"), ("zig", "ziglang"), (None, "a compiler for Cortex-M")):
        with pytest.raises(ToolMissing, match=f"{name}.*not installed") as caught:
            find_compiler(BOARD, prefer)
        assert "pip install ziglang" in caught.value.hint and caught.value.exit_code == 3


def test_gcc_comes_first_and_zig_takes_its_place(monkeypatch):
    real = module._installed
    monkeypatch.setattr(module, "_installed", lambda kind: None if kind == "gcc" else real(kind))
    if real("zig") is None:
        pytest.skip("ziglang is not installed")
    assert find_compiler(BOARD).kind == "zig"
    assert find_compiler(BOARD).version.startswith("ziglang ")


def test_host_is_not_cross_compiled():
    with pytest.raises(ConfigError, match="board 'host' is not emulated"):
        find_compiler(load_board("host"))


@needs["zig"]
def test_arduino_profile_is_that_of_gcc(tmp_path):
    with pytest.raises(ConfigError, match="the arduino profile needs GCC"):
        build(tmp_path, kind="zig", profile="arduino")
