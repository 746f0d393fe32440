"""Forecasts of a run's model for a table it has not seen."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgekd.config import Config
from edgekd.data.preprocess import Preprocess
from edgekd.data.table import Series, read_table
from edgekd.errors import ConfigError
from edgekd.pipeline.deploy import forecast
from edgekd.pipeline.engines import engine
from edgekd.program.forecaster import load_model
from edgekd.run import read_json


def predict(run: Path, table: Path, engine_name: str, candidate: str | None) -> str:
    """CSV with a row per window: group, order of its last sample, then the forecast of each step ahead.

    Windows are cut at the run's stride, back from the last sample of each series. ConfigError for an unknown candidate
    or engine, DataError when the table lacks what the model was trained on.
    """
    report = read_json(run / "report" / "report.json")
    name = candidate or report["chosen"]["name"]
    folder = run / "models" / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in (run / "models").glob("*")))
        raise ConfigError(f"the run has no candidate '{name}'", hint=f"it has {known}")
    preprocess = Preprocess.from_json(load_model(folder).preprocess)
    run_model = engine(folder, engine_name)
    data = _inputs_only(Config.model_validate(report["config"]).data, table)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [data.group, data.order, *(f"{preprocess.target}_{step + 1}" for step in range(preprocess.horizon))]
    )
    for series in read_table(data, Path()).series:
        last, raw = _windows(series, data.window, data.stride)
        for order, row in zip(last, forecast(run_model, preprocess, raw), strict=True):
            writer.writerow([series.group, order, *(f"{value:.9g}" for value in row)])
    return out.getvalue()


def _inputs_only(data: Any, table: Path) -> Any:
    """The same columns of another table; targets, flags and the split are not needed."""
    target = data.target if data.target in data.inputs else data.inputs[0]
    return data.model_copy(
        update={"table": str(table), "target": target, "ignore": None, "split": None, "horizon": 0, "divide_by": 1.0}
    )


def _windows(series: Series, window: int, stride: int) -> tuple[Any, Any]:
    """Order of the last samples, and raw windows float32 [B, T, F]."""
    starts = np.arange(len(series.order) - window, -1, -stride)[::-1]
    raw = sliding_window_view(series.inputs, window, axis=0)[starts].transpose(0, 2, 1)
    return series.order[starts + window - 1], np.ascontiguousarray(raw)
