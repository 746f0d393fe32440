"""The native sketch on the emulated board, around a model that anyone can compute."""

import dataclasses
import importlib.util
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from native_stand_in import OUTPUTS, WINDOW, deployed, vectors, windows, write_native_sketch, write_stream_sketch

from edgekd.codegen.sketches import native_sketch
from edgekd.contracts.board import load_board
from edgekd.contracts.errors import EdgekdError
from edgekd.emulate.compiler import find_compiler
from edgekd.emulate.sketch import Sketch, compile_sketch

pytest.importorskip("unicorn", reason="unicorn is not installed")
gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
KINDS = [pytest.param("gcc", marks=gcc), pytest.param("zig", marks=zig)]


def make(out: Path, bits: int = 8, kind: str = "gcc", board: str = "nano33ble", **options: bool) -> Sketch:
    target = load_board(board)
    image = compile_sketch(write_native_sketch(out, bits), target, out / "s.elf", compiler=find_compiler(target, kind))
    return Sketch(image, **options)


def unchecked(line: str) -> str:
    text, _, checksum = line.rpartition(" *")
    assert checksum == f"{zlib.crc32(text.encode()):08X}"
    return text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [8, 16])
def test_forecasts_and_integers_are_those_of_the_model(tmp_path: Path, kind: str, bits: int) -> None:
    sketch = make(tmp_path, bits, kind)
    about, passed = sketch.setup().splitlines()
    assert unchecked(about) == (
        f"edgekd protocol=2 name=battery candidate=stand_in version=0.1.0 sha256={deployed().sha256} board=nano33ble "
        f"inputs=2 outputs={OUTPUTS} window={WINDOW} selftest=PASS"
    )
    assert unchecked(passed) == "self-test PASS: 2 windows, 10 outputs each, equal to edgekd's"
    assert sketch.instruction_cache
    raw = windows(1, seed=2)
    expected = vectors(raw, bits)
    said = sketch.send("".join(f"{a:.9g},{b:.9g}\n" for a, b in raw[0])).splitlines()
    assert said[:-1] == [f"# {n} of {WINDOW} samples" for n in range(1, WINDOW)]
    np.testing.assert_array_equal(np.array(said[-1].split(","), dtype=np.float32), expected.forecast[0])
    answer = unchecked(sketch.send("integers 8\n").strip())
    assert answer.endswith("values=" + ",".join(map(str, expected.output[0, 8:])))


@gcc
def test_cycles_are_those_of_the_prediction(tmp_path: Path) -> None:
    sketch = make(tmp_path, counting=True)
    sketch.setup()
    sketch.send("sample " + ";".join("1,30" for _ in range(WINDOW)) + "\n")
    said = int(re.findall(r" cycles=(\d+) ", sketch.send("predict\n"))[0])
    within = next(one for one in sketch.machine.profile_last("edgekd_session_predict").calls if "predict" in one.name)
    assert abs(said - within.cycles) < 60


@gcc
def test_the_core_sleeps_between_samples(tmp_path: Path) -> None:
    sketch = make(tmp_path, counting=True)
    sketch.setup()
    assert sketch.ms < 50  # nobody is waited for
    sketch.send("1,30\n" * WINDOW)
    begun, awake = sketch.ms, sketch.awake_ms
    sketch.send("1,30\n")
    while sketch.ms < begun + 1000:  # one sample a second
        sketch.exchange(b"")
    assert 0 < sketch.awake_ms - awake < 0.01 * (sketch.ms - begun)


@gcc
def test_time_passes_with_cycles(tmp_path: Path) -> None:
    sketch = make(tmp_path, counting=True)
    sketch.setup()
    begun = sketch.ms
    sketch.send("state\n" * 100)
    assert begun + 100 < sketch.ms < begun + 125  # a look at Serial with each line is a millisecond on mbed cores
    sketch.pass_time(5000)
    assert int(re.findall(r" ms=(\d+) ", sketch.send("state\n"))[0]) >= 5000


@gcc
@pytest.mark.parametrize("board", ["rp2040_pico", "teensy40", "nucleo_f446re"])
def test_boards_say_who_they_are(tmp_path: Path, board: str) -> None:
    assert f" board={board} " in make(tmp_path, board=board).setup()


@gcc
def test_a_wrong_self_test_is_said_once_and_no_forecast_is_made(tmp_path: Path) -> None:
    right = vectors(windows(2, seed=1), 8)
    wrong = right.output.copy()
    wrong[1, 4] += 1
    folder = write_native_sketch(tmp_path, 8, dataclasses.replace(right, output=wrong))
    sketch = Sketch(compile_sketch(folder, load_board("nano33ble"), tmp_path / "s.elf"))
    about, failed = sketch.setup().splitlines()
    assert unchecked(about).endswith("selftest=FAIL")
    assert unchecked(failed) == (
        f"error: self-test FAIL: window 1, output 4: integer {wrong[1, 4] - 1}, expected {wrong[1, 4]}"
    )
    said = sketch.send("sample " + ";".join("1,30" for _ in range(WINDOW)) + "\npredict\n").splitlines()
    assert unchecked(said[1]).startswith("error: the self-test has failed")


SENSOR = """
#include "sensor.h"
#include <Arduino.h>
static unsigned long next_ms = 1000;
static int count = 0;
bool read_sample(float sample[2]) {
    if (millis() < next_ms) {
        return false;
    }
    next_ms += 1000;
    sample[0] = 1.0f - 0.001f * (float)count;
    sample[1] = 25.0f + 0.5f * (float)count;
    count++;
    return true;
}
"""


@gcc
def test_the_streaming_sketch_takes_its_samples_from_a_sensor(tmp_path: Path) -> None:
    folder = write_stream_sketch(tmp_path, 16)
    image = compile_sketch(folder, load_board("nano33ble"), tmp_path / "idle.elf")
    idle = Sketch(image, counting=True)
    idle.setup()
    assert idle.send("") == ""
    (folder / "sensor.cpp").write_text(SENSOR)
    sketch = Sketch(compile_sketch(folder, load_board("nano33ble"), tmp_path / "s.elf"), counting=True)
    sketch.setup()
    said = []
    for _ in range(2 * (WINDOW + 2)):
        sketch.pass_time(500)
        said += sketch.send("").splitlines()
    t = np.arange(WINDOW + 2, dtype=np.float32)
    samples = np.stack([np.float32(1) - np.float32(0.001) * t, np.float32(25) + np.float32(0.5) * t], axis=1)
    raw = np.stack([samples[end - WINDOW : end] for end in range(WINDOW, WINDOW + 3)])
    found = np.array([line.split(",") for line in said], dtype=np.float32)
    np.testing.assert_array_equal(found, vectors(raw, 16).forecast)


@gcc
def test_flash_of_the_protocol(tmp_path: Path) -> None:
    """Text, protocol and console: what a sketch pays beside its model."""
    sketch = make(tmp_path)
    image = sketch.machine.image
    assert image.flash_bytes < 12_000
    assert image.static_ram_bytes < 1_000


def test_vectors_of_another_shape_are_refused() -> None:
    short = dataclasses.replace(vectors(windows(2, seed=1), 8), raw=windows(2, seed=1)[:, 1:])
    with pytest.raises(EdgekdError, match=r"self-test raw is \[2, 19, 2\], expected \[2, 20, 2\]"):
        native_sketch(deployed(), short)
