"""The driver of a run: it hands out tasks, and keeps what comes back as pieces of the run. It alone writes them.

What a task makes depends on the task and on the pieces it needs, never on who does it or when: with one process, with
many, and after any interruption the same pieces result.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from edgekd.contracts.errors import EdgekdError
from edgekd.run import Run
from edgekd.search.executor import Executor, Made, Order, WorkerLost

POLL_SECONDS = 0.2
MOST_LOSSES = 3
"""Times that a worker may be lost, with nothing done in between, before the run ends."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What makes the piece `piece`: the kind of an order, its arguments, and the pieces whose files go with it.

    key: whatever the piece depends on beside these, as JSON. data: needed pieces that every worker has, and which are
    not sent. followed_by: tasks that need this piece and are handed out as soon as it is there.
    """

    piece: str
    kind: str
    key: Any
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    followed_by: tuple["Task", ...] = ()

    def pieces(self) -> list[str]:
        """The names of all that this task and those after it make."""
        return [self.piece, *(name for task in self.followed_by for name in task.pieces())]


class Driver:
    """Hands tasks of one run to an executor, as many at a time as it has a place for."""

    def __init__(self, run: Run, executor: Executor) -> None:
        self.run, self._executor = run, executor
        self._waiting: deque[Task] = deque()
        self._running: dict[Future[Made], Task] = {}
        self._known: set[str] = set()
        self._done: set[str] = set()
        self._losses = 0

    def submit(self, tasks: Iterable[Task]) -> None:
        """Have tasks done some time, those that the run does not keep already, and all that follow them."""
        for task in tasks:
            if task.piece in self._known:
                continue
            self._known.add(task.piece)
            if self.keeps(task):
                self.run.progress.kept(task.piece)
                self._finish(task)
            else:
                self._waiting.append(task)

    def keeps(self, task: Task) -> bool:
        """Whether the run has the piece of a task already, made from what the task is made from."""
        return self.run.keeps(task.piece, task.key, (*task.data, *task.needs))

    def make(self, tasks: Sequence[Task], before: int = 0) -> None:
        """Have tasks done, and all that follow them; `before`: steps of the progress that were done before.

        Raises what the work of a task raises. EdgekdError when workers are lost again and again.
        """
        self.submit(tasks)
        wanted = [name for task in tasks for name in task.pieces()]
        counted = [name for task in tasks for name in (task.pieces()[1:] or [task.piece])]
        while True:
            self.run.progress.advance(before + sum(name in self._done for name in counted))
            if self._done.issuperset(wanted):
                return
            self._hand_out()
            self._collect()

    def _hand_out(self) -> None:
        while self._waiting and len(self._running) < self._executor.places:
            task = self._waiting.popleft()
            files = {name: self.run.files(name) for name in task.needs}
            order = Order(kind=task.kind, arguments=task.arguments, files=files)
            self._running[self._executor.submit(order)] = task

    def _collect(self) -> None:
        """Keep what is done by now, or wait a moment for something."""
        finished, _ = wait(self._running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in finished:
            try:
                made = future.result()
            except WorkerLost as lost:
                self._start_again(self._running[future], lost)
                return
            task = self._running.pop(future)
            self._losses = 0
            self.run.store(task.piece, task.key, made.files, made.seconds, needs=(*task.data, *task.needs))
            self.run.progress.made(task.piece, made.seconds)
            self._finish(task)

    def _finish(self, task: Task) -> None:
        self._done.add(task.piece)
        self.submit(task.followed_by)

    def _start_again(self, task: Task, lost: WorkerLost) -> None:
        """One lost worker ends all: have new ones do what was not done."""
        self._losses += 1
        if self._losses >= MOST_LOSSES:
            raise EdgekdError(
                f"{task.piece}: a worker process ended {self._losses} times before anything was done ({lost})",
                hint="is there enough memory? try fewer --workers; what is finished is kept",
            )
        self.run.progress.note(f"a worker process ended while {task.piece} was made: it is made again")
        self._waiting.extendleft(reversed(self._running.values()))
        self._running = {}
        self._executor.restart()
