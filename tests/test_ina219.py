"""The example of a sensor: coulombs are counted cycle by cycle, and the log outlives everything but the chip."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.codegen.write import render
from edgekd.contracts.board import resource

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("gcc") is None, reason="gcc and g++ are not installed"
)

F64 = NDArray[np.float64]
FIRMWARE = Path(__file__).parent / "firmware"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion", "-Werror")
SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SEEDS = range(1, 9)
STEP_S = 0.2


def build(out: Path, name: str, *sources: Path, headers: Path | None = None) -> Path:
    """A program of C as C99 and C++ as C++14, all warnings on."""
    example, sketch = resource("firmware") / "ina219", resource("firmware") / "sketch"
    objects = []
    for source in [*sources, *(sketch / f"edgekd_{name}.c" for name in ("crc32", "session", "protocol", "text"))]:
        compiler = ["gcc", "-std=c99"] if source.suffix == ".c" else ["g++", "-std=c++14"]
        includes = [flag for folder in (headers, example, sketch) if folder for flag in ("-I", str(folder))]
        objects.append(out / f"{name}_{source.name}.o")
        stand_ins = ["-I", str(FIRMWARE / "arduino")] if headers else []
        command = [*compiler, *WARNINGS, *SANITIZE, *includes, *stand_ins, "-c", str(source), "-o", str(objects[-1])]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    subprocess.run(["g++", *SANITIZE, *objects, "-o", out / name], check=True)
    return out / name


def output(program: Path, *arguments: str, given: str = "") -> str:
    done = subprocess.run([program, *arguments], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- the log ----


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = resource("firmware") / "ina219" / "edgekd_log.c"
    return build(tmp_path_factory.mktemp("log"), "log", FIRMWARE / "log_probe.c", source)


def test_the_log_survives_a_loss_of_power_at_every_step(log: Path) -> None:
    assert all(int(output(log, "cuts", str(seed)).split()[0]) > 120 for seed in SEEDS)


def test_the_log_survives_losses_of_power_again_and_again(log: Path) -> None:
    assert all(int(output(log, "again", str(seed), "3000").split()[0]) > 200 for seed in SEEDS)


def test_worn_cells_are_passed_over(log: Path) -> None:
    assert all(output(log, "worn", str(seed)) == "400 kept\n" for seed in SEEDS)


def test_ten_thousand_cycles_erase_each_page_fifteen_times(log: Path) -> None:
    """Of the 10,000 that the nRF52840's pages bear (Product Specification, NVMC)."""
    assert output(log, "wear", "10000") == "15 15\n"


# ---- coulombs ----


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = resource("firmware") / "ina219" / "edgekd_capacity.c"
    return build(tmp_path_factory.mktemp("counter"), "counter", FIRMWARE / "capacity_probe.c", source)


def cycle(capacity_ah: float, rate: float = 2.0, start: float = 0.0) -> F64:
    """Charge to 3.6 V with a taper, rest, discharge to 2 V, rest: [N, 2] of A out of the cell and V.

    start: state of charge that it begins from. The voltage is a caricature of LiFePO4's: flat, steep at both ends.
    """
    out_a = 1.1 * rate
    tail = np.arange(0, 300, STEP_S)
    charge = np.arange(start, 1, STEP_S * 1.1 / capacity_ah / 3600)
    discharge = np.arange(1, 0, -STEP_S * out_a / capacity_ah / 3600)
    rest = np.zeros(int(60 / STEP_S))
    current = [np.full(len(charge), -1.1), -1.1 * np.exp(-tail / 60), rest, np.full(len(discharge), out_a), rest]
    volts = [_ocv(charge) + 0.05, np.full(len(tail), 3.6), rest + 3.35, _ocv(discharge), rest + 2.9]
    return np.stack([np.concatenate(current), np.concatenate(volts)], axis=1)


def _ocv(charge: F64) -> F64:
    return 3.3 + 0.05 * (charge - 0.5) - 1.3 * np.exp(-charge / 0.02)


def count(program: Path, readings: F64, times_ms: NDArray[np.int64] | None = None) -> list[float]:
    """Capacities in Ah."""
    times = np.arange(len(readings)) * int(1000 * STEP_S) if times_ms is None else times_ms
    ua, mv = (readings[:, 0] * 1e6).round().astype(int), (readings[:, 1] * 1e3).round().astype(int)
    given = "\n".join(f"{t % 2**32},{a},{v}" for t, a, v in zip(times, ua, mv, strict=True))
    return [float(line.split(",")[1]) for line in output(program, given=given).splitlines()]


def drawn(readings: F64) -> float:
    """Ah of a cycle's discharge."""
    return float(readings[readings[:, 0] > 0, 0].sum() * STEP_S / 3600)


