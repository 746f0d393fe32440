"""The firmware's preprocessing against the one training uses, on this computer and on the emulated board."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from data_sections import forecast
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgekd.contracts.board import load_board, resource
from edgekd.data.preprocess import Preprocess
from edgekd.emulate.compiler import Profile, compile_image, find_compiler
from edgekd.emulate.host import HostLibrary
from edgekd.emulate.machine import Machine
from edgekd.program.package import dequantize, quantize
from edgekd.program.program import Quantization, Tensor

F32 = NDArray[np.float32]
FIRMWARE = resource("firmware")
INCLUDE = [FIRMWARE / "include"]
KERNELS = [FIRMWARE / "kernels" / "edgekd_window.c", FIRMWARE / "kernels" / "edgekd_quantize.c"]
HERE = Path(__file__).parent / "firmware"
SOURCES = [*KERNELS, HERE / "window_probe.c"]
PROBES = ("window_features", "window_forecast", "window_grid")
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion", "-Werror")
# Everything of -ffast-math but what the linker would do: flush this process's denormals to zero.
FAST_MATH = ("-ffp-contract=fast", "-fno-math-errno", "-fno-signed-zeros", "-fno-trapping-math", "-ffinite-math-only",
             "-fassociative-math", "-freciprocal-math")  # fmt: skip

requires_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"
)
requires_x86 = pytest.mark.skipif(
    sys.platform != "linux" or "fma" not in Path("/proc/cpuinfo").read_text(), reason="a processor with FMA"
)


@dataclass(frozen=True)
class Built:
    """The probes in one build: `call` as of HostLibrary and Machine."""

    call: Callable[..., int]


BUILDS = {
    "host": (),
    "host_fma": ("-O3", "-march=haswell", "-ffp-contract=fast"),
    "host_fast_math": ("-O3", "-march=haswell", *FAST_MATH),
    "host_sanitized": ("-O1", "-g", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"),
    "board": (),
    "board_arduino": ("-ffp-contract=fast",),
    "board_clang": ("-ffp-contract=fast",),
}


@pytest.fixture(
    scope="module",
    params=[
        "host",
        pytest.param("host_fma", marks=requires_x86),
        pytest.param("host_fast_math", marks=requires_x86),
        "host_sanitized",
        pytest.param("board", marks=requires_arm),
        pytest.param("board_arduino", marks=requires_arm),
        "board_clang",
    ],
)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(request.param)
    flags = BUILDS[request.param]
    if request.param.startswith("host"):
        return Built(HostLibrary(SOURCES, INCLUDE, folder, flags=flags).call)
    board = load_board("nano33ble")
    compiler = find_compiler(board, "zig" if request.param == "board_clang" else "gcc")
    profile: Profile = "arduino" if request.param == "board_arduino" else "speed"
    image = compile_image(
        SOURCES, INCLUDE, board, folder / "probe.elf", entries=PROBES, flags=flags, profile=profile, compiler=compiler
    )
    return Built(Machine(image).call)


def constants(rng: np.random.Generator, window: int, patch: int, level: int, inputs: int) -> Preprocess:
    def positive(size: int) -> F32:
        return np.exp(rng.normal(size=size)).astype(np.float32)

    return Preprocess(
        task=forecast("a", 3),
        columns=tuple("abcdefgh"[:inputs]),
        units=("",) * inputs,
        target_unit="",
        window=window,
        patch=patch,
        level=level,
        scale=positive(inputs),
        clean_limit=positive(inputs) * np.float32(0.5),
        relative=True,
        center=np.zeros(inputs, dtype=np.float32),
        gain=positive(inputs) * np.float32(7),
        level_mean=rng.normal(size=inputs).astype(np.float32),
        level_gain=positive(inputs),
        target_column=0,
        target_mean=np.float32(0.3),
        target_gain=np.float32(0.07),
    )


def features_in_c(built: Built, p: Preprocess, samples: F32) -> tuple[F32, F32, F32] | None:
    """Relative [N, F], level [F] standardized and raw, after pushing samples [count, F]; None before a full window."""
    inputs = len(p.columns)
    columns = np.ascontiguousarray(np.stack([p.scale, p.clean_limit, p.gain, p.level_mean, p.level_gain], axis=1))
    sizes = np.array([inputs, p.window, p.patch, p.level, len(samples)], dtype=np.int32)
    out = np.full((p.steps + 2, inputs), np.nan, dtype=np.float32)
    memory = np.full(p.window * inputs + p.level, np.nan, dtype=np.float32)
    if not built.call("window_features", columns, sizes, np.ascontiguousarray(samples), memory, out):
        return None
    return out[: p.steps], out[p.steps], out[p.steps + 1]


def carried_forward(samples: F32) -> F32:
    """What a series of pushes leaves, [accepted, F]: the specification of edgekd_window_push, one sample at a time."""
    rows, last = [], np.full(samples.shape[1], np.nan, dtype=np.float32)
    for sample in samples:
        last = np.where(np.isfinite(sample), sample, last)
        if np.isfinite(last).all():
            rows.append(last)
    return np.array(rows, dtype=np.float32).reshape(-1, samples.shape[1])


def check_features(built: Built, p: Preprocess, samples: F32) -> None:
    found = features_in_c(built, p, samples)
    window = carried_forward(samples)[-p.window :]
    if len(window) < p.window:
        assert found is None
        return
    relative, level, anchor_value = p.transform(window[None])
    assert found is not None
    np.testing.assert_array_equal(found[0], relative[0])
    np.testing.assert_array_equal(found[1], level[0])
    assert found[2][0] == anchor_value[0]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 12),
    patch=st.integers(1, 9),
    level=st.integers(0, 12),
    inputs=st.integers(1, 4),
    extra=st.integers(-2, 30),
    kind=st.sampled_from(["noise", "spikes", "steps", "gaps", "wide"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_features_equal_those_of_training(
    built: Built, steps: int, patch: int, level: int, inputs: int, extra: int, kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    window = max(5, steps * patch)
    patch = patch if window % patch == 0 else window
    p = constants(rng, window, patch, min(2 * level + 1, window - 1 + window % 2), inputs)
    samples: F32 = rng.normal(size=(max(0, window + extra), inputs)).astype(np.float32)
    if kind == "steps":
        samples = (np.round(samples * 2) / 2).astype(np.float32)
    if kind == "wide":
        samples *= np.float32(10) ** rng.integers(-20, 20, size=samples.shape).astype(np.float32)
    if kind == "spikes":
        samples[rng.random(samples.shape) < 0.1] *= np.float32(100)
    if kind == "gaps":
        bad = rng.choice(np.array([np.nan, np.inf, -np.inf], dtype=np.float32), size=samples.shape)
        samples = np.where(rng.random(samples.shape) < 0.4, bad, samples).astype(np.float32)
    check_features(built, p, samples)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["int8", "int16"]),
    zero_point=st.integers(-128, 127),
    exponent=st.integers(-12, 3),
)
def test_quantize_rounds_and_saturates_as_in_training(
    built: Built, seed: int, dtype: str, zero_point: int, exponent: int
) -> None:
    rng = np.random.default_rng(seed)
    scale = np.float32(np.exp2(exponent) * rng.uniform(1, 2))
    grid = Quantization(scale=np.array([scale]), zero_point=np.array([zero_point]))
    tensor = Tensor(name="x", shape=(1, 1), dtype=dtype, quantization=grid)
    halves = (rng.integers(-300, 300, size=50) + 0.5) * scale
    extremes = [0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, np.inf, -np.inf, 0.49999997 * scale, 2**31 * scale]
    real = np.concatenate([rng.normal(size=100) * 300 * scale, halves, extremes]).astype(np.float32)
    limits = np.iinfo(dtype)
    numbers = np.array([zero_point, limits.min, limits.max, len(real)], dtype=np.int32)
    integers, back = np.zeros(len(real), dtype=np.int32), np.zeros(len(real), dtype=np.float32)
    built.call("window_grid", np.array([scale, np.float32(1) / scale]), numbers, real, integers, back)
    with np.errstate(over="ignore"):
        expected = quantize(real, tensor)
    np.testing.assert_array_equal(integers, expected)
    np.testing.assert_array_equal(back, dequantize(expected, tensor))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), target_column=st.integers(-1, 2))
def test_forecasts_equal_the_decoding_of_training(built: Built, seed: int, target_column: int) -> None:
    rng = np.random.default_rng(seed)
    p = constants(rng, 6, 2, 3, 3)
    y, level = rng.normal(size=64).astype(np.float32), rng.normal(size=3).astype(np.float32)
    anchor_value = level[target_column] if target_column >= 0 else p.target_mean
    out = np.zeros(64, dtype=np.float32)
    fixed = np.concatenate([[p.target_mean, p.target_gain], level]).astype(np.float32)
    built.call("window_forecast", fixed, target_column, y, out, 64)
    np.testing.assert_array_equal(out, p.decode(y[None], np.array([anchor_value], dtype=np.float32))[0])


def test_the_comparison_sees_a_wrong_constant(built: Built) -> None:
    rng = np.random.default_rng(0)
    p = constants(rng, 20, 4, 5, 2)
    samples = rng.normal(size=(20, 2)).astype(np.float32)
    check_features(built, p, samples)
    p.gain[1] = np.nextafter(p.gain[1], np.float32(9))
    found = features_in_c(built, p, samples)
    p.gain[1] = np.nextafter(p.gain[1], np.float32(0))
    assert found is not None
    assert (found[0] != p.transform(samples[None])[0][0]).any()


@requires_arm
@pytest.mark.parametrize("flags", [("-O2", "-mfloat-abi=hard"), ("-Os", "-mfloat-abi=softfp", "-funsigned-char")])
def test_no_operation_is_fused_on_the_board(tmp_path: Path, flags: tuple[str, ...]) -> None:
    core = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-ffp-contract=fast", f"-I{INCLUDE[0]}")
    objects = tmp_path / "window.o"
    subprocess.run(["arm-none-eabi-gcc", *core, *flags, "-c", SOURCES[0], "-o", objects], check=True)
    code = subprocess.run(["arm-none-eabi-objdump", "-d", objects], check=True, capture_output=True, text=True).stdout
    assert "vmul" in code
    assert not [line for line in code.splitlines() if any(f"\tv{op}" in line for op in ("fm", "fnm", "ml", "nml"))]


COMPILERS = {
    "gcc": ("gcc", "-std=c99"),
    "g++": ("g++", "-std=c++11", "-x", "c++"),
    "clang": (sys.executable, "-m", "ziglang", "cc", "-std=c99"),
}


@pytest.mark.parametrize("source", ["kernels/edgekd_window.c", "kernels/edgekd_quantize.c", "sketch/edgekd_text.c"])
@pytest.mark.parametrize("name", COMPILERS)
def test_compiles_without_a_warning(name: str, source: str, tmp_path: Path) -> None:
    command = COMPILERS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [*command, *STRICT, "-O2", f"-I{INCLUDE[0]}", "-c", FIRMWARE / source, "-o", tmp_path / "one.o"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    checks = ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all")
    program = tmp_path / "sizes"
    sources = (*KERNELS, HERE / "window_sizes.c")
    subprocess.run(["gcc", "-std=c99", "-O1", "-g", *checks, f"-I{INCLUDE[0]}", *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "300 configurations\n"), done.stderr
