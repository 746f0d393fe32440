"""Errors of answers: over known targets only, pooled, by group, by step ahead, and their intervals over groups.

What the error of one target is, the task says. Targets that are only bounds are left out.
"""

import numpy as np
from numpy.typing import NDArray

from edgekd.data.windows import Windows

F64 = NDArray[np.float64]
DRAWS = 2000


def mae(forecast: NDArray[np.float32], target: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Mean absolute error over the usable targets: three arrays [B, O] -> a number in the target's unit."""
    if forecast.shape != target.shape or mask.shape != target.shape:
        raise ValueError(f"forecast {forecast.shape}, target {target.shape} and mask {mask.shape} differ in shape")
    return float(np.mean(_errors(forecast, target)[mask]))


def mean_error(answers: NDArray[np.float32], windows: Windows) -> float:
    """The task's error over known targets, answers [B, O]: mean absolute, or the share of wrong classes."""
    return float(np.mean(_windows_errors(answers, windows)[_counted(windows)]))


def mae_by_group(forecast: NDArray[np.float32], windows: Windows) -> dict[str, float]:
    """Mean absolute error of each group that has windows, by name."""
    total, count = _sums_by_group(forecast, windows)
    return {name: float(t / c) for name, t, c in zip(windows.groups, total, count, strict=True) if c}


def mae_by_horizon(forecast: NDArray[np.float32], windows: Windows) -> F64:
    """Mean absolute error of each step ahead: float64 [O], NaN where no target of a step is usable."""
    counted = _counted(windows)
    error = np.where(counted, _windows_errors(forecast, windows), 0.0)
    count = counted.sum(axis=0)
    return np.where(count > 0, error.sum(axis=0) / np.maximum(count, 1), np.nan)


def bootstrap_interval(
    forecast: NDArray[np.float32], windows: Windows, *, seed: int = 0, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of `mae` when whole groups are drawn with replacement (Efron and Tibshirani 1993, ch. 13).

    Windows of one group overlap and age alike, so groups, not windows, are what was sampled. With one group both ends
    are its error.
    """
    total, count = _sums_by_group(forecast, windows)
    total, count = total[count > 0], count[count > 0]
    drawn = _draws(len(total), seed)
    values = (drawn @ total) / (drawn @ count)
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _draws(groups: int, seed: int) -> F64:
    """How often each group is in each draw: float64 [DRAWS, groups]. The same draws for every model of a report."""
    picks = np.random.default_rng(seed).integers(0, groups, size=(DRAWS, groups))
    return np.stack([np.bincount(drawn, minlength=groups) for drawn in picks]).astype(np.float64)


def _windows_errors(answers: NDArray[np.float32], windows: Windows) -> F64:
    """Error of each target, float64 [B, S]."""
    return windows.task.errors(answers, windows.target)


def _counted(windows: Windows) -> NDArray[np.bool_]:
    """The targets that errors are counted over, bool [B, S]: known, and no mere bounds unless all of them are."""
    exact = windows.mask & ~windows.bound
    return exact if exact.any() else windows.mask


def _errors(forecast: NDArray[np.float32], target: NDArray[np.float32]) -> F64:
    return np.abs(forecast.astype(np.float64) - target)


def _sums_by_group(forecast: NDArray[np.float32], windows: Windows) -> tuple[F64, F64]:
    """Sum of absolute errors and number of usable targets of each group: float64 [groups] each."""
    counted = _counted(windows)
    error = np.where(counted, _windows_errors(forecast, windows), 0.0).sum(axis=1)
    total = np.zeros(len(windows.groups), dtype=np.float64)
    count = np.zeros(len(windows.groups), dtype=np.float64)
    np.add.at(total, windows.group, error)
    np.add.at(count, windows.group, counted.sum(axis=1))
    return total, count
