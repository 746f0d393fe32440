"""Rows of one series, in order, on a regular grid, cut at long gaps; what was worked around is noted."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.config import Data
from edgekd.data.table.parse import Texts
from edgekd.tasks import Task

MOST_NOTED = 200
"""Problems of one kind that are kept one by one; all are counted."""

F32 = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in the table that was worked around. `row` counts from the header, which is row 1.

    kind: missing_input, missing_target, duplicate_order, unsorted, resampled, gap_filled, gap_split, short, censored or
    units. group: the series.
    """

    kind: str
    group: str
    row: int
    message: str


class Notes:
    """Problems, counted by kind; the first MOST_NOTED of each kind in full."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def add(self, kind: str, series: str, rows: NDArray[np.int64], message: Callable[[int], str]) -> None:
        """Note one problem for each of some row numbers; `message` is given the place of a row among them."""
        room = max(0, MOST_NOTED - self.counts[kind])
        self.counts[kind] += len(rows)
        for at, row in enumerate(rows[:room].tolist()):
            self.problems.append(Problem(kind=kind, group=series, row=row, message=message(at)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Consecutive samples, without a gap. Rows with long gaps make several of them, of one name.

    name: of its rows; group: never divided by a split; order int64 [n], rising by 1; inputs float32 [n, F] in the
    table's units, finite; target float32 [n], finite: what the task makes of its column, here multiplied by
    1 / divide_by; usable bool [n]: the target is known and not ignored; bound bool [n]: the truth is the target or
    more; filled bool [n]: no row of the table; slices: columns of names, by column; split: value of the split column;
    origin, step: sample k was taken at origin + step * k of the order column.
    """

    name: str
    group: str
    order: NDArray[np.int64]
    inputs: F32
    target: F32
    usable: Flags
    bound: Flags
    filled: Flags
    slices: Mapping[str, Texts]
    split: str | None = None
    origin: float = 0.0
    step: float = 1.0

    def between(self, start: float, end: float) -> "Series":
        """The samples from one share of its length to another."""
        chosen = slice(round(start * len(self.order)), round(end * len(self.order)))
        arrays = ("order", "inputs", "target", "usable", "bound", "filled")
        slices = {name: texts.take(np.arange(len(self.order))[chosen]) for name, texts in self.slices.items()}
        return replace(self, **{name: getattr(self, name)[chosen] for name in arrays}, slices=slices)

    def position(self, sample: int) -> str:
        """Where a sample was taken, in the order column's terms."""
        return f"{self.origin + self.step * sample:.12g}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Columns as read, an entry per row of the file. `number` is the row's number there, `time` its place in order."""

    number: NDArray[np.int64]
    time: NDArray[np.float64]
    inputs: F32
    value: F32
    ignored: Flags
    slices: Mapping[str, Texts]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, index: NDArray[Any]) -> "Rows":
        """The rows at `index` (positions or a mask)."""
        columns = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "slices"}
        slices = {name: texts.take(index) for name, texts in self.slices.items()}
        return Rows(**{name: column[index] for name, column in columns.items()}, slices=slices)


@dataclass(frozen=True, kw_only=True)
class SeriesName:
    """What a series is called, and where it belongs."""

    series: str
    group: str
    split: str | None


def series_of(rows: Rows, name: SeriesName, data: Data, task: Task, every: float | None, notes: Notes) -> list[Series]:
    """Sort, put on the grid, label, cut at gaps longer than `max_gap`; what is too short for a window is left out."""
    rows = _sorted(rows, name.series, data, notes)
    order, origin, step = _grid(rows, every)
    last = np.append(np.diff(order) > 0, True) if every else np.insert(np.diff(order) > 0, 0, True)
    if not last.all():
        _note_repeated(rows, order, last, name.series, data, every, notes)
        rows, order = rows.take(last), order[last]
    labels = task.labels(order, rows.value, np.isfinite(rows.value) & ~rows.ignored)
    if labels.bound.any():
        notes.add("censored", name.series, rows.number[:1], lambda at: f"'{task.column}' never gets there: a bound")
    absent = np.diff(order) - 1
    _note_gaps(rows, order, absent, name.series, data, notes)
    series = []
    finite = np.isfinite(rows.inputs)
    for part in np.split(np.arange(len(order)), np.flatnonzero(absent > data.max_gap) + 1):
        _note_missing(rows, finite, part, name.series, data, task, notes)
        at, filled = _filled(order[part], finite[part])
        need = data.window + task.steps * task.lead
        if len(at) < need:
            text = f"{len(at)} samples, {need} needed for one window: left out"
            notes.add("short", name.series, rows.number[part[:1]], partial(_same, text))
            continue
        chosen, carried = part[at], part[_carried(finite[part])][at]
        series.append(
            Series(
                name=name.series,
                group=name.group,
                order=order[part[-1]] + 1 - np.arange(len(at), 0, -1),
                inputs=np.ascontiguousarray(rows.inputs[carried, np.arange(rows.inputs.shape[1])]),
                target=_known_before(labels.target, part)[at],
                usable=labels.known[chosen] & ~rows.ignored[chosen] & ~filled,
                bound=labels.bound[chosen],
                filled=filled,
                slices={column: texts.take(chosen) for column, texts in rows.slices.items()},
                split=name.split,
                origin=origin,
                step=step,
            )
        )
    return series


