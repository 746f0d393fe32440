"""The Bluetooth sketch: compiled as C++ against stand-in headers and run, with a script for the other side."""

import dataclasses
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from native_stand_in import INPUTS, OUTPUTS, WINDOW, deployed, vectors, windows, write_ble_sketch
from numpy.typing import NDArray

from edgekd.codegen.sketches import ble_sketch
from edgekd.contracts.sketchbook import sketch_files
from edgekd.deploy.arduino import used_libraries

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

F32 = NDArray[np.float32]
STAND_INS = Path(__file__).parent / "firmware" / "arduino"
FLAGS = (
    "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion", "-Werror", "-DARDUINO_ARDUINO_NANO33BLE",
)  # fmt: skip
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SAMPLE, HISTORY, FORECAST, HEALTH = "0002", "0003", "0004", "0005"
TOO_FEW, FORECASTING, FAILED = range(3)


def compile_sketch(sketch: Path, *more: str) -> Path:
    """As Arduino does: the .ino and .cpp as C++, .c as C, with the libraries beside the sketch. more: flags."""
    objects = []
    files = sketch_files(sketch)
    includes = [flag for folder in dict.fromkeys(path.parent for path in files) for flag in ("-I", folder)]
    sources = [path for path in files if path.suffix in (".ino", ".cpp", ".c")]
    for source in [*sources, STAND_INS / "ble_central.cpp"]:
        compiler = ["gcc", "-x", "c"] if source.suffix == ".c" else ["g++", "-std=c++14", "-x", "c++"]
        objects.append(sketch / f"{source.name}.o")
        run([*compiler, *FLAGS, *more, "-I", STAND_INS, *includes, "-c", source, "-o", objects[-1]])
    program = sketch / "sketch"
    run(["g++", *more, *objects, "-o", program])
    return program


def run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_sketch(write_ble_sketch(tmp_path_factory.mktemp("ble"), 8), *SANITIZE)


