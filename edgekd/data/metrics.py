"""Errors of answers: over known targets only, pooled, by group, by step ahead, and their intervals over groups.

What the error of one target is, the task says. Targets that are only bounds are left out.
"""

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.results import ClassificationScore
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


def regression(answers: NDArray[np.float32], windows: Windows) -> dict[str, float | None]:
    """Errors of values over known targets, answers [B, O]: mae, rmse, bias; bounded: mean shortfall below bounds."""
    counted = _counted(windows)
    away = (answers.astype(np.float64) - windows.target)[counted]
    bounded = windows.mask & windows.bound
    short = np.maximum(windows.target - answers.astype(np.float64), 0)[bounded]
    return {
        "mae": float(np.abs(away).mean()),
        "rmse": float(np.sqrt(np.square(away).mean())),
        "bias": float(away.mean()),
        "bounded": float(short.mean()) if bounded.any() else None,
        "mape": _share_by_group(answers, windows),
    }


def _share_by_group(answers: NDArray[np.float32], windows: Windows) -> float | None:
    """Mean absolute error as a share of the whole, in per cent: mean over groups of the mean over their windows."""
    whole = windows.task.whole_of(windows.target, windows.start + windows.raw.shape[1] - 1)
    if whole is None:
        return None
    counted = _counted(windows).any(axis=1)
    share = (_windows_errors(answers, windows) / np.maximum(whole, 1)).mean(axis=1)
    groups = np.unique(windows.group[counted])
    return 100 * float(np.mean([share[counted & (windows.group == group)].mean() for group in groups]))


def classification(answers: NDArray[np.float32], windows: Windows) -> ClassificationScore:
    """Scores of probabilities [B, C] over windows whose label is known, without slices and interval."""
    known = windows.mask[:, 0]
    label, answer = windows.target[known, 0].astype(int), answers[known].argmax(axis=1)
    names = windows.task.class_names
    confusion = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(confusion, (label, answer), 1)
    right, labels, answered = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = right / np.maximum(labels, 1)
    f1 = 2 * right / np.maximum(labels + answered, 1)
    there = labels > 0
    return ClassificationScore(
        accuracy=float((label == answer).mean()),
        balanced_accuracy=float(recall[there].mean()),
        macro_f1=float(f1[there].mean()),
        ece=_calibration_error(answers[known].max(axis=1), label == answer),
        recalls={name: float(recall[i]) for i, name in enumerate(names) if there[i]},
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        smoothed=_smoothed_accuracy(answers, windows),
    )


def error_by(answers: NDArray[np.float32], windows: Windows, values: NDArray[np.str_]) -> dict[str, float]:
    """The task's error by what is in `values`, [B]; where nothing counts, a value is left out."""
    counted = _counted(windows)
    error = _windows_errors(answers, windows)
    by = {str(value): counted & (values == value)[:, None] for value in np.unique(values)}
    return {value: float(error[chosen].mean()) for value, chosen in by.items() if chosen.any()}


def majority(answer: NDArray[np.int64], group: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """The most frequent of the last `length` answers of a series, the newest among equals: two arrays [B] -> [B].

    Windows are in the order of time; the first of a series have fewer before them.
    """
    smoothed = answer.copy()
    for at in range(len(answer)):
        last = [answer[i] for i in range(at, max(-1, at - length), -1) if group[i] == group[at]]
        smoothed[at] = max(last, key=last.count)
    return smoothed


def _smoothed_accuracy(answers: NDArray[np.float32], windows: Windows) -> float | None:
    length = windows.task.smooth_over
    if length == 1:
        return None
    known = windows.mask[:, 0]
    smoothed = majority(answers.argmax(axis=1), windows.series, length)
    return float((smoothed == windows.target[:, 0])[known].mean())


def _calibration_error(confidence: NDArray[np.float32], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): mean gap of confidence and accuracy over bins of confidence."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(float(confidence[place == one].mean()) - float(right[place == one].mean())) * float((place == one).mean())
        for one in np.unique(place)
    ]
    return float(sum(gaps))


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
