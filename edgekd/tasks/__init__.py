"""The tasks by name. `task_of` makes one from the configuration, `task_from_json` from a model's file."""

from collections.abc import Mapping
from typing import Any

from edgekd.contracts.errors import DataError
from edgekd.contracts.task import TaskSection
from edgekd.tasks.base import Labels, Task
from edgekd.tasks.classify import Classify
from edgekd.tasks.estimate import Estimate
from edgekd.tasks.forecast import Forecast
from edgekd.tasks.remaining import Remaining

__all__ = ["TASKS", "Estimate", "Labels", "Task", "task_from_json", "task_of"]

TASKS: dict[str, type[Task]] = {task.kind: task for task in (Forecast, Estimate, Classify, Remaining)}


def task_of(section: TaskSection) -> Task:
    """The task that a configuration describes."""
    fields = {name: getattr(section, name) for name in type(section).model_fields if name != section.kind}
    return TASKS[section.kind].from_json({"column": section.column, **fields})


def task_from_json(fields: Mapping[str, Any]) -> Task:
    """Read what `Task.to_json` wrote. DataError when it is of another version."""
    try:
        return TASKS[fields["kind"]].from_json({name: value for name, value in fields.items() if name != "kind"})
    except (KeyError, TypeError) as error:
        raise DataError(f"the model's task cannot be read: {error}", hint="was it made by this version?") from None
