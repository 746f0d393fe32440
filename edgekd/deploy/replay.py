"""Prove on a board that it computes what was trained: test windows through the line, compared to the last bit."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.errors import BoardUnreachable
from edgekd.contracts.results import LinkLosses, Replay
from edgekd.deploy.device import Device, Prediction
from edgekd.run import Progress

F32 = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]


def validate(device: Device, raw: F32, integers: Integers, forecast: F32, progress: Progress) -> Replay:
    """Run raw windows [N, T, F] on the board; expect integers [N, O] and forecasts [N, O], each to the last bit.

    `lost`: windows for which no answer could be had, though the line had answered before. Cycles are means over the
    windows, None on a board without a counter; `us` is its clock then.
    """
    answers: list[Prediction | None] = []
    progress.start("windows on the board", len(raw))
    for done, window in enumerate(raw, start=1):
        answers.append(_run(device, window))
        progress.advance(done)
    progress.finish()
    wrong = [
        _difference(n, answer, integers[n], forecast[n])
        for n, answer in enumerate(answers)
        if answer is not None and not _equal(answer, integers[n], forecast[n])
    ]
    got = [answer for answer in answers if answer is not None]
    return Replay(
        windows=len(raw),
        equal=len(got) - len(wrong),
        lost=len(raw) - len(got),
        first_difference=wrong[0] if wrong else None,
        cycles_measured=_mean([answer.cycles for answer in got]),
        us_measured=_mean([answer.us for answer in got]),
        line=LinkLosses(**dataclasses.asdict(device.link.stats)),
    )


def _run(device: Device, window: F32) -> Prediction | None:
    try:
        device.reset()
        device.push(window)
        return device.read()
    except BoardUnreachable as error:
        if "disappeared" in str(error):
            raise
        return None


def _equal(answer: Prediction, integers: Integers, forecast: F32) -> bool:
    return bool((answer.integers == integers).all() and (answer.forecast == forecast).all())


def _difference(window: int, answer: Prediction, integers: Integers, forecast: F32) -> str:
    """The first output that is another one."""
    apart = np.flatnonzero((answer.integers != integers) | (answer.forecast != forecast))
    at = int(apart[0])
    return (
        f"window {window}, output {at}: integer {answer.integers[at]}, expected {integers[at]}; "
        f"forecast {answer.forecast[at]:.9g}, expected {forecast[at]:.9g}"
    )


def _mean(values: list[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 1) if known else None
