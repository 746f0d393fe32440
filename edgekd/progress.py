"""Progress of a run in the terminal: one bar with the time left, on standard error; plain lines when it is a file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from edgekd.contracts.text import printable, printable_lines
from edgekd.run import Progress


class _Bars:
    def __init__(self, bars: Bars) -> None:
        self._bars, self._open = bars, list[TaskID]()

    def start(self, what: str, total: int) -> None:
        self._open.append(self._bars.add_task(printable(what), total=total))

    def advance(self, done: int) -> None:
        self._bars.update(self._open[-1], completed=done)

    def finish(self) -> None:
        """A piece within another one leaves no line behind."""
        task = self._open.pop()
        if self._open:
            self._bars.remove_task(task)
        else:
            self._bars.update(task, completed=self._bars.tasks[self._bars.task_ids.index(task)].total)

    def kept(self, what: str) -> None:
        if not self._open:
            self._bars.console.print(f"kept {printable(what)}", style="dim")

    def made(self, what: str, seconds: float) -> None:
        """The bar that counts it says enough."""

    def note(self, text: str) -> None:
        self._bars.console.print(printable_lines(text), highlight=False)


class _Lines:
    def __init__(self) -> None:
        self._open: list[tuple[str, float]] = []

    def start(self, what: str, total: int) -> None:
        self._open.append((what, time.monotonic()))

    def advance(self, done: int) -> None:
        pass

    def finish(self) -> None:
        what, begun = self._open.pop()
        print(f"{printable(what)}: {time.monotonic() - begun:.1f} s", file=sys.stderr)

    def kept(self, what: str) -> None:
        print(f"{printable(what)}: kept", file=sys.stderr)

    def made(self, what: str, seconds: float) -> None:
        print(f"{what}: {seconds:.1f} s", file=sys.stderr)

    def note(self, text: str) -> None:
        print(printable_lines(text), file=sys.stderr)


class Quiet:
    """Says nothing: of a process whose owner reports."""

    def start(self, what: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...
    def finish(self) -> None: ...
    def kept(self, what: str) -> None: ...
    def made(self, what: str, seconds: float) -> None: ...
    def note(self, text: str) -> None: ...


@contextmanager
def show(quiet: bool = False) -> Iterator[Progress]:
    """Progress for the terminal that standard error is, or lines for a file; none when `quiet`."""
    if quiet:
        yield Quiet()
        return
    console = Console(stderr=True, markup=False, emoji=False)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, TimeRemainingColumn(), console=console) as bars:
        yield _Bars(bars)
