"""Sketches on the emulated board: text in and out of Serial, and the end of one that has failed."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from edgekd.contracts.board import load_board, resource
from edgekd.contracts.errors import ConfigError, EdgekdError
from edgekd.emulate.compiler import compile_image, find_compiler
from edgekd.emulate.machine import Machine
from edgekd.emulate.sketch import Sketch, compile_sketch

pytest.importorskip("unicorn", reason="unicorn is not installed")
gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
KINDS = [pytest.param("gcc", marks=gcc), pytest.param("zig", marks=zig)]

INO = """
#include "sum.h"

static bool broken = false;

void setup() {
    Serial.begin(115200);
    while (!Serial && millis() < 4000) {
    }
    Serial.println("ready");
}

void loop() {
    if (Serial.available() == 0) {
        return;
    }
    const char c = static_cast<char>(Serial.read());
    if (c == '!') {
        broken = true;
    }
    while (broken) {
        Serial.println("error: told to fail");
        delay(3000);
    }
    if (c == '*') {
        for (;;) {
            Serial.print("on and on ");
        }
    }
    char text[2] = {sum(c), 0};
    Serial.print(text);
}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "echo.ino").write_text(INO)
    (tmp_path / "echo" / "sum.h").write_text('extern "C" char sum(char c);\n')
    (tmp_path / "echo" / "sum.c").write_text("char sum(char c);\nchar sum(char c) { return (char)(c + 1); }\n")
    return tmp_path / "echo"


@pytest.fixture(params=KINDS)
def sketch(request, folder, tmp_path) -> Sketch:
    board = load_board("nano33ble")
    return Sketch(compile_sketch(folder, board, tmp_path / "echo.elf", compiler=find_compiler(board, request.param)))


def test_setup_and_loop_print(sketch):
    assert sketch.setup() == "ready\n"
    assert sketch.send("HAL") == "IBM"
    assert sketch.send("") == ""
    assert sketch.send("abc" * 1000) == "bcd" * 1000


def test_a_sketch_that_fails_says_so_again_and_again(sketch):
    sketch.setup()
    assert sketch.send("HA!L") == "IB" + 4 * "error: told to fail\n"
    assert sketch.halted
    with pytest.raises(EdgekdError, match="has halted"):
        sketch.send("x")


def test_a_sketch_that_never_stops_talking_is_stopped(sketch):
    sketch.setup()
    assert len(sketch.send("*")) == 65_536 and sketch.halted


def test_too_much_text_is_refused(sketch):
    with pytest.raises(EdgekdError, match="65,537 characters at once"):
        sketch.send("x" * 65_537)


@gcc
def test_arduino_profile_and_costs(folder, tmp_path):
    image = compile_sketch(folder, load_board("nano33ble"), tmp_path / "echo.elf", profile="arduino")
    sketch = Sketch(image, counting=True)
    assert sketch.setup() == "ready\n"
    assert 100 < sketch.machine.last.cycles < 1000
    assert image.flash_bytes < 2000


def test_folder_without_a_sketch(tmp_path):
    with pytest.raises(ConfigError, match="holds no sketch"):
        compile_sketch(tmp_path, load_board("nano33ble"), tmp_path / "x.elf")


@gcc
def test_errors_of_the_sketch_name_its_file(folder, tmp_path):
    (folder / "echo.ino").write_text("void setup() { missing(); }\nvoid loop() {}\n")
    with pytest.raises(EdgekdError, match=r"compiling echo.ino for nano33ble failed:\n.*echo.ino:1:.*missing"):
        compile_sketch(folder, load_board("nano33ble"), tmp_path / "echo.elf")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("board", ["nano33ble", "rp2040_pico", "teensy40"])
def test_cxx_objects_are_constructed_before_main(tmp_path, kind, board):
    (tmp_path / "a.cpp").write_text(
        """
        #include <stdint.h>
        struct Counter { int32_t n; Counter() : n(41) {} virtual int32_t add(int32_t by) { return n += by; } };
        static Counter counter;
        static int32_t &late() { static Counter another; return another.n; }
        extern "C" int32_t run(int32_t by) {
            Counter *c = &counter;
            __asm__ volatile("" : "+r"(c));
            return c->add(by) + late();
        }
        """
    )
    board = load_board(board)
    image = compile_image(
        [tmp_path / "a.cpp"],
        [],
        board,
        tmp_path / "a.elf",
        entries=["run"],
        flags=("-Wall", "-Wextra", "-Werror"),
        compiler=find_compiler(board, kind),
    )
    machine = Machine(image)
    assert [machine.call("run", 1), machine.call("run", 1)] == [83, 84]


@gcc
def test_layer_is_clean_cxx(tmp_path):
    flags = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
    layer = resource("firmware") / "harness" / "arduino"
    (tmp_path / "empty.ino").write_text("void setup() {}\nvoid loop() {}\n")
    compile_image(
        [tmp_path / "empty.ino", layer / "arduino.cpp"],
        [layer],
        load_board("nano33ble"),
        tmp_path / "e.elf",
        flags=flags,
    )
