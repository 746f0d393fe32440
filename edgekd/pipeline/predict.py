"""Forecasts of a run's model for a table it has not seen."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.board import load_board
from edgekd.contracts.engines import NATIVE, Engine
from edgekd.contracts.errors import ConfigError
from edgekd.contracts.results import read_report
from edgekd.data.unseen import own_unit, read_inputs, windows_to_the_end
from edgekd.evaluate.firmware import run_native
from edgekd.evaluate.runtimes import forecast, load_preprocess, load_runtime
from edgekd.run import Pieces

F32 = NDArray[np.float32]


def predict(run: Path, table: Path, engine_name: str, candidate: str | None) -> str:
    """Forecast a table: CSV with a row per window, which holds the series, the order of its last sample and the answers
    in the target's own unit, `<target>_1` and so on.

    Windows are cut at the run's stride, back from the last sample of each series. ConfigError for an unknown candidate
    or engine, DataError when the table lacks what the model was trained on.
    """
    report = read_report(run)
    name = candidate or report.chosen.name
    folder = run / "models" / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in (run / "models").glob("*")))
        raise ConfigError(f"the run has no candidate '{name}'", hint=f"it has {known}")
    Pieces(run).require(f"models/{name}")
    task = load_preprocess(folder).task
    run_model = _forecaster(folder, engine_name, report.board)
    config = report.resolved_config()
    data = config.data
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["series", data.order, *task.summary_names(), *task.answer_names()])
    for series in read_inputs(data, table):
        last, raw = windows_to_the_end(series, data.window, data.stride)
        if len(raw) == 0:
            continue
        answers = run_model(raw)
        rows = own_unit(answers, data.divide_by)
        for order, summary, row in zip(last, task.summaries(answers), rows, strict=True):
            values = (f"{value:.9g}" for value in row)
            writer.writerow([series.name, series.position(int(order)), *summary, *values])
    return out.getvalue()


def _forecaster(folder: Path, name: str, board: str) -> Callable[[F32], F32]:
    """Raw windows [B, T, F] -> forecasts [B, O]. Generated C does its own preprocessing."""
    if name not in tuple(Engine):
        raise ConfigError(f"unknown engine '{name}'", hint=f"engines: {', '.join(Engine)}")
    engine = Engine(name)
    if engine in NATIVE:
        target = load_board(board)
        if engine == Engine.BOARD and not target.emulated:
            raise ConfigError(f"the run's board '{board}' is not emulated", hint="--engine host")
        return lambda raw: run_native(folder, raw, target)[engine].real
    runtime, preprocess = load_runtime(folder, engine), load_preprocess(folder)
    return lambda raw: forecast(runtime, preprocess, raw).real
