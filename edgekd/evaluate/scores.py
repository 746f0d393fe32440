"""Errors of forecasts and of models on prepared windows."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.engines import Engine
from edgekd.contracts.results import AnyScore, RegressionScore
from edgekd.data.metrics import bootstrap_interval, mae
from edgekd.data.windows import Windows
from edgekd.evaluate.runtimes import forecast_model


def score(forecasts: NDArray[np.float32], windows: Windows) -> AnyScore:
    """Error of forecasts [B, O], with its interval over groups."""
    interval = bootstrap_interval(forecasts, windows)
    return RegressionScore(mae=mae(forecasts, windows.target, windows.mask), interval=interval)


def score_model(folder: Path, engine: Engine, windows: Windows) -> AnyScore:
    """Error of the model in models/<candidate>/ on an engine other than generated C."""
    return score(forecast_model(folder, engine, windows.raw).real, windows)
