"""Progress of a run in the terminal: one bar with the time left, on standard error; plain lines when it is a file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from edgekd.run import Progress


class _Bars:
    def __init__(self, bars: Bars) -> None:
        self._bars, self._task = bars, TaskID(-1)

    def start(self, what: str, total: int) -> None:
        self._task = self._bars.add_task(what, total=total)

    def advance(self, done: int) -> None:
        self._bars.update(self._task, completed=done)

    def finish(self) -> None:
        task = self._bars.tasks[self._bars.task_ids.index(self._task)]
        self._bars.update(self._task, completed=task.total)

    def kept(self, what: str) -> None:
        self._bars.console.print(f"kept {what}", style="dim")


class _Lines:
    def __init__(self) -> None:
        self._what, self._begun = "", 0.0

    def start(self, what: str, total: int) -> None:
        self._what, self._begun = what, time.monotonic()

    def advance(self, done: int) -> None:
        pass

    def finish(self) -> None:
        print(f"{self._what}: {time.monotonic() - self._begun:.1f} s", file=sys.stderr)

    def kept(self, what: str) -> None:
        print(f"{what}: kept", file=sys.stderr)


@contextmanager
def show() -> Iterator[Progress]:
    """Progress for the terminal that standard error is, or lines for a file."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=console) as bars:
        yield _Bars(bars)
