"""What the report shows of single answers: answers over series, errors by level, missed classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.results import AnsweredSeries, HardWindow, LevelError, TaskSummary
from edgekd.data.windows import Windows
from edgekd.tasks import Task

F32 = NDArray[np.float32]
MOST_ANSWERS = 300  # of one series; more are thinned evenly
MOST_PAIRS = 600
MOST_HARDEST = 6
LEVELS = 8


def task_summary(task: Task) -> TaskSummary:
    """What a run is about."""
    return TaskSummary(
        kind=task.kind, target=task.column, classes=task.class_names, says=task.says(), error_name=task.error_name
    )


def answers_of(answers: F32, windows: Windows, columns: Sequence[str]) -> dict[str, Any]:
    """What there is to show of answers [B, O] beside forecasts, by the names of ChosenResult's fields."""
    if windows.task.class_names:
        return {"hardest": hardest(answers, windows, columns)}
    if windows.task.lead:
        return {}
    return {
        "answers": answered_series(answers, windows), "levels": levels(answers, windows),
        "pairs": pairs(answers, windows),
    }  # fmt: skip


def answered_series(answers: F32, windows: Windows) -> list[AnsweredSeries]:
    """Answers [B, 1] over a good, a median and the worst series whose truth is known."""
    errors, known = windows.task.errors(answers, windows.target)[:, 0], _exact(windows)
    ranked = sorted(
        (float(errors[rows].mean()), name)
        for number, name in enumerate(windows.series_names)
        if (rows := known & (windows.series == number)).any()
    )
    if not ranked:
        return []
    picks = {"good": ranked[len(ranked) // 10], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    shown = []
    for label, (error, name) in picks.items():
        rows = _spread(np.flatnonzero(known & (windows.series == windows.series_names.index(name))), MOST_ANSWERS)
        order = [int(start) + windows.raw.shape[1] - 1 for start in windows.start[rows]]
        truth, answer = windows.target[rows, 0].tolist(), answers[rows, 0].tolist()
        shown.append(
            AnsweredSeries(label=label, series=name, error=error, order=order, truth=truth, answer=answer)
        )  # fmt: skip
    return shown


def levels(answers: F32, windows: Windows) -> list[LevelError]:
    """Errors over LEVELS parts of the range of the truth, from low to high; parts without windows are left out."""
    known = _exact(windows)
    if not known.any():
        return []
    truth, error = windows.target[known, 0].astype(float), windows.task.errors(answers, windows.target)[known, 0]
    edges = np.linspace(truth.min(), truth.max(), LEVELS + 1)
    part = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, LEVELS - 1)
    return [
        LevelError(
            low=float(edges[i]), high=float(edges[i + 1]), error=float(error[part == i].mean()),
            windows=int((part == i).sum()),
        )
        for i in range(LEVELS) if (part == i).any()
    ]  # fmt: skip


def pairs(answers: F32, windows: Windows) -> list[tuple[float, float]]:
    """Truth and answer of at most MOST_PAIRS windows, spread over all of known truth."""
    rows = _spread(np.flatnonzero(_exact(windows)), MOST_PAIRS)
    return [(float(windows.target[row, 0]), float(answers[row, 0])) for row in rows]


def hardest(answers: F32, windows: Windows, columns: Sequence[str]) -> list[HardWindow]:
    """The windows whose wrong class was given the highest probability, one of each series and pair of classes at most:
    answers [B, C]; columns: names of the inputs.
    """
    names, truth, answer = windows.task.class_names, windows.target[:, 0].astype(int), answers.argmax(axis=1)
    missed = np.flatnonzero(windows.mask[:, 0] & (truth != answer))
    shown: dict[tuple[int, int, int], HardWindow] = {}
    for row in missed[np.argsort(-answers[missed].max(axis=1), kind="stable")]:
        kind = int(windows.series[row]), int(truth[row]), int(answer[row])
        if kind not in shown and len(shown) < MOST_HARDEST:
            shown[kind] = HardWindow(
                series=windows.series_names[windows.series[row]],
                order=int(windows.start[row]) + windows.raw.shape[1] - 1,
                truth=names[truth[row]], answer=names[answer[row]],
                probability=min(1.0, float(answers[row].max())),
                samples={name: windows.raw[row, :, i].tolist() for i, name in enumerate(columns)},
            )  # fmt: skip
    return list(shown.values())


def _exact(windows: Windows) -> NDArray[np.bool_]:
    """Which windows have a known truth that is not a mere bound, [B]."""
    return np.asarray(windows.mask[:, 0] & ~windows.bound[:, 0], dtype=np.bool_)


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