def _same(text: str, at: int) -> str:
    return text


def _sorted(rows: Rows, series: str, data: Data, notes: Notes) -> Rows:
    falls = np.flatnonzero(np.diff(rows.time) < 0)
    if len(falls) == 0:
        return rows
    row = rows.number[falls[:1] + 1]
    notes.add("unsorted", series, row, lambda at: f"'{data.order}' falls at {len(falls)} rows of this series: sorted")
    return rows.take(np.argsort(rows.time, kind="stable"))


def _grid(rows: Rows, every: float | None) -> tuple[NDArray[np.int64], float, float]:
    """Number of the grid point of each row, with the grid's origin and step.

    A row belongs to the first grid point at or after it, so that no sample is known before it was taken.
    """
    if every is None:
        return rows.time.astype(np.int64), 0.0, 1.0
    origin = float(rows.time[0])
    return np.ceil((rows.time - origin) / every - 1e-6).astype(np.int64), origin, every


def _note_repeated(
    rows: Rows, order: NDArray[np.int64], kept: Flags, series: str, data: Data, every: float | None, notes: Notes
) -> None:
    again = np.flatnonzero(~kept)
    if every:
        what = f"{len(again)} rows lie between the samples that are `every` {every:g} apart: the last ones are used"
        notes.add("resampled", series, rows.number[again[:1]], lambda at: what)
    else:
        notes.add(
            "duplicate_order",
            series,
            rows.number[again],
            lambda at: f"{data.order} {order[again[at]]} is there more than once: the first row is kept",
        )


def _note_gaps(
    rows: Rows, order: NDArray[np.int64], absent: NDArray[np.int64], series: str, data: Data, notes: Notes
) -> None:
    for kind, done, where in (
        ("gap_filled", "inputs carried forward, no targets", (absent > 0) & (absent <= data.max_gap)),
        ("gap_split", "no window crosses this gap", absent > data.max_gap),
    ):
        at = np.flatnonzero(where)

        def message(i: int, at: NDArray[np.intp] = at, done: str = done) -> str:
            return f"{absent[at[i]]} missing before {data.order} {order[at[i] + 1]}: {done}"

        notes.add(kind, series, rows.number[at + 1], message)


def _note_missing(
    rows: Rows, finite: Flags, part: NDArray[np.int64], series: str, data: Data, task: Task, notes: Notes
) -> None:
    for column, name in enumerate(data.inputs):
        missing = part[~finite[part, column]]
        if len(missing) == 0:
            continue
        first = next(iter(part[finite[part, column]]), len(rows))
        both = ", no target" if name == task.column else ""

        def message(at: int, missing: Any = missing, first: Any = first, column: int = column, both: str = both) -> str:
            row = missing[at]
            carried = "carried forward" if row > first else "dropped, nothing to carry forward yet"
            return f"'{data.inputs[column]}' is {_name_of(rows.inputs[row, column])}: {carried}{both}"

        notes.add("missing_input", series, rows.number[missing], message)
    if task.column not in data.inputs:
        missing = part[~np.isfinite(rows.value[part])]
        if len(missing):
            notes.add(
                "missing_target",
                series,
                rows.number[missing],
                lambda at: f"'{task.column}' is {_name_of(rows.value[missing[at]])}: no target",
            )


def _name_of(value: np.float32) -> str:
    return "missing" if np.isnan(value) else "infinite"


def _carried(finite: Flags) -> NDArray[np.int64]:
    """Row of the last finite entry of each column, 0 where there is none yet: [n, F] -> [n, F]."""
    row = np.where(finite, np.arange(len(finite))[:, None], 0)
    return np.asarray(np.maximum.accumulate(row, axis=0), dtype=np.int64)


def _known_before(target: F32, part: NDArray[np.int64]) -> F32:
    """Targets of a part, those that are missing as the last one before, zero before the first."""
    own = target[part]
    seen = np.maximum.accumulate(np.where(np.isfinite(own), np.arange(len(own)), -1))
    return np.where(seen >= 0, own[np.maximum(seen, 0)], np.float32(0))


def _filled(order: NDArray[np.int64], finite: Flags) -> tuple[NDArray[np.int64], Flags]:
    """Rows of a part for every sample from the first that has all columns, and which samples have no row of their own.

    Missing inputs are carried forward as the firmware's push does.
    """
    ready = np.flatnonzero(np.logical_or.accumulate(finite, axis=0).all(axis=1))
    if len(ready) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
    order = order[ready]
    if order[-1] - order[0] + 1 == len(order):
        return ready, np.zeros(len(ready), dtype=bool)
    samples = np.arange(order[0], order[-1] + 1)
    at = np.searchsorted(order, samples, side="right") - 1
    return ready[at], order[at] != samples
