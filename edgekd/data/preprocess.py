"""The preprocessing: one definition for training, scores and firmware, causal, in float32, in this order of operations.

The firmware's C does the same operations one sample at a time; both give equal bits as long as no operation is
reordered or contracted. Change the order here only together with `firmware/`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.config import Data
from edgekd.contracts.errors import DataError
from edgekd.contracts.results import Json
from edgekd.data.table import target_scale, unit_of
from edgekd.data.windows import Windows
from edgekd.tasks import Task, task_from_json

CLEAN_WIDTH = 5
# A spike is this many times further from its neighbors' median than the noisiest per cent of ordinary samples.
SPIKE_FACTOR = 10.0
SPIKE_QUANTILE = 0.99

F32 = NDArray[np.float32]
_FLOATS = ("scale", "clean_limit", "center", "gain", "level_mean", "level_gain")
IQR_OF_UNIT_NORMAL = 1.349
MOST_FITTED = 20_000  # windows that constants are fitted on, evenly spread: more would change them little


@dataclass(frozen=True, kw_only=True, eq=False)
class Preprocess:
    """Constants of the preprocessing. Arrays are float32 [F], one entry per input column.

    columns: names; units: of the inputs, and of the answer ('' where unknown, `Ah / 1.1` where divided); window T,
    patch p (divides T), level k (odd); scale: raw * scale is what follows; clean_limit: distance from the median of
    five beyond which a sample is replaced by it; relative: patches are taken relative to the recent level, else to
    `center`; gain, level_mean, level_gain: make features about unit size; target_column: index among the columns of the
    one that answers are relative to, or -1; target_mean: the anchor value in that case; target_gain: size of a change.
    """

    task: Task
    columns: tuple[str, ...]
    units: tuple[str, ...]
    target_unit: str
    window: int
    patch: int
    level: int
    scale: F32
    clean_limit: F32
    relative: bool
    center: F32
    gain: F32
    level_mean: F32
    level_gain: F32
    target_column: int
    target_mean: np.float32
    target_gain: np.float32
    clean_width: int = CLEAN_WIDTH

    @property
    def steps(self) -> int:
        """N, the number of patches of a window."""
        return self.window // self.patch

    @staticmethod
    def fit(train: Windows, data: Data, task: Task) -> "Preprocess":
        """Fit the constants on training windows only. DataError when an input is constant or shapes do not fit."""
        return _fit(train, data, task)

    def clean(self, raw: F32) -> F32:
        """Scaled samples with isolated spikes replaced by the median around them: raw [B, T, F] -> [B, T, F]."""
        v = raw * self.scale
        m = _median5(v)
        return np.where(np.abs(v - m) > self.clean_limit, m, v)

    def transform(self, raw: F32) -> tuple[F32, F32, F32]:
        """Features of windows of raw samples.

        raw float32 [B, T, F] in the table's units, finite -> relative [B, N, F], patch means relative to the recent
        level or to the center; level [B, F], the recent level, standardized; anchor_value [B], the value that outputs
        are relative to.
        """
        self._check(raw)
        c = self.clean(raw)
        recent = np.sort(c[:, self.window - self.level :], axis=1)[:, self.level // 2]
        reference = recent[:, None] if self.relative else self.center
        relative = (_patch_means(c, self.patch) - reference) * self.gain
        level = (recent - self.level_mean) * self.level_gain
        anchored = self.target_column >= 0
        anchor_value = recent[:, self.target_column] if anchored else np.full(len(raw), self.target_mean, np.float32)
        return relative, level, np.ascontiguousarray(anchor_value)

    def decode(self, y: F32, anchor_value: F32) -> F32:
        """Network output y [B, O] -> answer [B, O]: in the target's unit after divide_by, or probabilities."""
        return self.task.decode(y, anchor_value, self.target_gain)

    def encode_target(self, target: F32, anchor_value: F32) -> F32:
        """What the network is trained to put out: target [B, S] -> [B, O]."""
        return self.task.encode(target, anchor_value, self.target_gain)

    def to_json(self) -> Json:
        """Plain lists and numbers. A float32 is written as the double it equals, so reading it back is exact."""
        fields = asdict(self)
        fields |= {name: [float(value) for value in fields[name]] for name in _FLOATS}
        fields |= {"target_mean": float(self.target_mean), "target_gain": float(self.target_gain)}
        return fields | {"task": self.task.to_json(), "columns": list(self.columns), "units": list(self.units)}

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> "Preprocess":
        """Read `to_json` back. DataError when fields are missing, unknown, or do not fit each other."""
        return _from_json(fields)

    def _check(self, raw: F32) -> None:
        wanted = (self.window, len(self.columns))
        if raw.ndim != 3 or raw.shape[1:] != wanted or raw.dtype != np.float32:
            raise DataError(f"windows must be float32 [B, {wanted[0]}, {wanted[1]}], got {raw.dtype} {list(raw.shape)}")
        if not np.isfinite(raw).all():
            b, t, f = np.argwhere(~np.isfinite(raw))[0].tolist()
            raise DataError(
                f"window {b}, sample {t}: '{self.columns[f]}' is {raw[b, t, f]}",
                hint="carry the last finite sample forward, as the firmware's push does",
            )


def _median5(v: F32) -> F32:
    """Median of five consecutive samples along T, of the first or last five at the ends: [B, T, F] -> [B, T, F]."""
    n = v.shape[1] - CLEAN_WIDTH + 1
    a, b, c, d, e = (v[:, i : i + n] for i in range(CLEAN_WIDTH))
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    middle = np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e))
    first, last = middle[:, :1], middle[:, -1:]
    return np.concatenate([first, first, middle, last, last], axis=1)


