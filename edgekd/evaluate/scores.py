"""Errors of answers and of models on prepared windows."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.engines import Engine
from edgekd.contracts.results import AnyScore, ClassificationScore, RegressionScore
from edgekd.data import metrics
from edgekd.data.windows import Windows
from edgekd.evaluate.runtimes import forecast_model
from edgekd.tasks import Task


def score(answers: NDArray[np.float32], windows: Windows) -> AnyScore:
    """Errors of answers [B, O], with the interval of the one that the task is about over groups."""
    interval = metrics.bootstrap_interval(answers, windows)
    slices = {name: metrics.error_by(answers, windows, values) for name, values in windows.slices.items()}
    if windows.task.text:
        known = dict(metrics.classification(answers, windows))
        return ClassificationScore.model_validate(known | {"slices": slices, "interval": interval})
    return RegressionScore.model_validate(
        metrics.regression(answers, windows) | {"slices": slices, "interval": interval}
    )


def bare_score(task: Task, error: float) -> AnyScore:
    """A score of which nothing but the error is known."""
    return ClassificationScore(accuracy=1 - error) if task.text else RegressionScore(mae=error)


def score_model(folder: Path, engine: Engine, windows: Windows) -> AnyScore:
    """Error of the model in models/<candidate>/ on an engine other than generated C."""
    return score(forecast_model(folder, engine, windows.raw).real, windows)
