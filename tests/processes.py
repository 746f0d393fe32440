"""Programs that tests start, and that end with the test whatever happens."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 10


@contextmanager
def running(command: Sequence[Any], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A process; at the end it is asked to leave by SIGTERM, then killed.

    Not by SIGINT: shells have background jobs ignore it, and so do the processes that these start.
    """
    with subprocess.Popen([*map(str, command)], text=True, **options) as process:
        try:
            yield process
        finally:
            end(process)


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process within a limit."""
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_S)
