"""The `task` section: what the model says about a series. What follows from it is in `edgekd.tasks`, a module each."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator

from edgekd.contracts.section import Length, Section, Text


class TaskSection(Section):
    """What all tasks share: the key that names the task holds the column that it is about."""

    output_loss: ClassVar[str] = "output_l1"
    """The distillation loss between outputs, which is the default."""

    @property
    def kind(self) -> str:
        """Name of the task, which is that of its first key."""
        return next(kind for kind, section in TASKS.items() if isinstance(self, section))

    @property
    def column(self) -> str:
        """The column that the task is about."""
        return str(getattr(self, self.kind))


class ForecastSection(TaskSection):
    """The next `horizon` values of a column."""

    forecast: Text
    horizon: Length


class EstimateSection(TaskSection):
    """The value of a column, which is no input, at the end of a window."""

    estimate: Text


class ClassifySection(TaskSection):
    """The label in a column, over a window that has one label.

    classes: names in the order of the model's outputs; all labels of the table, sorted, where it is empty.
    smooth: an answer is the majority of so many windows, which follow each other by `data.stride`.
    """

    output_loss: ClassVar[str] = "soft_labels"

    classify: Text
    classes: Annotated[list[Text], Field(max_length=64)] = []
    smooth: Annotated[int, Field(ge=1, le=99)] = 1

    @field_validator("classes")
    @classmethod
    def _two_at_least(cls, classes: list[str]) -> list[str]:
        if len(classes) == 1:
            raise ValueError(f"holds '{classes[0]}' alone; two classes are the least")
        return classes

    @field_validator("smooth")
    @classmethod
    def _odd(cls, smooth: int) -> int:
        if smooth % 2 == 0:
            raise ValueError(f"{smooth} must be odd, so that a majority exists more often")
        return smooth


class RemainingSection(TaskSection):
    """The number of samples until a column falls below `until`, in the unit of the table, and stays below."""

    remaining: Text
    until: Annotated[float, Field(ge=-1e18, le=1e18)]


TASKS: dict[str, type[BaseModel]] = {
    "forecast": ForecastSection,
    "estimate": EstimateSection,
    "classify": ClassifySection,
    "remaining": RemainingSection,
}


def _kind_of_task(fields: Any) -> str | None:
    """The task whose key is there; the first one where there are several."""
    if isinstance(fields, TaskSection):
        return fields.kind
    return next((kind for kind in TASKS if isinstance(fields, dict) and kind in fields), None)


AnyTaskSection = Annotated[
    Annotated[ForecastSection, Tag("forecast")]
    | Annotated[EstimateSection, Tag("estimate")]
    | Annotated[ClassifySection, Tag("classify")]
    | Annotated[RemainingSection, Tag("remaining")],
    Discriminator(
        _kind_of_task,
        custom_error_type="no_task",
        custom_error_message="must be one of forecast, estimate, classify, remaining, as {estimate: soc}",
    ),
]