def _patch_means(c: F32, patch: int) -> F32:
    """Means of p consecutive samples, summed from the oldest: [B, T, F] -> [B, T / p, F]."""
    total = c[:, 0::patch].copy()
    for j in range(1, patch):
        total += c[:, j::patch]
    return total * np.float32(1.0 / patch)


def _fit(train: Windows, data: Data, task: Task) -> Preprocess:
    columns = tuple(data.inputs)
    _check_section(train, columns, data)
    if len(train) > MOST_FITTED:
        train = train.take(np.linspace(0, len(train) - 1, MOST_FITTED).astype(np.int64))
    target_column = columns.index(task.column) if task.column in columns else -1
    scale = np.array([target_scale(data) if i == target_column else 1 for i in range(len(columns))], dtype=np.float32)
    ones = np.ones(len(columns), dtype=np.float32)
    v = train.raw * scale
    scaling = data.scaling or task.scaling
    middle = np.median(v, axis=(0, 1)) if scaling == "robust" else v.mean(axis=(0, 1), dtype=np.float64)
    measured = train.target[train.mask]
    draft = Preprocess(
        task=task,
        columns=columns,
        units=tuple(unit_of(name) for name in columns),
        target_unit=task.unit or _answer_unit(data, task.column),
        window=data.window,
        patch=data.patch,
        level=data.level,
        scale=scale,
        clean_limit=_spike_limit(v),
        relative=scaling == "relative",
        center=middle.astype(np.float32),
        gain=ones,
        level_mean=0 * ones,
        level_gain=ones,
        target_column=target_column if task.relative else -1,
        target_mean=np.float32(0 if task.text else np.mean(measured, dtype=np.float64)),
        target_gain=np.float32(1),
    )
    relative, level, anchor_value = draft.transform(train.raw)
    change = np.abs(train.target - anchor_value[:, None])[train.mask]
    level_std = level.std(axis=0, dtype=np.float64)
    spread = _quartile_spread if scaling == "robust" else _spread
    return replace(
        draft,
        gain=np.array([_inverse(spread(relative[..., f])) for f in range(len(columns))], dtype=np.float32),
        level_mean=level.mean(axis=0, dtype=np.float64).astype(np.float32),
        level_gain=np.array([_inverse(one) for one in level_std], dtype=np.float32),
        target_gain=np.float32(1 if task.text else np.mean(change, dtype=np.float64) or 1.0),
    )


def _answer_unit(data: Data, column: str) -> str:
    """What answers are counted in: `Ah`, or `Ah / 1.1` after divide_by; "" where the column's name has no unit."""
    unit = unit_of(column)
    return unit if data.divide_by == 1 else f"{unit or column} / {data.divide_by:g}"


def _check_section(train: Windows, columns: tuple[str, ...], data: Data) -> None:
    if train.raw.shape[1:] != (data.window, len(columns)) or len(train) == 0:
        raise DataError(
            f"training windows are {list(train.raw.shape)}, expected [B, {data.window}, {len(columns)}] with B > 0"
        )
    for f, name in enumerate(columns):
        if np.ptp(train.raw[..., f]) == 0:
            raise DataError(
                f"input '{name}' is {train.raw[0, 0, f]:g} in every training window", hint="remove it from inputs"
            )


def _spike_limit(v: F32) -> F32:
    """Distance from the median of five that no ordinary sample reaches: v [B, T, F] -> [F].

    A factor times what is usual: a high quantile, so that a few spikes (below one per cent) do not move it and the ends
    of a window on a steep knee, where the median lags, stay far below it; or, for readings of coarse resolution that
    mostly equal their neighbors, the usual distance of those that do not.
    """
    limits = []
    away = np.abs(v - _median5(v))
    for f in range(v.shape[2]):
        moved = away[..., f][away[..., f] > 0]
        usual = max(float(np.quantile(away[..., f], SPIKE_QUANTILE)), float(np.median(moved))) if len(moved) else 0.0
        limits.append(SPIKE_FACTOR * usual or float(np.ptp(v[..., f])))
    return np.array(limits, dtype=np.float32)


def _spread(values: F32) -> float:
    """Standard deviation of the values between their 0.5 % and 99.5 % quantiles, clipped there."""
    low, high = np.quantile(values, [0.005, 0.995])
    return float(np.clip(values, low, high).std(dtype=np.float64))


def _quartile_spread(values: F32) -> float:
    """What the standard deviation of normal values with the same quartiles is."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low) / IQR_OF_UNIT_NORMAL or _spread(values)


def _inverse(spread: float) -> float:
    return 1.0 / spread if spread > 0 else 1.0


def _from_json(fields: Mapping[str, Any]) -> Preprocess:
    names = set(Preprocess.__dataclass_fields__)
    wrong = sorted(names ^ set(fields))
    if wrong:
        what = "missing" if wrong[0] in names else "not known"
        raise DataError(f"preprocess: '{wrong[0]}' is {what}", hint="was model.json written by this version of edgekd?")
    columns = tuple(str(name) for name in fields["columns"])
    arrays = {name: np.array(fields[name], dtype=np.float32) for name in _FLOATS}
    for name, value in arrays.items():
        if value.shape != (len(columns),) or not np.isfinite(value).all():
            raise DataError(f"preprocess: '{name}' must be {len(columns)} finite numbers, got {fields[name]}")
    scalars = {name: np.float32(fields[name]) for name in ("target_mean", "target_gain")}
    texts = {"task": task_from_json(fields["task"]), "columns": columns, "units": tuple(fields["units"])}
    return Preprocess(**(dict(fields) | arrays | scalars | texts))
