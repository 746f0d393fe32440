"""Baselines that are always beside the networks: what the same window says without any network.

Every one is a linear map of the same features, the cleaned window relative to its recent level:

    forecast = anchor_value + [(c - recent level) * gain, level, 1] @ weights

persistence carries the last cleaned sample on, line and parabola are least-squares fits to the last samples of the
target, extended over the horizon, and ridge is learnt. Lengths and the penalty are chosen on validation windows.
Where the target is not an input there is nothing to extend: the mean of the training targets takes persistence's place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgekd.data.metrics import mae
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
LENGTHS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500)
PENALTIES = tuple(10.0**exponent for exponent in range(-6, 4))
MOST_FEATURES = 1000  # the longest ridge: its cost is cubic in length times columns


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """A forecaster of raw windows. weights float64 [T*F + F + 1, O]; settings: what was chosen on validation."""

    name: str
    preprocess: Preprocess
    weights: F64
    settings: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, raw: F32) -> F32:
        """Forecast windows: raw float32 [B, T, F] -> [B, O] in the target's unit after divide_by."""
        features, anchor_value = _features(raw, self.preprocess)
        return _forecast(features, anchor_value, self.weights)


def fit_baselines(train: Windows, val: Windows, preprocess: Preprocess) -> dict[str, Baseline]:
    """Persistence, line, parabola and ridge by name; mean and ridge where the target is not an input."""
    features, anchor_value = _features(val.raw, preprocess)

    def best(name: str, tried: Iterator[tuple[dict[str, float], F64]]) -> Baseline:
        scored = ((mae(_forecast(features, anchor_value, w), val.target, val.mask), s, w) for s, w in tried)
        _, settings, weights = min(scored, key=lambda one: one[0])
        return Baseline(name=name, preprocess=preprocess, weights=weights, settings=settings)

    if preprocess.target_column >= 0:
        lengths = _lengths(preprocess)
        simple = [
            Baseline(name="persistence", preprocess=preprocess, weights=_polynomial(preprocess, degree=0, length=1)),
            best("line", (({"length": n}, _polynomial(preprocess, degree=1, length=n)) for n in lengths)),
            best("parabola", (({"length": n}, _polynomial(preprocess, degree=2, length=n)) for n in lengths)),
        ]
    else:
        nothing = np.zeros((_feature_count(preprocess), preprocess.horizon))
        simple = [Baseline(name="mean", preprocess=preprocess, weights=nothing)]
    return {one.name: one for one in [*simple, best("ridge", _ridges(train, preprocess))]}


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
    ahead = np.vander(np.arange(1, preprocess.horizon + 1) / length, degree + 1)
    weights = np.zeros((_feature_count(preprocess), preprocess.horizon))
    rows = np.arange(window - length, window) * columns + preprocess.target_column
    weights[rows] = (ahead @ np.linalg.pinv(past)).T / preprocess.gain[preprocess.target_column]
    return weights


def _ridges(train: Windows, preprocess: Preprocess) -> Iterator[tuple[dict[str, float], F64]]:
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
            weights = np.zeros((features.shape[1], preprocess.horizon))
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
