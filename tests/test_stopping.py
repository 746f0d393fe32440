"""A command that is stopped ends soon, says what is kept, and leaves no process behind; started again it goes on.

EDGEKD_STOPS=50 tries so many random moments instead of a few.
"""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import small_run
from heard_signals import hear_signals

pytestmark = pytest.mark.heavy
STOPS = int(os.environ.get("EDGEKD_STOPS", "3"))
LONG = {"teacher": "{kind: mlp, hidden: 4, members: 1, epochs: 1}"}
WITHIN_SECONDS = 2.0
SLACK = 8.0  # of a machine whose cores are shared with other tests


def started(config: Path, folder: Path, workers: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "edgekd", "compress", config, "--out", folder, "--workers", workers]
    return subprocess.Popen(
        [*map(str, command)], stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_signals
    )


def group(leader: int) -> list[int]:
    """Processes of a session that are not finished."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def stop(process: "subprocess.Popen[str]", *numbers: signal.Signals) -> tuple[float, str]:
    """Send signals to the whole group, as a terminal does; seconds until all of it is gone, and what was said."""
    begun = time.monotonic()
    for number in numbers:
        os.killpg(process.pid, number)
        time.sleep(0.1 * (len(numbers) > 1))
    try:
        _, message = process.communicate(timeout=30)
        while group(process.pid) and time.monotonic() < begun + 30:
            time.sleep(0.02)
        return time.monotonic() - begun, message
    finally:
        for pid in group(process.pid):
            os.kill(pid, signal.SIGKILL)


def check(process: "subprocess.Popen[str]", seconds: float, message: str) -> None:
    assert process.returncode == 130, message
    assert message.count("finished pieces are kept") == 1, message
    assert "Traceback" not in message and "internal error" not in message
    assert seconds < WITHIN_SECONDS + SLACK, seconds


@pytest.mark.parametrize("workers", [1, 2])
def test_it_ends_at_random_moments(tmp_path: Path, workers: int) -> None:
    config, rng = small_run.write(tmp_path, **LONG), random.Random(workers)
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for attempt in range(STOPS):
        process = started(config, tmp_path / f"out{attempt}", workers)
        time.sleep(rng.uniform(1.0, 9.0))
        if process.poll() is None:
            check(process, *stop(process, numbers[attempt % 3]))


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    process = started(small_run.write(tmp_path, **LONG), tmp_path / "out", 2)
    time.sleep(4)
    seconds, message = stop(process, signal.SIGINT, signal.SIGINT)
    check(process, seconds, message)


LOST = """
import ctypes, os, signal, threading, time
import edgekd.pipeline, edgekd.contracts.board, sys
def swallow(*_):
    time.sleep(5)
    return []
def board_names():
    call = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: time.sleep(30) or 0)
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    while True:
        call()  # an exception in a callback is printed, and lost
edgekd.contracts.board.board_names = board_names
sys.argv = ["edgekd", "boards"]
from edgekd.cli import main
main()
"""


def test_an_interrupt_that_is_lost_ends_it_too() -> None:
    begun = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, timeout=60, preexec_fn=hear_signals
    )
    assert result.returncode == 130
    assert "finished pieces are kept" in result.stderr
    assert time.monotonic() - begun < 25


def test_what_is_ignored_stays_ignored() -> None:
    """As in a background job of a script, or under nohup."""
    code = (
        "import os, signal, sys, edgekd.contracts.board\n"
        "from edgekd.cli import main\n"
        "edgekd.contracts.board.board_names = lambda: os.kill(os.getpid(), signal.SIGINT) or []\n"
        "sys.argv = ['edgekd', 'boards']\n"
        "main()"
    )
    ignored = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=ignored)
    assert result.returncode == 0, result.stderr
