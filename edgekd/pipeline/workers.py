"""Further processes that work on the search of a run, beside the one that owns its folder."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from edgekd.contracts.config import Config
from edgekd.pipeline.search import Search, Shared
from edgekd.progress import Quiet
from edgekd.run import Run

WATCH_SECONDS, LEAVE_SECONDS = 1.0, 10.0
BYTES_EACH = 2 << 30
"""Memory to leave for each worker."""


def most_workers() -> int:
    """As many as this machine has cores and memory for."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // BYTES_EACH))


@contextlib.contextmanager
def helping(
    config: Config, folder: Path, shared: Shared, until: float, count: int, *, finish: bool = True
) -> Iterator[None]:
    """Have `count` further processes work on the search in `folder`, whose data are prepared, and with `finish` on what
    follows it, until this is left.
    """
    context = multiprocessing.get_context("spawn")
    helpers = [
        context.Process(target=_help, args=(config, folder, shared, until, finish, os.getpid()), daemon=True)
        for _ in range(count)
    ]
    for one in helpers:
        one.start()
    try:
        yield
        for one in helpers:  # all is done: they see that, too
            one.join(LEAVE_SECONDS)
    finally:
        for one in helpers:
            one.kill()  # what it was doing will be claimed again
            one.join()


def _help(config: Config, folder: Path, shared: Shared, until: float, finish: bool, owner: int) -> None:
    """Work along with the owner. An error ends this process alone: the owner meets it too, and reports it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
    try:
        with Run(folder, Quiet(), join=True) as run:
            search = Search(run, config, shared, until, finish=finish)
            search.explore()
            if finish:
                search.finish()
    except Exception:
        if os.environ.get("EDGEKD_DEBUG"):
            traceback.print_exc()


def _end_with(owner: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == owner:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
