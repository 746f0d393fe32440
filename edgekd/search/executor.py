"""Who does the work of a search: this process, or a process per core of this machine.

An order is plain data, its result the content of files. So an executor needs no folder, no database and no knowledge of
what is done: `start`, named as `package.module:name`, is called once in each process with `data` and returns the
function that does orders.
"""

import contextlib
import importlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, Protocol

from edgekd.run import Files

WATCH_SECONDS = 0.5
BYTES_EACH = 2 << 30
"""Memory to leave for each process."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made: its kind, arguments that can be pickled, and the files of what it is made from, by piece."""

    kind: str
    arguments: tuple[Any, ...]
    files: Mapping[str, Files]


@dataclass(frozen=True, kw_only=True)
class Made:
    """The files that were made, and how long that took."""

    files: Files
    seconds: float


Work = Callable[[Order], Files]


class WorkerLost(Exception):
    """A worker ended before its result was known; the same order may be given again after `restart`."""


class Executor(Protocol):
    """Does orders, in any sequence. `places`: how many are worth submitting before one is done."""

    places: int

    def submit(self, order: Order) -> Future[Made]:
        """Have an order done. The future raises what the work raised, or WorkerLost."""

    def restart(self) -> None:
        """Forget what was submitted, and start workers in place of those that were lost."""

    def stop(self) -> None:
        """End all workers at once, whatever they do."""


class InProcess:
    """Does each order when it is submitted, in this process."""

    def __init__(self, start: str, data: tuple[Any, ...]) -> None:
        self.places = 1
        self._start, self._data = start, data
        self._work: Work | None = None

    def submit(self, order: Order) -> Future[Made]:
        """Do an order; what it raises is raised here."""
        if self._work is None:
            self._work = _resolve(self._start)(*self._data)
        done: Future[Made] = Future()
        done.set_result(_timed(self._work, order))
        return done

    def restart(self) -> None:
        """Nothing was lost."""

    def stop(self) -> None:
        """Nothing runs."""


class LocalPool:
    """Does orders in further processes of this machine, which end when this one does."""

    def __init__(self, start: str, data: tuple[Any, ...], processes: int) -> None:
        self.places = 2 * processes
        self._start, self._data, self._processes = start, data, processes
        self._temporary = tempfile.mkdtemp(prefix="edgekd-")
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        """An idle pool. Its semaphores are registered with the standard library's tracker: an interrupt between the
        two, or a tracker that a hangup ended, would have it print a traceback.
        """
        with _signals_wait():
            resource_tracker.ensure_running()
        with _signals_wait():  # starting the tracker has unblocked some of them
            return ProcessPoolExecutor(
                self._processes,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(os.getpid(), self._temporary, self._start, self._data),
            )

    def submit(self, order: Order) -> Future[Made]:
        """Have an order done by the next process that is free."""
        try:
            with _signals_wait():  # a process begins with what is blocked here: Ctrl-C never reaches it
                return _translated(self._pool.submit(_do, order))
        except BrokenExecutor as error:
            lost: Future[Made] = Future()
            lost.set_exception(WorkerLost(str(error)))
            return lost

    def restart(self) -> None:
        """Start new processes; what was submitted is forgotten."""
        self._end_processes()
        self._pool = self._new_pool()

    def stop(self) -> None:
        """Kill the processes, and remove what they left in temporary folders."""
        self._end_processes()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _end_processes(self) -> None:
        kill_children()
        self._pool.shutdown(wait=True, cancel_futures=True)  # at once: its processes are gone


def most_processes() -> int:
    """As many as this machine has cores and memory for."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // BYTES_EACH))


def kill_children() -> None:
    """Kill the worker processes of this one."""
    for process in multiprocessing.active_children():
        process.kill()


def _resolve(start: str) -> Callable[..., Work]:
    module, _, name = start.partition(":")
    return getattr(importlib.import_module(module), name)


def _timed(work: Work, order: Order) -> Made:
    begun = time.monotonic()
    files = work(order)
    return Made(files=files, seconds=time.monotonic() - begun)


def _translated(inner: Future[Made]) -> Future[Made]:
    """The same future, with WorkerLost for what the standard library raises."""
    outer: Future[Made] = Future()

    def done(finished: Future[Made]) -> None:
        if finished.cancelled():
            outer.set_exception(WorkerLost("cancelled"))
            return
        error = finished.exception()
        if isinstance(error, BrokenExecutor):
            outer.set_exception(WorkerLost(str(error)))
        elif error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(finished.result())

    inner.add_done_callback(done)
    return outer


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Have signals that stop a program wait until this is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(kw_only=True)
class _Process:
    """A worker process: what it starts with, and the function that does orders once one was given."""

    start: str
    data: tuple[Any, ...]
    work: Work | None = None


_this_process: list[_Process] = []
"""Holds the worker process that this is; empty elsewhere."""


def _begin(owner: int, temporary: str, start: str, data: tuple[Any, ...]) -> None:
    """Set up a worker process: it ends with its owner, and leaves nothing in the temporary folder."""
    threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP})
    tempfile.tempdir = temporary
    os.environ["TMPDIR"] = temporary
    _this_process.append(_Process(start=start, data=data))


def _do(order: Order) -> Made:
    """Do an order in a worker process, which loads what it needs when the first one comes."""
    process = _this_process[0]
    if process.work is None:
        process.work = _resolve(process.start)(*process.data)
    return _timed(process.work, order)


def _end_with(owner: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == owner:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
