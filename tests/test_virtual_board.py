"""Real models on the virtual board: native sketches of every kind, compared with the twin over a good and a bad line.

EDGEKD_BOARD_WINDOWS says how many windows each model runs, EDGEKD_STREAM_SAMPLES how long the stream is.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from model_folders import COLUMNS, WINDOW, make_model_folder, preprocess, windows
from numpy.typing import NDArray

from edgekd.codegen.c_model import generate_model
from edgekd.codegen.sketches import Vectors, model_libraries, native_sketch
from edgekd.contracts.board import load_board
from edgekd.contracts.errors import BoardUnreachable
from edgekd.deploy.device import Device
from edgekd.deploy.link import open_link
from edgekd.deploy.replay import validate
from edgekd.deploy.run_model import chosen_on
from edgekd.emulate.compiler import Image
from edgekd.emulate.sketch import Sketch, compile_sketch
from edgekd.emulate.virtual import VirtualBoard
from edgekd.program import reference
from edgekd.program.package import Forecaster, load_model
from edgekd.program.reader import read_tflite
from edgekd.run import write_files

pytest.importorskip("unicorn", reason="unicorn is not installed")
pytest.importorskip("serial", reason="pyserial is not installed")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")

COUNT = int(os.environ.get("EDGEKD_BOARD_WINDOWS", "4"))
SAMPLES = int(os.environ.get("EDGEKD_STREAM_SAMPLES", "300"))
KINDS = [(kind, bits) for kind in ("liquid", "gru", "mlp") for bits in (8, 16)]


class Quiet:
    def start(self, what: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...
    def finish(self) -> None: ...
    def kept(self, what: str) -> None: ...


def expect(folder: Path, raw: NDArray[np.float32]) -> Vectors:
    """What the twin makes of raw windows."""
    forecaster = Forecaster(load_model(folder), lambda content: partial(reference.run, read_tflite(content)))
    relative, level, anchor_value = preprocess().transform(raw)
    integers = forecaster.integers(relative, level)
    return Vectors(raw=raw, output=integers, forecast=preprocess().decode(forecaster.real(integers), anchor_value))


@pytest.fixture(scope="module", params=KINDS, ids=lambda one: f"{one[0]}_a{one[1]}")
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Image]:
    return make(tmp_path_factory.mktemp("models"), *request.param)


def make(out: Path, kind: str, bits: int) -> tuple[Path, Image]:
    folder = make_model_folder(out, kind, bits)
    deployed = load_model(folder)
    sketch = out / "battery_native"
    write_files(
        out,
        model_libraries("battery", generate_model(deployed).files)
        | native_sketch(deployed, expect(folder, windows(2, seed=1))),
    )
    return folder, compile_sketch(sketch, load_board("nano33ble"), out / "sketch.elf", profile="arduino")


@contextmanager
def device(image: Image, **faults: object) -> Iterator[tuple[Device, VirtualBoard]]:
    over = threading.Event()
    with VirtualBoard(Sketch(image, counting=True), **faults) as board:  # type: ignore[arg-type]
        thread = threading.Thread(target=board.serve, args=(over.is_set,))
        thread.start()
        try:
            link = open_link(board.port)
            yield Device(link), board
            link.close()
        finally:
            over.set()
            thread.join()


def test_every_window_is_equal(model: tuple[Path, Image]) -> None:
    folder, image = model
    expected = expect(folder, windows(COUNT, seed=7))
    with device(image) as (board, _):
        found = validate(board, expected.raw, expected.output, expected.forecast, Quiet())
    assert (found.windows, found.equal, found.lost) == (COUNT, COUNT, 0)
    assert found.first_difference is None
    assert found.cycles_measured > 1000
    print(found)


def test_a_bad_line_and_resets_make_no_wrong_forecast(model: tuple[Path, Image]) -> None:
    folder, image = model
    expected = expect(folder, windows(COUNT, seed=8))
    resets = [2_000 * COUNT * (n + 1) // 6 for n in range(5)]
    with device(image, noise=0.01, resets=resets, seed=3) as (board, virtual):
        found = validate(board, expected.raw, expected.output, expected.forecast, Quiet())
        assert virtual.damaged > 10 * COUNT
        assert virtual.resets_left == 0
        assert found.line.resets == 5
    assert (found.windows, found.equal, found.lost) == (COUNT, COUNT, 0)
    assert found.line.unanswered > 0
    print(found, virtual.damaged)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Image]:
    return make(tmp_path_factory.mktemp("one"), "gru", 16)


def test_a_difference_is_found_and_named(one: tuple[Path, Image]) -> None:
    folder, image = one
    expected = expect(folder, windows(3, seed=9))
    wrong = expected.output.copy()
    wrong[1, 2] += 1
    with device(image) as (board, _):
        found = validate(board, expected.raw, wrong, expected.forecast, Quiet())
    assert (found.equal, found.lost) == (2, 0)
    assert found.first_difference.startswith(f"window 1, output 2: integer {wrong[1, 2] - 1}, expected {wrong[1, 2]}")


def test_another_model_is_told(one: tuple[Path, Image], tmp_path: Path) -> None:
    other = tmp_path / "runs" / "other"
    with (
        device(one[1]) as (board, _),
        pytest.raises(BoardUnreachable, match="runs battery gru6_w8a16_s00 .* which is not of .*runs/other"),
    ):
        chosen_on(board, [other])


def test_a_long_stream_does_not_drift_and_needs_no_more_memory(one: tuple[Path, Image]) -> None:
    folder, image = one
    rng = np.random.default_rng(0)
    samples = (rng.normal(size=(SAMPLES, len(COLUMNS))) * [0.002, 0.3] + [1.0, 30]).astype(np.float32)
    samples[:, 0] -= np.linspace(0, 0.2, SAMPLES, dtype=np.float32)
    every = max(1, SAMPLES // 100)
    ends = [end for end in range(WINDOW, SAMPLES + 1) if end % every == 0]
    expected = expect(folder, np.stack([samples[end - WINDOW : end] for end in ends]))
    with device(image) as (board, virtual):
        board.reset()
        deepest = []
        at = 0
        for n, end in enumerate(ends):
            board.push(samples[at:end])
            at = end
            answer = board.read()
            np.testing.assert_array_equal(answer.integers, expected.output[n])
            np.testing.assert_array_equal(answer.forecast, expected.forecast[n])
            deepest.append(virtual.sketch.stack_bytes)
        assert board.link.stats.reloads == 0
    assert max(deepest[len(deepest) // 2 :]) <= max(deepest[: len(deepest) // 2])
    print(len(ends), "forecasts, stack", max(deepest))
