"""Augmentation: copies of training windows as other sensors, or other ways of wearing one, would have measured them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.config import Augment
from edgekd.data.windows import Windows

F32 = NDArray[np.float32]


def augmented(train: Windows, columns: tuple[str, ...], settings: Augment, seed: int) -> Windows:
    """Training windows and `settings.copies` changed copies of each; the same windows where nothing is to be changed.

    Each copy of a window has its own offset, scale, mirroring and rotation, each sample its own jitter. Targets stay.
    """
    if not settings.copies or not settings.changes_anything:
        return train
    rng = np.random.default_rng(seed)
    raw = [train.raw, *(_changed(train.raw, columns, settings, rng) for _ in range(settings.copies))]
    copied = train.take(np.tile(np.arange(len(train)), settings.copies + 1))
    return replace(copied, raw=np.concatenate(raw))


def _changed(raw: F32, columns: tuple[str, ...], settings: Augment, rng: np.random.Generator) -> F32:
    values = raw.astype(np.float64)
    windows = len(values)
    for axes in settings.mirror:
        flipped = np.where(rng.random((windows, 1)) < 0.5, -1.0, 1.0)
        values[:, :, [columns.index(axis) for axis in axes]] *= flipped[:, :, None]
    if settings.rotate:
        turns = _rotations(windows, settings.rotate_degrees, rng)
        for triple in settings.rotate:
            at = [columns.index(axis) for axis in triple]
            values[:, :, at] = np.einsum("bij,btj->bti", turns, values[:, :, at])
    for name, amount in settings.scale.items():
        values[:, :, columns.index(name)] *= 1 + amount * rng.uniform(-1, 1, (windows, 1))
    for name, amount in settings.offset.items():
        values[:, :, columns.index(name)] += amount * rng.uniform(-1, 1, (windows, 1))
    for name, amount in settings.jitter.items():
        values[:, :, columns.index(name)] += amount * rng.standard_normal(values.shape[:2])
    return values.astype(np.float32)


def _rotations(count: int, degrees: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rotations about axes of any direction, by up to so many degrees (Rodrigues' formula): [count, 3, 3]."""
    axis = rng.standard_normal((count, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.radians(degrees) * rng.uniform(0, 1, (count, 1, 1))
    cross = np.zeros((count, 3, 3))
    cross[:, [0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]] = axis[:, [2, 1, 2, 0, 1, 0]] * np.array([-1, 1, 1, -1, -1, 1])
    turns: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turns
