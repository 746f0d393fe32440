import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_run
from processes import running
from small_run import Log, files, without_times

from edgekd.contracts.board import load_board
from edgekd.contracts.config import load_config
from edgekd.contracts.engines import Engine
from edgekd.contracts.errors import ConfigError, Disagreement, DoesNotFit
from edgekd.contracts.results import PairParity
from edgekd.emulate.sketch import Sketch, compile_sketch
from edgekd.evaluate import parity
from edgekd.pipeline import front, stages
from edgekd.pipeline.predict import predict


@pytest.fixture(scope="module")
def run(finished_run: Path) -> Path:
    """A folder with small.yaml, cells.csv and a finished run in out/, which other tests read, too."""
    return finished_run


def test_a_run_leaves_models_firmware_and_a_report(run: Path) -> None:
    report = without_times(run / "out")
    assert set(report["baselines"]) == {"persistence", "line", "parabola", "ridge"}
    names = [one["name"] for one in report["candidates"]]
    plain = [name for name in names if not name.endswith("_fine")]
    assert len(plain) == 5
    assert len(names) == len(plain) + 1
    assert {one["kind"] for one in report["candidates"]} == {"liquid", "gru", "mlp", "tcn"}
    for name in names:
        assert (run / "out" / "models" / name / "head.tflite").is_file()
    chosen = report["chosen"]
    best = min(report["candidates"], key=lambda one: one["val"]["mae"])
    assert chosen["name"] == best["name"]
    assert (run / "out" / "firmware" / chosen["name"] / "small_tflm" / "small_tflm.ino").is_file()
    assert any(one["on_front"] for one in report["candidates"])


def test_every_candidate_is_measured_on_the_emulated_board(run: Path) -> None:
    report = without_times(run / "out")
    for one in [*report["candidates"], report["chosen"]]:
        native = one["measured"]
        assert 1500 < native["flash_bytes"] < 12_000
        assert 400 < native["ram_bytes"] < 3000
        assert native["cycles"] > native["instructions"] > 1000
        assert native["ms"] == pytest.approx(native["cycles"] / 64e3)
        assert native["energy_uj"] > 0


def test_the_native_sketch_passes_its_own_test_on_the_emulated_board(run: Path, tmp_path: Path) -> None:
    chosen = without_times(run / "out")["chosen"]["name"]
    folder = run / "out" / "firmware" / chosen / "small_native"
    printed = Sketch(compile_sketch(folder, load_board("nano33ble"), tmp_path / "sketch.elf")).setup()
    assert "PASS" in printed
    assert "FAIL" not in printed


def test_integer_engines_are_equal_on_every_window_of_every_point_of_the_front(run: Path) -> None:
    report = without_times(run / "out")
    front = {one["name"] for one in report["candidates"] if one["on_front"]}
    assert set(report["parity_by_candidate"]) == front | {report["chosen"]["name"]}
    parts = report["data"]["parts"]
    windows = parts["val"]["windows"] + parts["test"]["windows"]
    for pairs in report["parity_by_candidate"].values():
        for pair in ("twin_tflm", "twin_host", "twin_board", "tflm_sketch"):
            assert pairs[pair]["windows"] == pairs[pair]["equal"] == windows
        assert pairs["torch_onnx"]["max_abs"] <= 1e-5
        assert pairs["onnx_tflite_float"]["max_abs"] <= 1e-5


def test_nothing_a_run_writes_names_this_machine(run: Path) -> None:
    for name, content in files(run / "out").items():
        assert str(run).encode() not in content, name


@pytest.mark.heavy
def test_the_same_seed_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    stages.compress(load_config(small_run.write(tmp_path)), tmp_path / "out", Log())
    assert files(tmp_path / "out") == files(run / "out")
    assert without_times(tmp_path / "out") == without_times(run / "out")


class Stopped(Exception):
    """What was to be seen has been seen."""


