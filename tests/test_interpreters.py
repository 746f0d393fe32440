import subprocess
import sys

import numpy as np
import pytest
from tflite_builder import Spec, single

from edgekd.contracts.errors import ModelError, ToolMissing
from edgekd.program.arena import arena_bytes
from edgekd.program.interpreters import Tflite, TfliteMicro, prepare_micro


def addition(rows: int = 1) -> bytes:
    a, b, y = (Spec(shape=(rows, 3), scale=0.5) for _ in range(3))
    return single("ADD", [a, b], [y])


X = np.arange(-30, 30, dtype=np.int8).reshape(20, 3)


@pytest.mark.parametrize("engine", [TfliteMicro, Tflite])
def test_a_batch_is_run_window_by_window(engine: type) -> None:
    (y,) = engine(addition()).run([X, X[::-1]])
    assert y.dtype == np.int8
    assert np.array_equal(y, X + X[::-1])


@pytest.mark.parametrize("engine", [TfliteMicro, Tflite])
def test_the_batch_stands_before_a_shape_that_does_not_begin_with_one(engine: type) -> None:
    x = X.reshape(10, 2, 3)
    (y,) = engine(addition(rows=2)).run([x, x])
    assert np.array_equal(y, 2 * x)


@pytest.mark.parametrize("engine", [TfliteMicro, Tflite])
def test_no_windows_give_no_windows(engine: type) -> None:
    (y,) = engine(addition()).run([X[:0], X[:0]])
    assert y.shape == (0, 3)


@pytest.mark.parametrize("engine", [TfliteMicro, Tflite])
def test_inputs_of_another_type_or_shape_are_named(engine: type) -> None:
    runner = engine(addition())
    for wrong in (X.astype(np.int16), X[:, :2]):
        with pytest.raises(ModelError, match=r"input 1, 't1', is int8 \[B, 3\], got"):
            runner.run([X, wrong])
    with pytest.raises(ModelError, match="2 inputs, 1 were given"):
        runner.run([X])


def test_what_tflite_micro_cannot_read_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="TFLite-Micro cannot run this graph"):
        prepare_micro(addition()[:100], 4096)


def test_the_arena_found_is_the_smallest() -> None:
    """Too small an arena may crash the process, so it is tried in another."""
    content = addition()
    size = arena_bytes(content)
    assert size % 16 == 0

    def works(arena: int) -> bool:
        command = [sys.executable, "-m", "edgekd.program.arena", str(arena), "halve"]
        return bool(subprocess.run(command, input=content, capture_output=True, check=False).stdout)

    assert works(size)
    assert not works(size - 16)


def test_a_larger_graph_needs_a_larger_arena() -> None:
    def relu(width: int) -> bytes:
        return single("RELU", [Spec(shape=(1, width), scale=0.1)], [Spec(shape=(1, width), scale=0.1)])

    assert arena_bytes(relu(8192)) - arena_bytes(relu(64)) >= 8192


@pytest.mark.parametrize(("engine", "package"), [(TfliteMicro, "tflite_micro"), (Tflite, "ai_edge_litert.interpreter")])
def test_a_missing_package_is_a_tool_that_is_missing(
    engine: type, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ToolMissing) as caught:
        engine(addition())
    assert "pip install" in str(caught.value.hint)


def test_importing_the_program_loads_no_framework() -> None:
    code = (
        "import sys; from edgekd.program import arena, interpreters, package, reader, reference\n"
        "print([m for m in ('torch', 'onnx', 'tensorflow', 'ai_edge_litert', 'tflite_micro') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
