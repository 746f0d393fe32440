"""Forecast: the next values of a column, which may be an input, from a window of the past."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekd.tasks.base import F32, Labels, Task


@dataclass(frozen=True, kw_only=True)
class Forecast(Task):
    """The next `horizon` values."""

    horizon: int

    kind: ClassVar[str] = "forecast"
    lead: ClassVar[int] = 1
    scaling: ClassVar[str] = "relative"

    @property
    def steps(self) -> int:
        return self.horizon

    @property
    def relative(self) -> bool:
        return True

    def says(self) -> str:
        return f"the next {self.horizon} values of {self.column}"

    def labels(self, order: NDArray[np.int64], value: F32, known: NDArray[np.bool_]) -> Labels:
        return Labels(target=value, known=known, bound=np.zeros(len(value), dtype=bool))

    def answer_names(self) -> tuple[str, ...]:
        return tuple(f"{self.column}_{step + 1}" for step in range(self.horizon))

    def baselines(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        return ("persistence", "line", "parabola", "ridge") if self.column in inputs else ("mean", "ridge")
