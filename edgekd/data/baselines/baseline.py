"""What a baseline is, and how one is chosen among several settings."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgekd.data.metrics import mean_error
from edgekd.data.preprocess import Preprocess
from edgekd.data.windows import Windows

F32 = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What baselines are fitted on and chosen by."""

    train: Windows
    val: Windows
    preprocess: Preprocess


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline(ABC):
    """Answers for raw windows without a network. arrays: what was learnt; settings: what was chosen on validation."""

    preprocess: Preprocess
    arrays: Mapping[str, NDArray[np.float64]]
    settings: Mapping[str, float]

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(cls, data: Fitting) -> Self:
        """Fit on training windows, choose on validation windows."""

    @abstractmethod
    def __call__(self, raw: F32) -> F32:
        """Answer windows: raw float32 [B, T, F] -> [B, O], in the target's unit after divide_by, or probabilities."""


def best_of(answers: Iterable[tuple[F32, T]], val: Windows) -> T:
    """What comes with the answers, [B, O], of the lowest error on validation windows; the first among equals."""
    return min(((mean_error(answer, val), about) for answer, about in answers), key=lambda pair: pair[0])[1]
