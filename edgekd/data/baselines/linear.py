"""Linear maps of the samples of a window, cleaned and relative to its recent level:

    forecast = anchor value + [(c - level) * gain, level, 1] @ weights

persistence carries the last cleaned sample on, line and parabola are least-squares fits to the last samples of the
target, extended over the horizon, mean is that of the training targets, and ridge is learnt. Lengths and the penalty
are chosen on validation windows.
"""

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from edgekd.data.baselines.baseline import Baseline, Fitting, best_of
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows
from edgekd.tasks.remaining import Remaining

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
LENGTHS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500)
PENALTIES = tuple(10.0**exponent for exponent in range(-6, 4))
MOST_FEATURES = 1000  # the longest ridge: its cost is cubic in length times columns
Tried = Iterator[tuple[dict[str, float], F64]]
"""Settings and the weights, float64 [T * F + F + 1, O], that follow from them."""


class Linear(Baseline):
    """A linear map; arrays: `weights`."""

    def __call__(self, raw: F32) -> F32:
        features, anchor_value = _features(raw, self.preprocess)
        return _forecast(features, anchor_value, self.arrays["weights"])

    @classmethod
    def best(cls, data: Fitting, tried: Tried) -> Self:
        """The one of the lowest error on validation windows."""
        features, anchor_value = _features(data.val.raw, data.preprocess)
        answers = ((_forecast(features, anchor_value, weights), (settings, weights)) for settings, weights in tried)
        settings, weights = best_of(answers, data.val)
        return cls(preprocess=data.preprocess, arrays={"weights": weights}, settings=settings)


class Mean(Linear):
    """The mean of the training targets, whatever the window holds."""

    name: ClassVar[str] = "mean"

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        nothing = np.zeros((_feature_count(data.preprocess), data.preprocess.task.outputs))
        return cls(preprocess=data.preprocess, arrays={"weights": nothing}, settings={})


class Persistence(Linear):
    """The last cleaned sample."""

    name: ClassVar[str] = "persistence"

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        weights = _polynomial(data.preprocess, degree=0, length=1)
        return cls(preprocess=data.preprocess, arrays={"weights": weights}, settings={})


class Line(Linear):
    """The least-squares line through the last samples, extended."""

    name: ClassVar[str] = "line"
    degree: ClassVar[int] = 1

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        tried: Tried = (
            ({"length": float(length)}, _polynomial(data.preprocess, degree=cls.degree, length=length))
            for length in _lengths(data.preprocess)
        )
        return cls.best(data, tried)


class Parabola(Line):
    """The least-squares parabola through the last samples, extended."""

    name: ClassVar[str] = "parabola"
    degree: ClassVar[int] = 2


class Ridge(Linear):
    """Ridge regression on the samples, in closed form, for each length and penalty."""

    name: ClassVar[str] = "ridge"

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        return cls.best(data, _ridges(data.train, data.preprocess))


class Extrapolation(Baseline):
    """The least-squares line through the last cleaned samples, extended to where it meets the limit of a task of
    remaining life. arrays: `most` [1], the longest life seen in training, which no answer exceeds.
    """

    name: ClassVar[str] = "extrapolation"

    def __call__(self, raw: F32) -> F32:
        length, column = int(self.settings["length"]), self.preprocess.columns.index(self.preprocess.task.column)
        c = self.preprocess.clean(raw)[:, -length:, column].astype(np.float64)
        steps = np.arange(1 - length, 1)
        slope = ((c - c.mean(axis=1, keepdims=True)) * (steps - steps.mean())).sum(axis=1) / np.var(steps) / length
        now = c.mean(axis=1) - slope * steps.mean()
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.where(slope < 0, (now - self.settings["until"]) / -slope, np.inf)
        return np.clip(left, 0, self.arrays["most"][0])[:, None].astype(np.float32)

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        task = data.preprocess.task
        assert isinstance(task, Remaining)
        arrays = {"most": np.array([data.train.target[data.train.mask].max()], dtype=np.float64)}
        tried = (
            cls(preprocess=data.preprocess, arrays=arrays, settings={"length": float(length), "until": task.until})
            for length in _lengths(data.preprocess)
        )
        return best_of(((one(data.val.raw), one) for one in tried), data.val)


def _features(raw: F32, preprocess: Preprocess) -> tuple[F64, F32]:
    """Cleaned samples relative to the level, oldest first, the level and 1, [B, T*F + F + 1], and the anchor [B]."""
    _, level, anchor_value = preprocess.transform(raw)
    recent = (level.astype(np.float64) / preprocess.level_gain + preprocess.level_mean)[:, None]
    away = (preprocess.clean(raw) - recent) * preprocess.gain.astype(np.float64)
    one = np.ones((len(raw), 1))
    return np.concatenate([away.reshape(len(raw), -1), level, one], axis=1), anchor_value


def _feature_count(preprocess: Preprocess) -> int:
    return (preprocess.window + 1) * len(preprocess.columns) + 1


def _forecast(features: F64, anchor_value: F32, weights: F64) -> F32:
    return (anchor_value[:, None] + features @ weights).astype(np.float32)


def _lengths(preprocess: Preprocess) -> list[int]:
    """Lengths to try: those of LENGTHS that are shorter than the window, and the window."""
    return [length for length in LENGTHS if length < preprocess.window] + [preprocess.window]


def _polynomial(preprocess: Preprocess, *, degree: int, length: int) -> F64:
    """Weights of the least-squares polynomial through the last `length` samples of the target."""
    columns, window = len(preprocess.columns), preprocess.window
    past = np.vander(np.arange(1 - length, 1) / length, degree + 1)
    ahead = np.vander(np.arange(1, preprocess.task.steps + 1) / length, degree + 1)
    weights = np.zeros((_feature_count(preprocess), preprocess.task.steps))
    rows = np.arange(window - length, window) * columns + preprocess.target_column
    weights[rows] = (ahead @ np.linalg.pinv(past)).T / preprocess.gain[preprocess.target_column]
    return weights


def _ridges(train: Windows, preprocess: Preprocess) -> Tried:
    """Ridge weights in closed form, for each length and penalty: w = (X'X/B + penalty I)^-1 X'Y/B, X and Y centred."""
    features, anchor_value = _features(train.raw, preprocess)
    change = _interpolated(train) - anchor_value[:, None].astype(np.float64)
    columns, window = len(preprocess.columns), preprocess.window
    lengths = _lengths(preprocess)
    for length in [n for n in lengths if n * columns <= MOST_FEATURES] or lengths[:1]:
        used = np.arange((window - length) * columns, (window + 1) * columns)
        x_mean, y_mean = features[:, used].mean(axis=0), change.mean(axis=0)
        x = features[:, used] - x_mean
        values, vectors = np.linalg.eigh(x.T @ x / len(x))
        projected = vectors.T @ (x.T @ (change - y_mean) / len(x))
        for penalty in PENALTIES:
            slopes = vectors @ (projected / (np.maximum(values, 0) + penalty)[:, None])
            weights = np.zeros((features.shape[1], preprocess.task.steps))
            weights[used] = slopes
            weights[-1] = y_mean - x_mean @ slopes
            yield {"length": length, "penalty": penalty}, weights


def _interpolated(windows: Windows) -> F64:
    """Targets [B, O], unusable ones interpolated between usable ones of the window; for fitting, never for scores."""
    target = windows.target.astype(np.float64)
    step = np.arange(target.shape[1])
    for i in np.flatnonzero(~windows.mask.all(axis=1)):
        usable = windows.mask[i]
        target[i] = np.interp(step, step[usable], target[i, usable])
    return target