class StopAt(Log):
    """Stops a run where a piece is built."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def start(self, what: str, total: int) -> None:
        if what == self.what:
            raise Stopped
        super().start(what, total)

    def made(self, what: str, seconds: float) -> None:
        if what == self.what:
            raise Stopped
        super().made(what, seconds)


def test_a_finished_run_does_nothing_again_and_a_change_redoes_what_depends_on_it(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "out", tmp_path / "out")
    log = Log()
    stages.compress(load_config(small_run.write(tmp_path)), tmp_path / "out", log)
    assert [what for what in log.built if what not in ("teacher", "search", "refine", "verify")] == []
    log = StopAt("search/000_gru_4")
    changed = load_config(small_run.write(tmp_path, distill="{stage1: output_l1, stage2: output_mse}"))
    with pytest.raises(Stopped):
        stages.compress(changed, tmp_path / "out", log)
    assert {"data", "teacher"} <= set(log.skipped)
    log = StopAt("data")
    table = tmp_path / "cells.csv"
    config = load_config(small_run.write(tmp_path))
    table.write_text(table.read_text().replace("0.9", "0.8", 1))
    with pytest.raises(Stopped):
        stages.compress(config, tmp_path / "out", log)


def finished_pieces(folder: Path) -> int:
    file = folder / "manifest.json"
    return len(json.loads(file.read_text())["pieces"]) if file.exists() else 0


@pytest.mark.heavy
def test_killed_at_any_time_it_goes_on_and_ends_the_same(run: Path, tmp_path: Path) -> None:
    config, out = small_run.write(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "edgekd", "compress", str(config), "--out", str(out)]
    rng = random.Random(0)
    whole = finished_pieces(run / "out")
    for workers, share in (("1", rng.uniform(0.1, 0.4)), ("2", rng.uniform(0.5, 0.8))):
        with running(
            [*command, "--workers", workers],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        ) as process:  # fmt: skip
            while finished_pieces(out) < share * whole and process.poll() is None:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.3))
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    assert finished_pieces(out) < whole
    subprocess.run([*command, "--workers", "1"], check=True, capture_output=True)
    assert files(tmp_path / "out") == files(run / "out")
    assert without_times(tmp_path / "out") == without_times(run / "out")


def test_a_budget_nothing_meets_says_what_is_nearest(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    (tmp_path / "tight.yaml").write_text((run / "small.yaml").read_text() + "budget: {flash_bytes: 100}\n")
    with pytest.raises(
        DoesNotFit, match=r"no candidate meets the budget of 100 bytes of flash.*the smallest, \w+, needs \d+ bytes"
    ):
        stages.compress(load_config(tmp_path / "tight.yaml"), tmp_path / "out", Log())


def test_a_difference_between_integer_engines_is_an_error() -> None:
    pair = PairParity(engines=(Engine.ONNX, Engine.TFLITE_FLOAT), windows=10, equal=9, max_abs=0.5, tolerance=0.0)
    with pytest.raises(Disagreement, match="onnx and tflite_float differ in 1 of 10 windows, by up to 0.5"):
        parity.check({pair.name: pair}, "gru4_w8a8_s00")
    parity.check({pair.name: pair.model_copy(update={"tolerance": None})}, "gru4_w8a8_s00")


@pytest.mark.parametrize("engine", ["twin", "tflite", "tflm", "host", "board", "onnx", "torch"])
def test_predict_forecasts_another_table(run: Path, tmp_path: Path, engine: str) -> None:
    table = pd.read_csv(run / "cells.csv")
    first = table["cell_id"].iloc[0]
    table = table[table["cell_id"] == first].drop(columns=["is_outlier"])
    table.to_csv(tmp_path / "new.csv", index=False)
    lines = predict(run / "out", tmp_path / "new.csv", engine, None).splitlines()
    assert lines[0].split(",")[:3] == ["series", "cycle", "discharge_capacity_Ah_1"]
    last = lines[-1].split(",")
    assert last[0] == first
    assert int(last[1]) == table["cycle"].max()
    values = np.array(last[2:], dtype=float)
    assert len(values) == 20
    assert (np.abs(values - table["discharge_capacity_Ah"].iloc[-1]) < 0.11).all(), "in Ah, not in units of divide_by"


def test_the_front_of_a_run_has_measured_figures_and_firmware_for_each_point(run: Path) -> None:
    found = front.front(run / "out")
    assert found
    rows = [one.row() for one in found]
    assert [one["val_mae"] for one in rows] == sorted(one["val_mae"] for one in rows)
    for one in rows:
        score = json.loads((run / "out" / "models" / one["name"] / "score.json").read_text())
        assert (one["val_mae"], one["cycles"]) == (score["val"]["mae"], score["measured"]["cycles"])
        assert one["test_mae"] > 0
    with pytest.raises(ConfigError, match="no candidate 'mlp9_w8a8_s00'"):
        front.export(run / "out", "mlp9_w8a8_s00", Log())


def test_any_point_becomes_firmware(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "out", tmp_path / "out")
    name = front.front(tmp_path / "out")[-1].name
    folder = front.export(tmp_path / "out", name, Log())
    assert folder == tmp_path / "out" / "firmware" / name
    assert (folder / "small_tflm" / "small_tflm.ino").is_file()
