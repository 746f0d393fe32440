"""Baselines on what a person would compute of a window: statistics of each input column over its cleaned samples."""

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from edgekd.data.baselines.base import Baseline, Fitting, best_of
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
PENALTIES = tuple(10.0**exponent for exponent in range(-8, 3))
STATISTICS = ("mean", "spread", "first", "last", "minimum", "maximum", "quartile1", "quartile3", "change")
FEW_STATISTICS = 64  # columns times STATISTICS, up to which products of two of them are made
CHUNK = 4096


def statistics(raw: F32, preprocess: Preprocess) -> F64:
    """STATISTICS of each column: raw [B, T, F] -> [B, 9 F].

    first, last: means of a patch; change: mean distance of neighbors.
    """
    parts = []
    for start in range(0, len(raw), CHUNK):
        c = preprocess.clean(raw[start : start + CHUNK]).astype(np.float64)
        low, high = np.quantile(c, [0.25, 0.75], axis=1)
        p = preprocess.patch
        parts.append(
            np.concatenate(
                [c.mean(1), c.std(1), c[:, :p].mean(1), c[:, -p:].mean(1), c.min(1), c.max(1), low, high,
                 np.abs(np.diff(c, axis=1)).mean(1)], axis=1,
            )
        )  # fmt: skip
    return np.concatenate(parts) if parts else np.empty((0, len(STATISTICS) * raw.shape[2]))


class Statistics(Baseline):
    """Standardized statistics. arrays: `center` and `spread` [9 F] of the training windows, beside a model's own."""

    def features(self, raw: F32) -> F64:
        """Standardized statistics of raw windows [B, T, F]."""
        return (statistics(raw, self.preprocess) - self.arrays["center"]) / self.arrays["spread"]

    @staticmethod
    def fitted(data: Fitting) -> tuple[F64, dict[str, F64]]:
        """Standardized statistics of the training windows, and how they are standardized."""
        values = statistics(data.train.raw, data.preprocess)
        center, spread = values.mean(axis=0), values.std(axis=0)
        spread[spread == 0] = 1.0
        return (values - center) / spread, {"center": center, "spread": spread}


class Quadratic(Statistics):
    """Ridge regression on statistics and, of few, their products of two; arrays: `weights` [features, O]."""

    name: ClassVar[str] = "quadratic"

    def __call__(self, raw: F32) -> F32:
        scaled = _products(self.features(raw)) @ self.arrays["weights"]
        anchor = self.preprocess.transform(raw)[2] if len(raw) else np.empty(0, np.float32)
        return self.preprocess.decode(scaled.astype(np.float32), anchor)

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        features, standard = cls.fitted(data)
        exact = data.train.mask[:, 0] & ~data.train.bound[:, 0]
        target = data.preprocess.encode_target(data.train.target, data.preprocess.transform(data.train.raw)[2])[exact]
        tried = (
            cls(preprocess=data.preprocess, arrays={**standard, "weights": weights}, settings={"penalty": penalty})
            for penalty, weights in _ridges(_products(features[exact]), target.astype(np.float64))
        )
        return best_of(((one(data.val.raw), one) for one in tried), data.val)


def _products(x: F64) -> F64:
    """Features, their products of two where they are few, and 1."""
    parts = [x, np.ones((len(x), 1))]
    if x.shape[1] <= FEW_STATISTICS:
        i, j = np.triu_indices(x.shape[1])
        parts.insert(1, x[:, i] * x[:, j])
    return np.concatenate(parts, axis=1)


def _ridges(x: F64, y: F64) -> Iterator[tuple[float, F64]]:
    """Weights for each penalty: (X'X/B + penalty I)^-1 X'Y/B."""
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    projected = vectors.T @ (x.T @ y / len(x))
    for penalty in PENALTIES:
        yield penalty, vectors @ (projected / (np.maximum(values, 0) + penalty)[:, None])


def labels(windows: Windows) -> NDArray[np.int64]:
    """Class numbers [B] of windows."""
    return windows.target[:, 0].astype(np.int64)
