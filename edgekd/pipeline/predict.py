"""Forecasts of a run's model for a table it has not seen."""

import csv
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgekd.contracts.board import load_board
from edgekd.contracts.config import Data, FractionSplit
from edgekd.contracts.engines import NATIVE, Engine
from edgekd.contracts.errors import ConfigError
from edgekd.contracts.results import read_report
from edgekd.data.preprocess import Preprocess
from edgekd.data.table import Series, read_table
from edgekd.evaluate.firmware import run_native
from edgekd.evaluate.parity import forecast
from edgekd.evaluate.runtimes import engine
from edgekd.program.package import load_model
from edgekd.tasks import Estimate, Task

F32 = NDArray[np.float32]


def predict(run: Path, table: Path, engine_name: str, candidate: str | None) -> str:
    """CSV with a row per window: series, order of its last sample, then the answers in the unit of the table.

    Windows are cut at the run's stride, back from the last sample of each series. ConfigError for an unknown candidate
    or engine, DataError when the table lacks what the model was trained on.
    """
    report = read_report(run)
    name = candidate or report.chosen.name
    folder = run / "models" / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in (run / "models").glob("*")))
        raise ConfigError(f"the run has no candidate '{name}'", hint=f"it has {known}")
    preprocess = Preprocess.from_json(load_model(folder).preprocess)
    run_model = _forecaster(folder, engine_name, preprocess, report.board)
    config = report.resolved_config()
    data, task = inputs_only(config.data, table)
    unit = config.data.divide_by
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["series", data.order, *preprocess.task.summary_names(), *preprocess.task.answer_names()])
    for series in read_table(data, task, Path()).series:
        last, raw = _windows(series, data.window, data.stride)
        answers = run_model(raw)
        for order, summary, row in zip(last, preprocess.task.summaries(answers), answers, strict=True):
            values = (f"{value * unit:.9g}" for value in row.astype(np.float64))
            writer.writerow([series.name, series.position(int(order)), *summary, *values])
    return out.getvalue()


def _forecaster(folder: Path, name: str, preprocess: Preprocess, board: str) -> Callable[[F32], F32]:
    """Raw windows [B, T, F] -> forecasts [B, O]. The native engines do their own preprocessing."""
    if name in NATIVE:
        native, target = Engine(name), load_board(board)
        if name == Engine.BOARD and not target.emulated:
            raise ConfigError(f"the run's board '{board}' is not emulated", hint="--engine host")
        nothing = np.empty((0, preprocess.task.outputs), np.float32)
        return lambda raw: run_native(folder, raw, target)[native].real if len(raw) else nothing
    return partial(forecast, engine(folder, name), preprocess)


def inputs_only(data: Data, table: Path) -> tuple[Data, Task]:
    """The same columns of another table, where target, flags and split may be absent; its task asks for an input."""
    changes: dict[str, Any] = {"table": str(table), "group": data.series, "ignore": None, "slices": []}
    changes |= {"divide_by": 1.0, "split": FractionSplit()}
    return data.model_copy(update=changes), Estimate(column=data.inputs[0])


def _windows(series: Series, window: int, stride: int) -> tuple[Any, Any]:
    """Order of the last samples, and raw windows float32 [B, T, F]."""
    starts = np.arange(len(series.order) - window, -1, -stride)[::-1]
    raw = sliding_window_view(series.inputs, window, axis=0)[starts].transpose(0, 2, 1)
    return series.order[starts + window - 1], np.ascontiguousarray(raw)
