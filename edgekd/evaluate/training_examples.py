"""Prepared windows as what networks learn from."""

import numpy as np
import torch

from edgekd.data.prepared import Prepared
from edgekd.data.preprocess import Preprocess
from edgekd.distill.examples import Examples


def examples_of(prepared: Prepared, part: str, preprocess: Preprocess | None = None) -> Examples:
    """Features and encoded targets of one part, train, val or test, under the run's or another preprocessing."""
    preprocess = preprocess or prepared.preprocess
    windows = prepared.windows[part]
    relative, level, anchor_value = preprocess.transform(windows.raw)
    target = preprocess.encode_target(windows.target, anchor_value)
    return Examples(
        relative=torch.from_numpy(relative),
        level=torch.from_numpy(level),
        target=torch.from_numpy(target),
        mask=torch.from_numpy(np.broadcast_to(windows.mask, target.shape).astype(np.float32)),
        bound=torch.from_numpy(windows.bound.astype(np.float32)) if windows.bound.any() else None,
        criterion=preprocess.task.criterion,
    )
