"""What all panels of tasks are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from edgekd.contracts.results import Report


@dataclass(frozen=True, kw_only=True)
class TaskPanel:
    """Two parts of report.html: answers beside the truth, which come first, and where the errors are.

    title: heading of the first part; either part may be empty; wide: the second one takes the width of the page.
    """

    title: str
    answers: Callable[[Report], Markup]
    errors: Callable[[Report], Markup]
    wide: bool = False