def test_each_cycle_has_its_capacity(counter: Path) -> None:
    cycles = [cycle(1.1 - 0.03 * n, start=0.4 if n == 0 else 0.0) for n in range(4)]
    found = count(counter, np.concatenate(cycles))
    assert found == pytest.approx([drawn(one) for one in cycles], abs=2e-4)


def test_noise_of_the_current_averages_out(counter: Path) -> None:
    cycles = [cycle(1.05 - 0.01 * n) for n in range(3)]
    readings = np.concatenate(cycles)
    rng = np.random.default_rng(1)
    noisy = readings + rng.normal(size=readings.shape) * [0.001, 0.004]  # the chip's own
    noisy[:, 0] *= rng.normal(1, 0.05, size=len(readings))  # and what a load that ripples adds
    assert count(counter, noisy) == pytest.approx([drawn(one) for one in cycles], rel=2e-3)


def test_times_may_wrap(counter: Path) -> None:
    readings = cycle(1.0)
    times = np.arange(len(readings), dtype=np.int64) * int(1000 * STEP_S) + 2**32 - 3_600_000
    assert count(counter, readings, times) == pytest.approx([drawn(readings)], abs=2e-4)


def test_readings_that_are_missing(counter: Path) -> None:
    """A few seconds are interpolated; a minute of the discharge voids the cycle, and the next one counts."""
    readings = np.concatenate([cycle(1.0), cycle(0.95)])
    times = np.arange(len(readings), dtype=np.int64) * int(1000 * STEP_S)
    middle = int(np.flatnonzero(readings[:, 0] > 0)[2000])
    both = [1.0, 0.95]
    for missing_s, expected in ((8, both), (60, both[1:])):
        keep = np.ones(len(readings), dtype=bool)
        keep[middle : middle + int(missing_s / STEP_S)] = False
        assert count(counter, readings[keep], times[keep]) == pytest.approx(expected, abs=2e-3)


def test_a_discharge_that_is_not_whole_does_not_count(counter: Path) -> None:
    whole = cycle(1.0)
    out = np.flatnonzero(whole[:, 0] > 0)
    half = int(out[len(out) // 2])
    recharged = np.concatenate([whole[:half], cycle(1.0, start=0.5)])
    assert count(counter, recharged) == pytest.approx([1.0], abs=2e-3)
    assert count(counter, whole[half:]) == []
    assert count(
        counter, np.concatenate([whole[:half], np.zeros((9000, 2)) + [0, 3.3], whole[half:]])
    ) == pytest.approx([1.0], abs=2e-3)


def test_an_offset_at_rest_and_a_load_that_switches_off(counter: Path) -> None:
    readings = cycle(1.0)
    readings[:, 0] += 0.001
    empty = np.flatnonzero((readings[:, 1] <= 2.0) & (readings[:, 0] > 0.1))[0]
    switched_off = np.concatenate([readings[: empty + 1], np.full((9000, 2), [0.001, 2.8])])
    assert count(counter, switched_off) == pytest.approx([1.0], abs=3e-3)


def test_what_cannot_be_a_capacity_is_dropped(counter: Path) -> None:
    assert count(counter, cycle(0.4)) == []
    assert count(counter, cycle(1.6)) == []


# ---- both behind the chip ----


def test_the_sensor_counts_keeps_and_gives_back(tmp_path: Path) -> None:
    (tmp_path / "sensor.h").write_text(render("sensor.h.j2", name="battery", window=3, columns=[{"title": "Ah"}]))
    example = resource("firmware") / "ina219"
    sources = [example / name for name in ("sensor.cpp", "edgekd_capacity.c", "edgekd_log.c")]
    bench = build(tmp_path, "bench", *sources, FIRMWARE / "arduino" / "ina219_bench.cpp", headers=tmp_path)
    chip = tmp_path / "chip"
    chip.write_bytes(bytes(1 << 20))
    cycles = [cycle(1.1 - 0.05 * n) for n in range(4)]
    readings = np.concatenate(cycles)
    lines = [f"{round(a * 1e6):<9d}{round(v * 1e3)}" for a, v in readings]
    lines[500:520] = ["x"] * 20
    first = [float(line) for line in output(bench, str(chip), given="\n".join([*lines, ""])).splitlines()]
    assert first == pytest.approx([drawn(one) for one in cycles], abs=2e-3)
    lines = lines[: len(cycles[0])]
    second = [float(line) for line in output(bench, str(chip), given="\n".join([*lines, ""])).splitlines()]
    assert second == [*first[1:], first[0]]
    third = [float(line) for line in output(bench, str(chip)).splitlines()]
    assert third == [*first[2:], first[0]]
