"""Signals in a process that a test starts: heard, whatever the test runner was started under."""

import signal


def hear_signals() -> None:
    """Undo that signals are ignored, as in a background job or under nohup. For `preexec_fn`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