def play(program: Path, *script: str, dead: bool = False) -> list[str]:
    """What came over the air and the line after setup()."""
    command = [program, "dead"] if dead else [program]
    environment = {"ASAN_OPTIONS": "detect_leaks=0"}  # the stand-in's characteristics live for ever
    done = subprocess.run(
        command, input="\n".join([*script, ""]), capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
    return done.stdout.splitlines()


def write(samples: F32) -> str:
    return f"write {SAMPLE} {samples.astype('<f4').tobytes().hex()}"


def pieces(said: Sequence[str], digits: str) -> list[tuple[int, int, list[float]]]:
    """(first, samples, values) of each notification."""
    found = []
    for line in said:
        if line.startswith(f"notify {digits} "):
            content = bytes.fromhex(line.split()[2])
            first, samples = struct.unpack_from("<HH", content)
            values = np.frombuffer(content, "<f4", offset=4)
            assert 1 <= len(values) <= 4
            found.append((first, samples, [float(value) for value in values]))
    return found


def joined(found: Sequence[tuple[int, int, list[float]]]) -> F32:
    """The values of pieces that follow each other."""
    values: list[float] = []
    for first, _, more in found:
        assert first == found[0][0] + len(values)
        values += more
    return np.array(values, dtype=np.float32)


def health(line: str) -> tuple[int, int, int, int, int, float, float]:
    found: tuple[int, int, int, int, int, float, float] = struct.unpack("<BBHIIff", bytes.fromhex(line.split()[2]))
    return found


def test_setup_tests_the_model_and_advertises(program: Path) -> None:
    said = play(program)
    assert "self-test PASS: 2 windows" in said[1]
    assert said[2:] == ["name battery", "service 7E1D0001-5B0C-4F6E-9A53-0F2A9C6D1E77", "advertise", "cache 1"]


def test_samples_over_the_air_become_forecasts_over_the_air(program: Path) -> None:
    raw = windows(1, seed=2)
    raw[0, 3, 1] = np.nan
    expected = vectors(raw, 8).forecast[0]
    subscribe = [f"subscribe {one}" for one in (HISTORY, FORECAST, HEALTH)]
    said = play(program, "connect", *subscribe, write(raw[0, :1]), write(raw[0, 1:8]), write(raw[0, 8:]), "turns 30")
    np.testing.assert_array_equal(joined(pieces(said, FORECAST)), expected)
    assert [len(values) for _, _, values in pieces(said, FORECAST)] == [4, 4, 2]
    assert {samples for _, samples, _ in pieces(said, FORECAST)} == {WINDOW}
    np.testing.assert_array_equal(joined(pieces(said, HISTORY)), raw[0].reshape(-1))
    state, layout, outputs, samples, digest, first, last = health([line for line in said if "notify 0005" in line][-1])
    assert (state, layout, outputs, samples) == (FORECASTING, 1, OUTPUTS, WINDOW)
    assert (first, last) == (expected[0], expected[-1])
    said = play(program, "connect", write(raw[0]), "turns 2", "say state", "turns 1", f"read {HEALTH}", "turns 1")
    assert f" digest={digest:08X} " in next(line for line in said if line.startswith("serial ok"))
    assert health(said[-1])[4] == digest


def test_without_a_window_there_is_no_forecast(program: Path) -> None:
    raw = windows(1, seed=3)[0]
    said = play(program, "connect", f"subscribe {FORECAST}", write(raw[1:]), "turns 9", f"read {HEALTH}", "turns 1")
    assert pieces(said, FORECAST) == []
    found = health(said[-1])
    assert found[0] == TOO_FEW and found[3] == WINDOW - 1 and np.isnan(found[5:]).all()


def test_the_state_outlives_a_lost_connection(program: Path) -> None:
    raw = windows(2, seed=4).reshape(-1, INPUTS)
    lost = ["connect", f"subscribe {FORECAST}", write(raw[:WINDOW]), "turns 2", "disconnect", "turns 3"]
    back = ["connect", f"subscribe {HISTORY}", f"subscribe {FORECAST}", "turns 40", write(raw[WINDOW:][:1]), "turns 40"]
    said = play(program, *lost, "connect", "disconnect", "turns 2", *back)
    assert said.count("advertise") == 3
    after = said[len(said) - said[::-1].index("advertise") :]
    forecasts = pieces(after, FORECAST)
    for samples in (WINDOW, WINDOW + 1):
        ours = [piece for piece in forecasts if piece[1] == samples]
        expected = vectors(raw[None, samples - WINDOW : samples], 8).forecast[0]
        np.testing.assert_array_equal(joined(ours), expected)
    np.testing.assert_array_equal(joined(pieces(after, HISTORY)), raw[: WINDOW + 1].reshape(-1))


def test_a_late_subscriber_gets_the_window_and_no_more(program: Path) -> None:
    raw = windows(3, seed=5).reshape(-1, INPUTS)
    parts = [write(raw[at : at + 20]) for at in range(0, len(raw), 20)]
    said = play(program, "connect", *parts, "turns 3", f"subscribe {HISTORY}", "turns 40")
    found = pieces(said, HISTORY)
    assert found[0][0] == (len(raw) - WINDOW) * INPUTS
    np.testing.assert_array_equal(joined(found), raw[-WINDOW:].reshape(-1))


def test_a_radio_that_is_busy_loses_nothing(program: Path) -> None:
    raw = windows(1, seed=6)
    said = play(program, "connect", f"subscribe {FORECAST}", write(raw[0]), "turns 1", "busy 7", "turns 12")
    np.testing.assert_array_equal(joined(pieces(said, FORECAST)), vectors(raw, 8).forecast[0])


def test_a_new_sample_starts_the_forecast_again(program: Path) -> None:
    raw = windows(2, seed=7).reshape(-1, INPUTS)[: WINDOW + 1]
    said = play(program, "connect", f"subscribe {FORECAST}", write(raw[:-1]), "turns 1", write(raw[-1:]), "turns 9")
    found = pieces(said, FORECAST)
    assert [(first, samples) for first, samples, _ in found[:2]] == [(0, WINDOW), (0, WINDOW + 1)]
    np.testing.assert_array_equal(joined(found[1:]), vectors(raw[None, 1:], 8).forecast[0])


@pytest.mark.parametrize("content", ["", "00", "00000000", "0000803f0000803f0000803f"])
def test_a_wrong_length_is_an_error_and_changes_nothing(program: Path, content: str) -> None:
    said = play(program, "connect", f"write {SAMPLE} {content}", f"read {HEALTH}", "turns 1")
    assert any("samples over BLE have another length" in line for line in said)
    assert health(said[-1])[3:5] == (0, 0)


def test_the_serial_line_is_the_same_series(program: Path) -> None:
    raw = windows(1, seed=8)
    typed = [f"say sample {a:.9g},{b:.9g}" for a, b in raw[0, 10:]]
    turns = [part for line in typed for part in (line, "turns 1")]
    said = play(program, "connect", f"subscribe {FORECAST}", write(raw[0, :10]), "turns 1", *turns, "turns 5")
    np.testing.assert_array_equal(joined(pieces(said, FORECAST)), vectors(raw, 8).forecast[0])
    said = play(program, "connect", f"subscribe {HISTORY}", write(raw[0, :3]), "turns 4", "say reset", "turns 2",
                write(raw[0, 5:7]), "turns 3")  # fmt: skip
    assert [first for first, _, _ in pieces(said, HISTORY)] == [0, 4, 0]


SENSOR = """
#include "sensor.h"
bool read_sample(float sample[2]) {
    static int count = 0;
    sample[0] = 1.0f - 0.001f * static_cast<float>(count);
    sample[1] = 25.0f;
    return ++count <= 20;
}
"""


def test_samples_of_a_sensor(tmp_path: Path) -> None:
    folder = write_ble_sketch(tmp_path, 16)
    (folder / "sensor.cpp").write_text(SENSOR)
    said = play(compile_sketch(folder), "turns 25", "connect", f"subscribe {FORECAST}", "turns 5")
    t = np.arange(WINDOW, dtype=np.float32)
    samples = np.stack([np.float32(1) - np.float32(0.001) * t, np.full(WINDOW, 25, np.float32)], axis=1)
    np.testing.assert_array_equal(joined(pieces(said, FORECAST)), vectors(samples[None], 16).forecast[0])


def test_a_failed_self_test_is_health_and_no_forecast(tmp_path: Path) -> None:
    right = vectors(windows(2, seed=1), 8)
    program = compile_sketch(
        write_ble_sketch(tmp_path, 8, dataclasses.replace(right, output=right.output + np.int8(1)))
    )
    said = play(program, "connect", f"subscribe {FORECAST}", write(windows(1, seed=1)[0]), "turns 5", f"read {HEALTH}",
                "turns 1")  # fmt: skip
    assert sum("self-test FAIL" in line for line in said) == 1
    assert pieces(said, FORECAST) == []
    assert health(said[-1])[0] == FAILED


def test_without_a_radio_the_line_still_serves(program: Path) -> None:
    said = play(program, "say state", "turns 3", dead=True)
    assert "error: Bluetooth does not start" in said[2]
    assert said[-1].startswith("serial ok samples=0")


def test_the_library_is_pinned(tmp_path: Path) -> None:
    assert used_libraries(write_ble_sketch(tmp_path, 8)) == ("ArduinoBLE.h",)
    first = ble_sketch(deployed(), vectors(windows(2, seed=1), 8))
    assert first == ble_sketch(deployed(), vectors(windows(2, seed=1), 8))
