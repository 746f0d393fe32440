"""Baselines that are always beside the networks: what the same window says without any network."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.data.baselines.baseline import Baseline, Fitting
from edgekd.data.baselines.linear import Extrapolation, Line, Mean, Parabola, Persistence, Ridge
from edgekd.data.baselines.statistics import Forest, Logistic, Majority, NearestMean, Quadratic
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows

__all__ = ["BASELINES", "Baseline", "fit_baselines", "load_baselines", "save_baselines"]

_OF_VALUES = (Mean, Persistence, Line, Parabola, Ridge, Extrapolation, Quadratic)
_OF_CLASSES = (Majority, Logistic, NearestMean, Forest)
BASELINES: dict[str, type[Baseline]] = {baseline.name: baseline for baseline in (*_OF_VALUES, *_OF_CLASSES)}


def fit_baselines(train: Windows, val: Windows, preprocess: Preprocess) -> dict[str, Baseline]:
    """The baselines of the task, by name."""
    data = Fitting(train=train, val=val, preprocess=preprocess)
    names = preprocess.task.baselines(preprocess.columns)
    return {name: BASELINES[name].fit(data) for name in names}


def save_baselines(baselines: Mapping[str, Baseline], path: Path) -> None:
    """Write what was learnt to an .npz file; the settings are the caller's."""
    arrays = {f"{name}/{key}": array for name, one in baselines.items() for key, array in one.arrays.items()}
    np.savez(path, allow_pickle=False, **arrays)


def load_baselines(
    path: Path, settings: Mapping[str, Mapping[str, float]], preprocess: Preprocess
) -> dict[str, Baseline]:
    """Read baselines back, in the order of `settings`."""
    with np.load(path, allow_pickle=False) as file:
        arrays: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in settings}
        for key in file.files:
            name, _, part = key.partition("/")
            arrays[name][part] = file[key]
    return {
        name: BASELINES[name](preprocess=preprocess, arrays=arrays[name], settings=settings[name]) for name in settings
    }
