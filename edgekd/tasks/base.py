"""What a task decides. Stages ask it; none branches on its name. A new task is a module beside this one.

Shapes: n samples of a series, B windows of T samples, S targets per window, O outputs of the network.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.declarations import HardLoss
from edgekd.contracts.results import Json

F32 = NDArray[np.float32]
Answer = Literal["value", "not_negative", "probabilities"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """What the task makes of its column, per sample of a series.

    target float32 [n]; known bool [n]: errors may count there; bound bool [n]: the truth is the target or more.
    """

    target: F32
    known: NDArray[np.bool_]
    bound: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A task with its settings. Everything that is asked of one is here."""

    column: str

    kind: ClassVar[str]
    text: ClassVar[bool] = False
    """Whether its column holds names instead of numbers."""
    error_name: ClassVar[str] = "MAE"
    """What `errors` measures, in short."""
    unit: ClassVar[str] = ""
    """Unit of the answer where it is not that of the column."""
    lead: ClassVar[int] = 0
    """Samples from the last one of a window to the first target."""
    answer: ClassVar[Answer] = "value"
    """How firmware makes answers of the network's outputs, as `decode` does."""
    criterion: ClassVar[HardLoss] = "l1"
    """Training's loss on measured targets, by which the best epoch is chosen, too."""
    scaling: ClassVar[str] = "standard"
    """How samples are made of about unit size where the configuration does not say."""
    doubts_classes: ClassVar[bool] = True
    """Whether to ask if a numeric column of few whole values is one of classes."""

    @property
    def steps(self) -> int:
        """S: targets per window, which follow each other."""
        return 1

    @property
    def outputs(self) -> int:
        """O: values that the network puts out."""
        return self.steps

    @property
    def relative(self) -> bool:
        """Whether answers are changes from the recent level of the task's column, where that is an input."""
        return False

    @abstractmethod
    def says(self) -> str:
        """What the answers are, as the end of a sentence: `the next 100 values of q_Ah`."""

    @abstractmethod
    def labels(self, order: NDArray[np.int64], value: F32, known: NDArray[np.bool_]) -> Labels:
        """Targets of one whole series: value float32 [n] of the column, or the number of its class."""

    @abstractmethod
    def baselines(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """What stands beside every network of these input columns, by name in `data.baselines`."""

    def whole(self, target: F32) -> NDArray[np.bool_]:
        """Which windows have one target: the targets [B, T] of their samples -> bool [B]."""
        return np.ones(len(target), dtype=bool)

    def encode(self, target: F32, base: F32, gain: np.float32) -> F32:
        """What the network is trained to put out: target [B, S], base [B] -> [B, O]."""
        return (target - base[:, None]) / gain

    def decode(self, y: F32, base: F32, gain: np.float32) -> F32:
        """Answers in the target's unit from the network's outputs: y [B, O], base [B] -> [B, O]."""
        return base[:, None] + y.astype(np.float32, copy=False) * gain

    def errors(self, answers: F32, target: F32) -> NDArray[np.float64]:
        """Error of each answer: answers [B, O], target [B, S] -> [B, S]; what is small is good."""
        return np.abs(answers.astype(np.float64) - target)

    def whole_of(self, target: F32, end: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """What errors are shares of, where that has a meaning: target [B, S], order of the windows' ends [B]."""
        return None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, of a task that is about classes."""
        return ()

    @property
    def smooth_over(self) -> int:
        """So many answers are made into one by their majority."""
        return 1

    def answer_names(self) -> tuple[str, ...]:
        """Names of the O answers, as columns of a table."""
        return (self.column,)

    def summary_names(self) -> tuple[str, ...]:
        """Names of what an answer says in short, as columns of a table before the answers."""
        return ()

    def summaries(self, answers: F32) -> list[tuple[str, ...]]:
        """What each answer says in short: answers [B, O] -> B rows under `summary_names`."""
        return [()] * len(answers)

    def with_classes(self, names: tuple[str, ...]) -> Self:
        """The same task for a table whose column holds these names."""
        return self

    def to_json(self) -> Json:
        """Plain values, `kind` first. `edgekd.tasks.task_from_json` reads them back."""
        return {"kind": self.kind} | asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote, without `kind`. TypeError for fields that the task does not have."""
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**values)
