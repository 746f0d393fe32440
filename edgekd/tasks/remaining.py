"""Remaining: how many samples are left until a column falls below a limit and stays below, as the life of a cell."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekd.tasks.base import F32, Answer, Labels, Task


@dataclass(frozen=True, kw_only=True)
class Remaining(Task):
    """Samples until the column is below `until` for good. Series that never get there are censored: bounds only."""

    until: float

    kind: ClassVar[str] = "remaining"
    scaling: ClassVar[str] = "relative"
    answer: ClassVar[Answer] = "not_negative"
    unit: ClassVar[str] = "samples"
    doubts_classes: ClassVar[bool] = False

    def says(self) -> str:
        return f"the samples left until {self.column} stays below {self.until:g}"

    def labels(self, order: NDArray[np.int64], value: F32, known: NDArray[np.bool_]) -> Labels:
        above = np.flatnonzero(known & (value >= np.float32(self.until)))
        measured = np.flatnonzero(known)
        if len(above) == 0:  # below from the start: there is nothing left to tell
            nothing = np.zeros(len(value), dtype=bool)
            return Labels(target=np.zeros(len(value), dtype=np.float32), known=nothing, bound=nothing)
        later = measured[measured > above[-1]]
        censored = len(later) == 0
        end = order[above[-1]] + 1 if censored else order[later[0]]
        target = (end - order).astype(np.float32)
        return Labels(target=target, known=target >= 0, bound=np.full(len(value), censored))

    def decode(self, y: F32, base: F32, gain: np.float32) -> F32:
        """Samples left, zero at least."""
        return np.maximum(super().decode(y, base, gain), np.float32(0))

    def baselines(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        return ("mean", *(("extrapolation",) if self.column in inputs else ()), "quadratic")

    def whole_of(self, target: F32, end: NDArray[np.int64]) -> NDArray[np.float64]:
        """The whole life: what is left, and the samples up to the end of the window."""
        return end[:, None].astype(np.float64) + target
