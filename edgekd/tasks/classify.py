"""Classify: the label of a window, as the exercise or the state of a machine, from raw signals."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.declarations import HardLoss
from edgekd.tasks.base import F32, Answer, Labels, Task
from edgekd.tasks.float_softmax import softmax


@dataclass(frozen=True, kw_only=True)
class Classify(Task):
    """Probabilities of `classes`; smooth: an answer is the majority of so many windows."""

    classes: tuple[str, ...] = ()
    smooth: int = 1

    kind: ClassVar[str] = "classify"
    answer: ClassVar[Answer] = "probabilities"
    text: ClassVar[bool] = True
    error_name: ClassVar[str] = "error rate"
    criterion: ClassVar[HardLoss] = "cross_entropy"
    doubts_classes: ClassVar[bool] = False

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def summary_names(self) -> tuple[str, ...]:
        return ("class",)

    def summaries(self, answers: F32) -> list[tuple[str, ...]]:
        return [(self.classes[place],) for place in answers.argmax(axis=1)]

    def with_classes(self, names: tuple[str, ...]) -> "Classify":
        return self if self.classes else replace(self, classes=names)

    def says(self) -> str:
        return f"the probabilities of {len(self.classes)} classes of {self.column}"

    def labels(self, order: NDArray[np.int64], value: F32, known: NDArray[np.bool_]) -> Labels:
        return Labels(target=value, known=known & (value >= 0), bound=np.zeros(len(value), dtype=bool))

    def whole(self, target: F32) -> NDArray[np.bool_]:
        return np.asarray((target == target[:, -1:]).all(axis=1), dtype=np.bool_)

    def encode(self, target: F32, base: F32, gain: np.float32) -> F32:
        """One-hot: class numbers [B, 1] -> float32 [B, O]."""
        return (target == np.arange(self.outputs, dtype=np.float32)).astype(np.float32)

    def decode(self, y: F32, base: F32, gain: np.float32) -> F32:
        """Probabilities: logits [B, O] -> [B, O]."""
        return softmax(y)

    def errors(self, answers: F32, target: F32) -> NDArray[np.float64]:
        """One where the most probable class is not the label, else zero."""
        return (answers.argmax(axis=1)[:, None] != target).astype(np.float64)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def smooth_over(self) -> int:
        return self.smooth

    def answer_names(self) -> tuple[str, ...]:
        return tuple(f"p_{name}" for name in self.classes)

    def baselines(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        return ("majority", "logistic", "nearest_mean", "forest")
