"""The TFLite-Micro sketch: compiled as C++ against stand-in headers and run, its graphs by the real TFLite-Micro."""

import json
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_folders import COLUMNS, HORIZON, WINDOW, make_model_folder, preprocess, windows
from numpy.typing import NDArray

from edgekd.codegen.sketches import Vectors
from edgekd.codegen.tflm import library_fault, write_refusal, write_sketch
from edgekd.contracts.board import resource
from edgekd.contracts.errors import EdgekdError, ModelError
from edgekd.contracts.sketchbook import sketch_files
from edgekd.emulate.host import HostLibrary
from edgekd.program.arena import arena_bytes
from edgekd.program.interpreters import TfliteMicro
from edgekd.program.ops import OPERATORS
from edgekd.program.package import TFLM, Forecaster, load_model
from edgekd.program.reader import read_tflite

F32 = NDArray[np.float32]
STAND_INS = Path(__file__).parent / "firmware" / "arduino"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion", "-Werror")
KINDS = [(kind, bits) for kind in ("liquid", "gru", "mlp") for bits in (8, 16)]
RECURRENT = ("liquid", 16)

pytest.importorskip("tflite_micro")
requires_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@dataclass(frozen=True)
class Case:
    """A model folder, the arena its graphs need, and what edgekd makes of some windows."""

    folder: Path
    arena: int
    vectors: Vectors


@pytest.fixture(scope="module", params=KINDS, ids=lambda one: f"{one[0]}_a{one[1]}")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("models"), *request.param)


@pytest.fixture(scope="module")
def one_case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("models"), *RECURRENT)


def make_case(folder: Path, kind: str, bits: int) -> Case:
    path = make_model_folder(folder, kind, bits) / TFLM
    arena = sum(arena_bytes(content) for content in load_model(path).graphs().values())
    return Case(path, arena, make_vectors(path, windows(2, seed=5)))


def make_vectors(folder: Path, raw: F32) -> Vectors:
    forecaster = Forecaster(load_model(folder), lambda content: TfliteMicro(content).run)
    relative, level, anchor_value = preprocess().transform(raw)
    integers = forecaster.integers(relative, level)
    return Vectors(raw=raw, output=integers, forecast=preprocess().decode(forecaster.real(integers), anchor_value))


def make_sketch(case: Case, out: Path) -> Path:
    write_sketch(out, case.folder, arena_bytes=case.arena, vectors=case.vectors)
    return out / "battery_tflm"


def compile_sketch(sketch: Path, flags: Sequence[str] = ("-std=c++17", "-O1")) -> Path:
    """What Arduino does: the .ino as C++, every other file as what it is, with the libraries beside the sketch."""
    objects = []
    files = sketch_files(sketch)
    includes = [flag for folder in dict.fromkeys(path.parent for path in files) for flag in ("-I", folder)]
    for source in files:
        language = {".ino": "c++", ".cpp": "c++", ".c": "c"}.get(source.suffix)
        if language:
            objects.append(sketch / f"{source.name}.o")
            own = [flag for flag in flags if language == "c++" or not flag.startswith("-std=")]
            command = ["g++" if language == "c++" else "gcc", *STRICT, *own, "-I", STAND_INS, *includes]
            run([*command, "-c", "-x", language, source, "-o", objects[-1]])
    program = sketch / "sketch"
    run(["g++", *flags, "-I", STAND_INS, STAND_INS / "stand_in.cpp", *objects, "-o", program])
    return program


def run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Served:
    """What a sketch printed, its exit status (3: it went on complaining), and what it registered."""

    lines: list[str]
    status: int
    operators: list[str]


