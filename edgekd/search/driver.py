"""The driver of a run: it hands out jobs, and keeps what comes back as pieces of the run. It alone writes them.

What a job makes depends on the job and on the pieces it needs, never on who does it or when: with one process, with
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
class Job:
    """What makes the piece `piece`: the kind of an order, its arguments, and the pieces whose files go with it.

    key: whatever the piece depends on beside these, as JSON. data: needed pieces that every worker has, and which are
    not sent. followed_by: jobs that need this piece and are handed out as soon as it is there.
    """

    piece: str
    kind: str
    key: Any
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    followed_by: tuple["Job", ...] = ()

    def pieces(self) -> list[str]:
        """The names of all that this job and those after it make."""
        return [self.piece, *(name for job in self.followed_by for name in job.pieces())]


class Driver:
    """Hands jobs of one run to an executor, as many at a time as it has a place for."""

    def __init__(self, run: Run, executor: Executor) -> None:
        self.run, self._executor = run, executor
        self._waiting: deque[Job] = deque()
        self._running: dict[Future[Made], Job] = {}
        self._known: set[str] = set()
        self._done: set[str] = set()
        self._losses = 0

    def submit(self, jobs: Iterable[Job]) -> None:
        """Have jobs done some time, those that the run does not keep already, and all that follow them."""
        for job in jobs:
            if job.piece in self._known:
                continue
            self._known.add(job.piece)
            if self.keeps(job):
                self.run.progress.kept(job.piece)
                self._finish(job)
            else:
                self._waiting.append(job)

    def keeps(self, job: Job) -> bool:
        """Whether the run has the piece of a job already, made from what the job is made from."""
        return self.run.keeps(job.piece, job.key, (*job.data, *job.needs))

    def make(self, jobs: Sequence[Job], before: int = 0) -> None:
        """Have jobs done, and all that follow them; `before`: steps of the progress that were done before.

        Raises what the work of a job raises. EdgekdError when workers are lost again and again.
        """
        self.submit(jobs)
        wanted = [name for job in jobs for name in job.pieces()]
        counted = [name for job in jobs for name in (job.pieces()[1:] or [job.piece])]
        while True:
            self.run.progress.advance(before + sum(name in self._done for name in counted))
            if self._done.issuperset(wanted):
                return
            self._hand_out()
            self._collect()

    def _hand_out(self) -> None:
        while self._waiting and len(self._running) < self._executor.places:
            job = self._waiting.popleft()
            files = {name: self.run.files(name) for name in job.needs}
            order = Order(kind=job.kind, arguments=job.arguments, files=files)
            self._running[self._executor.submit(order)] = job

    def _collect(self) -> None:
        """Keep what is done by now, or wait a moment for something."""
        finished, _ = wait(self._running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in finished:
            try:
                made = future.result()
            except WorkerLost as lost:
                self._start_again(self._running[future], lost)
                return
            job = self._running.pop(future)
            self._losses = 0
            self.run.store(job.piece, job.key, made.files, made.seconds, needs=(*job.data, *job.needs))
            self.run.progress.made(job.piece, made.seconds)
            self._finish(job)

    def _finish(self, job: Job) -> None:
        self._done.add(job.piece)
        self.submit(job.followed_by)

    def _start_again(self, job: Job, lost: WorkerLost) -> None:
        """One lost worker ends all: have new ones do what was not done."""
        self._losses += 1
        if self._losses >= MOST_LOSSES:
            raise EdgekdError(
                f"{job.piece}: a worker process ended {self._losses} times before anything was done ({lost})",
                hint="is there enough memory? try fewer --workers; what is finished is kept",
            )
        self.run.progress.note(f"a worker process ended while {job.piece} was made: it is made again")
        self._waiting.extendleft(reversed(self._running.values()))
        self._running = {}
        self._executor.restart()
