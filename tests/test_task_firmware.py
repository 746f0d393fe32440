"""Firmware of every task: the same answers as the reference interpreter, to the last bit, on every rung and scaling."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_folders import COLUMNS, make_model_folder, preprocess, windows

from edgekd.codegen.c_model import generate_model
from edgekd.contracts.board import load_board
from edgekd.contracts.engines import Engine
from edgekd.evaluate.firmware import run_native
from edgekd.evaluate.runtimes import forecast_model
from edgekd.program.package import load_model
from edgekd.tasks import Task
from edgekd.tasks.classify import Classify
from edgekd.tasks.estimate import Estimate
from edgekd.tasks.remaining import Remaining

CLASSES = ("rest", 'a "quoted" \\ name?', "Größe", "x", "y")
TASKS: list[Task] = [
    Estimate(column="soc"), Classify(column="move", classes=CLASSES), Remaining(column=COLUMNS[0], until=0.9),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "bits"), [("gru", 16), ("mlp", 8)])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_all_rungs_answer_alike(tmp_path: Path, task: Task, kind: str, bits: int) -> None:
    constants = replace(preprocess(), task=task, target_column=-1, relative=task.kind == "remaining")
    folder = make_model_folder(tmp_path, kind, bits, constants=constants)
    raw = windows(40, seed=1)
    wanted = forecast_model(folder, Engine.TWIN, raw)
    found = run_native(folder, raw, load_board("nano33ble")) | {Engine.TFLM: forecast_model(folder, Engine.TFLM, raw)}
    assert set(found) == {Engine.TFLM, Engine.HOST, Engine.BOARD}
    for answers in found.values():
        np.testing.assert_array_equal(answers.real, wanted.real)
    assert wanted.real.shape == (40, task.outputs) and np.ptp(wanted.real[:, 0]) > 0
    if task.text:
        np.testing.assert_allclose(wanted.real.sum(axis=1), 1, atol=1e-6)


def test_class_names_are_strings_of_c(tmp_path: Path) -> None:
    constants = replace(preprocess(), task=TASKS[1], target_column=-1)
    code = generate_model(load_model(make_model_folder(tmp_path, "mlp", 8, constants=constants)))
    source, header = str(code.files["battery.c"]), str(code.files["battery.h"])
    assert "const char *battery_class_name(uint32_t index);" in header
    assert '"a \\042quoted\\042 \\134 name\\077"' in source and '"Gr\\303\\266\\303\\237e"' in source
    assert "the probabilities of 5 classes of move" in header
    estimate = replace(preprocess(), task=TASKS[0], target_column=-1)
    code = generate_model(load_model(make_model_folder(tmp_path / "e", "mlp", 8, constants=estimate)))
    assert "class_name" not in str(code.files["battery.h"]) and "edgekd_probabilities.c" not in code.files
    assert "soc at the end of the window" in str(code.files["battery.h"])
