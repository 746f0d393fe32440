"""Baselines on what a person would compute of a window: statistics of each input column over its cleaned samples."""

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from edgekd.data.baselines.baseline import Baseline, Fitting, best_of
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows
from edgekd.tasks.float_softmax import softmax

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


class Majority(Baseline):
    """The most frequent class of the training windows; arrays: `shares` [C] of all classes."""

    name: ClassVar[str] = "majority"

    def __call__(self, raw: F32) -> F32:
        return np.tile(self.arrays["shares"].astype(np.float32), (len(raw), 1))

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        classes = len(data.preprocess.task.class_names)
        counts = np.bincount(_labels(data.train), minlength=classes).astype(np.float64)
        return cls(preprocess=data.preprocess, arrays={"shares": counts / counts.sum()}, settings={})


class Logistic(Statistics):
    """Multinomial logistic regression; arrays: `weights` [9 F + 1, C]. Its penalty is chosen on validation."""

    name: ClassVar[str] = "logistic"

    def __call__(self, raw: F32) -> F32:
        features = self.features(raw)
        logits = features @ self.arrays["weights"][:-1] + self.arrays["weights"][-1]
        return softmax(logits.astype(np.float32))

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        from sklearn.linear_model import LogisticRegression

        features, standard = cls.fitted(data)
        label = _labels(data.train)
        tried = []
        for inverse_penalty in (0.01, 0.1, 1.0):
            model = LogisticRegression(C=inverse_penalty, max_iter=300).fit(features, label)
            coefficients, offsets = model.coef_, model.intercept_
            if len(model.classes_) == 2:  # scikit-learn keeps the second of two alone
                coefficients, offsets = np.vstack([-coefficients, coefficients]) / 2, np.array([-1, 1]) * offsets / 2
            weights = np.zeros((features.shape[1] + 1, len(data.preprocess.task.class_names)))
            weights[-1] = -1e3  # of a class without training windows
            weights[:, model.classes_] = np.vstack([coefficients.T, offsets])
            arrays = {**standard, "weights": weights}
            tried.append(cls(preprocess=data.preprocess, arrays=arrays, settings={"C": inverse_penalty}))
        return best_of(((one(data.val.raw), one) for one in tried), data.val)


class NearestMean(Statistics):
    """The class whose mean statistics are nearest; arrays: `means` [C, 9 F]."""

    name: ClassVar[str] = "nearest_mean"

    def __call__(self, raw: F32) -> F32:
        away = ((self.features(raw)[:, None] - self.arrays["means"]) ** 2).sum(axis=2)
        return softmax((-away / 2).astype(np.float32))

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        features, standard = cls.fitted(data)
        label, classes = _labels(data.train), range(len(data.preprocess.task.class_names))
        far = np.full(features.shape[1], 1e3)  # where a class without training windows is
        means = np.stack([features[label == one].mean(axis=0) if (label == one).any() else far for one in classes])
        return cls(preprocess=data.preprocess, arrays={**standard, "means": means}, settings={})


class Forest(Statistics):
    """A random forest of 200 trees (Breiman 2001).

    arrays, all trees after each other: `starts` [trees] of the nodes of a tree, `feature` (-1: a leaf), `threshold`,
    `left`, `right` [nodes], `shares` [nodes, C].
    """

    name: ClassVar[str] = "forest"
    trees: ClassVar[int] = 200

    def __call__(self, raw: F32) -> F32:
        features = statistics(raw, self.preprocess).astype(np.float32)
        feature, left, right = (self.arrays[name].astype(np.int64) for name in ("feature", "left", "right"))
        total = np.zeros((len(raw), self.arrays["shares"].shape[1]))
        for start in self.arrays["starts"].astype(np.int64):
            node = np.full(len(raw), start)
            while (inner := feature[node] >= 0).any():
                at = node[inner]
                below = features[np.flatnonzero(inner), feature[at]] <= self.arrays["threshold"][at]
                node[inner] = np.where(below, left[at], right[at])
            total += self.arrays["shares"][node]
        return (total / len(self.arrays["starts"])).astype(np.float32)

    @classmethod
    def fit(cls, data: Fitting) -> Self:
        from sklearn.ensemble import RandomForestClassifier

        features = statistics(data.train.raw, data.preprocess).astype(np.float32)
        model = RandomForestClassifier(cls.trees, min_samples_leaf=2, random_state=0).fit(features, _labels(data.train))
        trees = [tree.tree_ for tree in model.estimators_]
        starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
        shares = np.zeros((sum(tree.node_count for tree in trees), len(data.preprocess.task.class_names)))
        counts = np.concatenate([tree.value[:, 0] for tree in trees])
        shares[:, model.classes_] = counts / counts.sum(axis=1, keepdims=True)
        arrays = {
            "starts": starts.astype(np.float64),
            "feature": np.concatenate([np.where(tree.children_left < 0, -1, tree.feature) for tree in trees]),
            "threshold": np.concatenate([tree.threshold for tree in trees]),
            "left": np.concatenate([tree.children_left + start for tree, start in zip(trees, starts, strict=True)]),
            "right": np.concatenate([tree.children_right + start for tree, start in zip(trees, starts, strict=True)]),
            "shares": shares,
        }
        floats = {name: values.astype(np.float64) for name, values in arrays.items()}
        return cls(preprocess=data.preprocess, arrays=floats, settings={"trees": cls.trees})


def _labels(windows: Windows) -> NDArray[np.int64]:
    """Class numbers [B] of windows."""
    return windows.target[:, 0].astype(np.int64)
