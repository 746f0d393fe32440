"""Names from anywhere become names of C: whatever a file calls its tensors, or a user the model, it compiles."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_builder import Node, Spec, build

from edgekd.codegen.c_graph import examples, generate
from edgekd.codegen.c_names import model_name
from edgekd.program import reference
from edgekd.program.lowering.names import TensorNames
from edgekd.program.reader import read_tflite
from edgekd.run import write_files

WORDS = """
std case pow NULL INFINITY NAN i workspace words bytes int8_t int16_t int32_t uint32_t uint8_t typeof linux unix compl
bitand wchar_t decltype default and or not xor bool true false nullptr this template y0 y1 j0 x0 main loop setup run
step_run step_workspace quantize t_x v_x k_x edgekd edgekd_run memcpy size_t EOF stdin errno assert PI F B0 abs min max
5_1_max_pooling2d x x_2 x__2 X x.2 x_1 relu_table relu_factor relu_offset relu_layer relu_quant input output inline
restrict asm _Bool __func__ signed va_list offsetof register volatile union struct class delete new
"""
HOSTILE = WORDS.split()
ODD = [
    "", "*/", "/*", "a\\", "??/", "\x1b[31m", "\u202eabc", "äöü", "模型", "a;b:c", ";", ":", "a b", "a\nb", "\0",
    "%s%n", "//", "x" * 300,
]  # fmt: skip
COMPILERS = {
    "C99": ("gcc", "-std=c99"),
    "C++11": ("g++", "-std=c++11", "-x", "c++"),
}
STRICT = (
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
    "-fsyntax-only",
    "-include",
    "math.h",
)


def chain(names: list[str]) -> bytes:
    """A graph of small operators of every way to C, whose tensors have these names in turn."""
    tensors, nodes = [], []

    def tensor(shape: tuple[int, ...], data: np.ndarray | None = None, scale: object = 0.05) -> int:
        tensors.append(Spec(shape=shape, scale=scale, data=data, name=names[len(tensors) % len(names)]))
        return len(tensors) - 1

    x = tensor((1, 6))
    for step in range(max(2, len(names) // 4)):
        kind, y = ("ADD", "MUL", "LOGISTIC", "FULLY_CONNECTED")[step % 4], 0
        if kind == "LOGISTIC":
            tensors.append(Spec(shape=(1, 6), scale=1 / 256, zero_point=-128, name=names[len(tensors) % len(names)]))
            y = len(tensors) - 1
            nodes.append(Node(kind=kind, inputs=[x], outputs=[y], options={}))
        else:
            data = np.arange(36 if kind == "FULLY_CONNECTED" else 6, dtype=np.int8)
            w = tensor((6, 6) if kind == "FULLY_CONNECTED" else (1, 6), data.reshape(-1, 6))
            y = tensor((1, 6))
            nodes.append(Node(kind=kind, inputs=[x, w], outputs=[y], options={}))
        x = y
    return build(tensors, nodes, [0], [x])


def syntax(language: str, *sources: Path) -> subprocess.CompletedProcess[str]:
    command = COMPILERS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run([*command, *STRICT, *sources], capture_output=True, text=True, check=False)


def compiles(folder: Path, model: str, names: list[str]) -> None:
    program = read_tflite(chain(names))
    code = generate(program, model_name(model))
    window = [np.zeros((1, *program.tensors[i].window), np.int8) for i in program.inputs]
    results = [one[0] for one in reference.run(program, window)]
    write_files(folder, dict(code.files) | examples(code, [one[0] for one in window], results))
    for language in COMPILERS:
        done = syntax(language, folder / f"{code.name}.c", folder / f"{code.name}_example.c")
        assert done.returncode == 0, f"{language}, {names!r}: {done.stderr[:2000]}"


def test_names_that_mean_something_to_c(tmp_path: Path) -> None:
    compiles(tmp_path, "step", HOSTILE)
    compiles(tmp_path, "step", ODD)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=50) | st.sampled_from(HOSTILE + ODD), min_size=30, max_size=60))
def test_any_names(tmp_path: Path, names: list[str]) -> None:
    compiles(tmp_path, "step", [name.encode("utf-8", "ignore").decode() for name in names])


@given(st.lists(st.text(max_size=80) | st.sampled_from(HOSTILE + ODD), max_size=60))
def test_names_of_tensors_are_distinct(texts: list[str]) -> None:
    names = TensorNames()
    made = [names.add(text) for text in texts]
    assert len(set(made)) == len(made)
    assert all(f"t_{name}".isidentifier() and name.isascii() and name == name.lower() for name in made)


@given(st.text(max_size=100) | st.sampled_from(HOSTILE + ODD))
def test_any_model_name(text: str) -> None:
    name = model_name(text)
    assert name.isidentifier() and name.isascii() and name == name.lower() and len(name) <= 70
    assert model_name(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("battery", "battery"),
        ("Cell 1/b", "cell_1_b"),
        ("18650", "model_18650"),
        ("float", "model_float"),
        ("edgekd", "model_edgekd"),
        ("__x__", "x"),
        ("äö", "model"),
        ("stdint", "model_stdint"),
        ("string", "model_string"),
        ("Arduino", "model_arduino"),
        ("sensor", "model_sensor"),
        ("self_test", "model_self_test"),
        ("linux", "model_linux"),
    ],
)
def test_names_become_prefixes(name: str, expected: str) -> None:
    assert model_name(name) == expected


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
def test_no_header_of_the_cross_compiler_is_a_model(tmp_path: Path) -> None:
    command = ["arm-none-eabi-gcc", "-print-file-name=include"]
    own = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    library = Path("/usr/lib/arm-none-eabi/include")
    headers = {path.stem.lower() for folder in (own, library) for path in folder.glob("*.h")}
    assert headers >= {"stdint", "stddef"}
    assert [stem for stem in headers if model_name(stem) == stem] == []


def test_what_does_not_compile_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgekd.codegen import c_graph
    from edgekd.contracts.errors import EdgekdError
    from edgekd.evaluate.code_folder import write_code

    monkeypatch.setattr(c_graph, "variable", lambda name: f"5_{name}")
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(["x"]))
    with pytest.raises(EdgekdError, match=r"the C generated for 'step' cannot be compiled, nothing was written"):
        write_code(model, "step", "nano33ble", tmp_path / "out")
    assert not (tmp_path / "out").exists()