class Server:
    """The real TFLite-Micro at the other end of the stand-in interpreter's pipes."""

    def __init__(self, folder: Path, arena: int) -> None:
        self.graphs = list(load_model(folder).graphs().values())
        self.programs = [read_tflite(content) for content in self.graphs]
        self.arena = arena
        self.runners: list[TfliteMicro] = []
        self.operators: list[str] = []

    def serve(self, requests: BinaryIO, replies: BinaryIO) -> None:
        while kind := requests.read(1):
            (self._allocate if kind == b"A" else self._invoke)(requests, replies)
            replies.flush()

    def _allocate(self, requests: BinaryIO, replies: BinaryIO) -> None:
        arena, count = struct.unpack("<ii", requests.read(8))
        self.operators = [requests.read(*struct.unpack("<i", requests.read(4))).decode() for _ in range(count)]
        index = len(self.runners)
        content, program = self.graphs[index], self.programs[index]
        replies.write(struct.pack("<i", len(content)))
        replies.flush()
        assert requests.read(len(content)) == content
        known = {OPERATORS[op.kind].resolver for op in program.ops} <= set(self.operators)
        replies.write(struct.pack("<i", int(known and arena >= self.arena)))
        self.runners.append(TfliteMicro(content))
        for indices in (program.inputs, program.outputs):
            replies.write(struct.pack("<i", len(indices)))
            for one in (program.tensors[i] for i in indices):
                bits = np.iinfo(one.dtype).bits
                replies.write(struct.pack("<ii", bits, bits // 8 * one.shape[-1]))

    def _invoke(self, requests: BinaryIO, replies: BinaryIO) -> None:
        (index,) = struct.unpack("<i", requests.read(4))
        inputs = []
        for one in (self.programs[index].tensors[i] for i in self.programs[index].inputs):
            size = np.dtype(one.dtype).itemsize * one.shape[-1]
            inputs.append(np.frombuffer(requests.read(size), one.dtype)[None])
        (output,) = self.runners[index].run(inputs)
        replies.write(struct.pack("<i", 1) + output.tobytes())


def run_sketch(program: Path, case: Case, serial: str = "") -> Served:
    server = Server(case.folder, case.arena)
    (requests, to_test), (from_test, replies) = os.pipe(), os.pipe()
    text = program.with_suffix(".in")
    text.write_text(serial)
    # The stand-in talks over descriptors 3 and 4, whatever numbers the pipes have here.
    command = f'exec "$0" 3>&{to_test} 4<&{from_test}'
    with text.open() as stdin, program.with_suffix(".out").open("w") as stdout:
        process = subprocess.Popen(
            ["bash", "-c", command, program], stdin=stdin, stdout=stdout, pass_fds=(to_test, from_test)
        )
    os.close(to_test)
    os.close(from_test)
    with os.fdopen(requests, "rb") as incoming, os.fdopen(replies, "wb") as outgoing:
        server.serve(incoming, outgoing)
    status = process.wait(timeout=60)
    return Served(program.with_suffix(".out").read_text().splitlines(), status, server.operators)


def lines_of(samples: F32) -> str:
    return "".join(",".join("" if np.isnan(value) else f"{value:.9g}" for value in row) + "\n" for row in samples)


def unchecked(line: str) -> str:
    """The line without its checksum, which is right."""
    text, _, checksum = line.rpartition(" *")
    assert checksum == f"{zlib.crc32(text.encode()):08X}"
    return text


def numbers(line: str) -> F32:
    return np.array([np.float32(text) for text in line.split(",")], dtype=np.float32)


@requires_gxx
def test_what_the_sketch_prints_is_what_edgekd_computes(case: Case, tmp_path: Path) -> None:
    program = compile_sketch(make_sketch(case, tmp_path))
    samples = np.concatenate(windows(2, seed=9))[: WINDOW + 9]
    samples[WINDOW + 3, 1] = np.nan
    served = run_sketch(program, case, lines_of(samples))
    assert served.status == 0
    assert served.lines[0].startswith("edgekd protocol=2 name=battery candidate=")
    assert unchecked(served.lines[1]) == "self-test PASS: 2 windows, 7 outputs each, equal to edgekd's"
    assert served.lines[2 : WINDOW + 1] == [f"# {n} of {WINDOW} samples" for n in range(1, WINDOW)]
    carried = samples.copy()
    carried[WINDOW + 3, 1] = carried[WINDOW + 2, 1]
    raw = np.stack([carried[end - WINDOW : end] for end in range(WINDOW, len(samples) + 1)])
    found = np.stack([numbers(line) for line in served.lines[WINDOW + 1 :]])
    np.testing.assert_array_equal(found, make_vectors(case.folder, raw).forecast)


@requires_gxx
def test_the_resolver_has_the_operators_of_the_graphs_and_no_others(case: Case, tmp_path: Path) -> None:
    served = run_sketch(compile_sketch(make_sketch(case, tmp_path)), case)
    programs = [read_tflite(content) for content in load_model(case.folder).graphs().values()]
    assert served.operators == sorted({OPERATORS[op.kind].resolver for program in programs for op in program.ops})


@requires_gxx
def test_a_wrong_integer_is_the_first_difference_and_forecasts_are_refused(one_case: Case, tmp_path: Path) -> None:
    wrong = one_case.vectors.output.copy()
    wrong[1, 3:] += 1
    sabotaged = replace(one_case, vectors=replace(one_case.vectors, output=wrong))
    served = run_sketch(compile_sketch(make_sketch(sabotaged, tmp_path)), one_case, "1,2\n")
    found, expected = wrong[1, 3] - 1, wrong[1, 3]
    assert served.status == 0
    assert [unchecked(line) for line in served.lines[1:]] == [
        f"error: self-test FAIL: window 1, output 3: integer {found}, expected {expected}",
        "error: the self-test has failed, so there are no forecasts: selftest says where",
    ]


@requires_gxx
def test_a_forecast_that_is_one_bit_off_is_found(one_case: Case, tmp_path: Path) -> None:
    wrong = one_case.vectors.forecast.copy()
    wrong[0, 6] = np.nextafter(wrong[0, 6], np.float32(9))
    sabotaged = replace(one_case, vectors=replace(one_case.vectors, forecast=wrong))
    served = run_sketch(compile_sketch(make_sketch(sabotaged, tmp_path)), one_case)
    right = one_case.vectors.forecast[0, 6]
    assert unchecked(served.lines[1]) == (
        f"error: self-test FAIL: window 0, output 6: forecast {right:.9g}, expected {wrong[0, 6]:.9g}"
    )


@requires_gxx
def test_a_failing_library_is_named(one_case: Case, tmp_path: Path) -> None:
    needs_more = replace(one_case, arena=2 * one_case.arena)
    served = run_sketch(compile_sketch(make_sketch(one_case, tmp_path)), needs_more)
    assert served.status == 3
    assert "cannot prepare the cell: arena of" in served.lines[0]


@requires_gxx
def test_lines_that_are_no_samples_are_answered_and_do_not_count(one_case: Case, tmp_path: Path) -> None:
    program = compile_sketch(make_sketch(one_case, tmp_path))
    serial = "1.0\n1.0,2.0,3.0\n1.0;2.0\nabc,1\n\n" + "1" * 300 + "\n 1.0 , 25e0 \r\n,26\n"
    served = run_sketch(program, one_case, serial)
    column = "error: column {} of this line is not followed by {}; columns expected: 2"
    assert [unchecked(line) if line.startswith("error") else line for line in served.lines[2:]] == [
        column.format(1, "a comma"),
        column.format(2, "the end of the line"),
        column.format(1, "a comma"),
        column.format(1, "a comma"),
        "error: a line is too long",
        "# 1 of 20 samples",
        "# 2 of 20 samples",
    ]


@requires_gxx
def test_sanitizers_find_nothing(one_case: Case, tmp_path: Path) -> None:
    flags = ("-std=c++11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = compile_sketch(make_sketch(one_case, tmp_path), (*flags, "-DARDUINO_ARDUINO_NANO33BLE"))
    served = run_sketch(program, one_case, lines_of(windows(2, seed=3).reshape(-1, len(COLUMNS))))
    assert served.status == 0
    assert len(served.lines) == 2 + 2 * WINDOW
    assert len(numbers(served.lines[-1])) == HORIZON


def test_the_text_is_the_same_each_time_and_says_where_it_comes_from(one_case: Case, tmp_path: Path) -> None:
    first, second = make_sketch(one_case, tmp_path / "a"), make_sketch(one_case, tmp_path / "b")
    files = sorted(path.name for path in first.iterdir())
    assert files == sorted(path.name for path in second.iterdir())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)
    assert not [name for name in files if str(tmp_path) in (first / name).read_text()]
    programs = [read_tflite(content) for content in load_model(one_case.folder).graphs().values()]
    assert all(program.sha256 in (first / "model_data.h").read_text() for program in programs)
    assert all(len(line) <= 120 for name in files for line in (first / name).read_text().splitlines())


def test_files_that_are_there_are_kept_when_equal_and_replaced_when_not(one_case: Case, tmp_path: Path) -> None:
    sketch = make_sketch(one_case, tmp_path)
    os.utime(sketch / "model_data.h", (1, 1))
    (sketch / "README.txt").write_text("changed")
    (sketch / "notes.txt").write_text("mine")
    make_sketch(one_case, tmp_path)
    assert (sketch / "model_data.h").stat().st_mtime == 1
    assert (sketch / "README.txt").read_text() != "changed"
    assert (sketch / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(("kind", "bits"), [*KINDS, ("tcn", 8), ("tcn", 16)])
def test_a_model_that_the_pinned_library_computes_wrongly_gets_a_reason_instead_of_a_sketch(
    kind: str, bits: int, tmp_path: Path
) -> None:
    folder = make_model_folder(tmp_path, kind, bits) / TFLM
    fault = library_fault(folder)
    assert (fault is not None) == (kind in ("liquid", "gru") and bits == 16)  # these multiply 16-bit integers
    if fault:
        assert "sets every product of 16-bit integers to 0" in fault
        write_refusal(tmp_path, folder, fault)
        assert [path.name for path in (tmp_path / "battery_tflm").iterdir()] == ["README.txt"]
        assert fault in (tmp_path / "battery_tflm" / "README.txt").read_text()


def test_vectors_of_another_shape_are_refused(one_case: Case, tmp_path: Path) -> None:
    short = replace(one_case.vectors, raw=one_case.vectors.raw[:, 1:])
    with pytest.raises(EdgekdError, match=r"self-test raw is \[2, 19, 2\], expected \[2, 20, 2\]"):
        make_sketch(replace(one_case, vectors=short), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_there_is_refused(one_case: Case, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.json"):
        make_sketch(replace(one_case, folder=tmp_path / "none"), tmp_path)


@requires_gxx
def test_names_from_the_table_cannot_break_the_code(one_case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(one_case.folder, folder)
    info = json.loads((folder / "model.json").read_text())
    info["name"], info["preprocess"]["columns"] = "18650 / b*", ["a */ int x; /*", 'b\n"\\']
    (folder / "model.json").write_text(json.dumps(info))
    write_sketch(tmp_path, folder, arena_bytes=one_case.arena, vectors=one_case.vectors)
    compile_sketch(tmp_path / "model_18650_b_tflm")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> HostLibrary:
    sketch = resource("firmware") / "sketch"
    flags = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    return HostLibrary([sketch / "edgekd_text.c"], [sketch], tmp_path_factory.mktemp("text"), flags=flags)


def written(text: HostLibrary, value: np.float32) -> str:
    out = np.full(17, ord("#"), dtype=np.uint8)
    text.call("edgekd_put_float", out, float(value))
    assert out[16] == ord("#")  # EDGEKD_FLOAT_CHARS are enough
    return out.tobytes().split(b"\0")[0].decode()


def read(text: HostLibrary, characters: str) -> np.float32:
    out = np.zeros(1, dtype=np.float32)
    text.call("edgekd_read_float", np.frombuffer(characters.encode() + b"\0", dtype=np.uint8), out)
    return np.float32(out[0])


@settings(max_examples=300, deadline=None)
@given(bits=st.integers(0, 2**32 - 1))
def test_numbers_are_written_so_that_they_read_back_equal(text: HostLibrary, bits: int) -> None:
    value = np.array([bits], dtype=np.uint32).view(np.float32)[0]
    found = written(text, value)
    assert np.array_equal(np.float32(found), value, equal_nan=True)
    assert np.array_equal(read(text, found), value, equal_nan=True) or np.isinf(value)
    exact = f"{value:.9g}"
    assert found == exact or abs(float(found) - float(exact)) <= 1.01e-8 * abs(float(value))  # ties


@settings(max_examples=200, deadline=None)
@given(digits=st.integers(0, 10**15 - 1), exponent=st.integers(-22, 22), negative=st.booleans())
def test_numbers_are_read_as_python_reads_them(text: HostLibrary, digits: int, exponent: int, negative: bool) -> None:
    characters = f"{'-' * negative}{digits}e{exponent}"
    assert read(text, characters) == np.float32(float(characters))
    characters = f"{digits / 10**6:.6f}"
    assert read(text, characters) == np.float32(float(characters))


@pytest.mark.parametrize("characters", ["", " ", "nan", "x", "-", ".", "+e5", "1e400", "-1e999999999999"])
def test_what_is_no_finite_number_is_missing_or_infinite(text: HostLibrary, characters: str) -> None:
    with np.errstate(over="ignore"):
        assert not np.isfinite(read(text, characters))


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1, -1.5, 100, 1e-4, 1.01e-4, 0.001, 123456789, 1e9, 3.4e38, 1e-45, np.inf]
)
def test_numbers_look_like_those_of_printf(text: HostLibrary, value: float) -> None:
    assert written(text, np.float32(value)) == f"{np.float32(value):.9g}"
