"""Ctrl-C, SIGTERM and a closed terminal end a command within GRACE_SECONDS, a second one at once.

A signal raises KeyboardInterrupt in the main thread, and everything is left in order. But an exception in a callback
from C (the emulator has some), or while a package is being imported, can be lost or turned into another: a thread that
hears the signals, too, ends the process and its workers when it is still there after that time.
"""

import contextlib
import multiprocessing
import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

STOPPED = 130
GRACE_SECONDS = 1.5
MESSAGE = "edgekd: stopped; finished pieces are kept, run the same command to go on"
SHOW_CURSOR = "\x1b[?25h"

_signals = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_asked = threading.Event()
_said = threading.Event()


def stop_on_signals() -> None:
    """Have the signals stop this process. Those that are ignored stay so, as under nohup or in a background job."""
    heard = [number for number in _signals if signal.getsignal(number) is not signal.SIG_IGN]
    read, write = os.pipe()
    for end in (read, write):
        os.set_blocking(end, False)
    for number in heard:
        signal.signal(number, _stop)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(read, {int(number) for number in heard}), daemon=True).start()


def asked_to_stop() -> bool:
    """Whether one of the signals came: what went wrong since then is a consequence."""
    return _asked.is_set()


def end_stopped() -> NoReturn:
    """Say what is kept, and end at once: nothing is left to be done, and a second signal finds nothing to break."""
    _said.set()
    print(MESSAGE, file=sys.stderr, flush=True)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(STOPPED)


def _stop(number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt


def _watch(signals: int, heard: set[int]) -> None:
    """End the process after the first signal when it does not end itself, and at the second one."""
    waiting: float | None = None
    while True:
        ready, _, _ = select.select([signals], [], [], waiting)
        numbers = [number for number in (os.read(signals, 64) if ready else b"") if number in heard]
        if ready and not numbers:
            continue
        if waiting is not None or len(numbers) > 1:
            break
        _asked.set()
        waiting = GRACE_SECONDS
    for process in multiprocessing.active_children():
        process.kill()
    if sys.stderr.isatty():
        os.write(2, SHOW_CURSOR.encode())
    if not _said.is_set():
        os.write(2, f"{MESSAGE}\n".encode())
    os._exit(STOPPED)
