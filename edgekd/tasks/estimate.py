"""Estimate: the value of a column that is no input, at the end of a window; as charge from voltage and current."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekd.tasks.base import F32, Labels, Task


@dataclass(frozen=True, kw_only=True)
class Estimate(Task):
    """One value, now."""

    kind: ClassVar[str] = "estimate"

    def says(self) -> str:
        return f"{self.column} at the end of the window"

    def labels(self, order: NDArray[np.int64], value: F32, known: NDArray[np.bool_]) -> Labels:
        return Labels(target=value, known=known, bound=np.zeros(len(value), dtype=bool))

    def baselines(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        return ("mean", "quadratic")
