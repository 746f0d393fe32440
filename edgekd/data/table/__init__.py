"""Read a table of measured rows into series, and name everything in it that is not as it should be.

Shapes here and in the rest of `data`: B windows, T samples of a window, F input columns, S targets of a window, O
outputs of the network, n samples of a series.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.contracts.config import ColumnSplit, Data
from edgekd.contracts.errors import DataError
from edgekd.data.table.magnitude import unreasonable
from edgekd.data.table.parse import Columns, Texts, sequence_text
from edgekd.data.table.read import SAMPLES, read_file
from edgekd.data.table.series import Notes, Problem, Rows, Series, SeriesName, series_of
from edgekd.tasks import Task

__all__ = ["BUILT_IN", "SAMPLE", "Problem", "Series", "Table", "read_table", "table_path", "target_scale", "unit_of"]

SAMPLE = SAMPLES / "sample.csv.gz"
BUILT_IN = {name: SAMPLES / f"{name}.csv.gz" for name in ("sample", "sample_charge", "sample_motion")}
"""Simulated tables by the words that stand for them in a configuration."""
UNITS = {
    *("Ah", "mAh", "Wh", "V", "mV", "A", "mA", "W", "ohm", "mohm", "C", "degC", "K", "F", "Hz", "Pa", "kPa"),
    *("s", "ms", "min", "h", "g", "rad", "deg", "m", "mm", "kg", "N"),
}
FEW_CLASSES = 12
"""A numeric target of so few whole values is asked whether it is a class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """All series long enough for a window, and what was found on the way.

    task: the one that was asked, with the classes of the table; rows: of the file; ignored: rows whose `ignore` column
    is set; problems: the first of each kind; counts: of all, by kind.
    """

    series: tuple[Series, ...]
    problems: tuple[Problem, ...]
    rows: int
    ignored: int
    task: Task
    counts: Mapping[str, int]

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that are left, sorted: the same for any order of rows."""
        return tuple(sorted({series.group for series in self.series}))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parsed:
    """Rows with what each belongs to, and the task with the classes of the table."""

    rows: Rows
    series: Texts
    group: Texts
    split: Texts | None
    task: Task


def read_table(data: Data, task: Task, base_dir: Path) -> Table:
    """Read `data.table`: a .csv, .csv.gz or .parquet relative to `base_dir`, or the built-in `sample`.

    `divide_by` is one number for the task's column. Where that column is an input too, the raw value stays in `inputs`
    and the same factor is the preprocessing's `scale`, so that the device is fed physical units.
    DataError for what makes the table unusable, with row numbers; what can be worked around is listed in `problems`.
    """
    path = table_path(data, base_dir)
    parsed = _parse(path, data, task)
    notes, series = Notes(), list[Series]()
    members = _by_code(parsed.series.code)
    for member in members:
        name = _name(parsed, member, data)
        pieces = series_of(parsed.rows.take(member), name, data, parsed.task, data.every_units, notes)
        series += pieces
    if not series:
        raise _too_short(parsed, members, data, path.name)
    problems = sorted(notes.problems, key=lambda problem: (problem.group, problem.row))
    doubts = _doubts(series, parsed, data)
    return Table(
        series=tuple(series),
        problems=tuple([*problems, *doubts]),
        rows=len(parsed.rows),
        ignored=int(parsed.rows.ignored.sum()),
        task=parsed.task,
        counts=dict(sorted((notes.counts + _count(doubts)).items())),
    )


def table_path(data: Data, base_dir: Path) -> Path:
    """The file that `data.table` names."""
    return BUILT_IN.get(data.table) or base_dir / data.table


def target_scale(data: Data) -> np.float32:
    """The factor of the target column, rounded once to float32: training, firmware and scores use this very number."""
    return np.float32(1.0 / data.divide_by)


def unit_of(column: str) -> str:
    """The unit a column's name ends in (`temperature_C` -> `C`), or '' when it names none."""
    end = column.rsplit("_", 1)[-1]
    return end if end in UNITS and end != column else ""


def _parse(path: Path, data: Data, task: Task) -> _Parsed:
    """Parse every column; all mistakes of all columns are reported in one error."""
    split = data.split.column if isinstance(data.split, ColumnSplit) else None
    names = [data.series, data.group, data.ignore, split, *data.slices, task.column if task.text else None]
    text = list(dict.fromkeys(name for name in names if name))
    numeric = list(dict.fromkeys([data.order, *data.inputs, *([] if task.text else [task.column])]))
    raw = read_file(path, [name for name in numeric if name not in text], text)
    columns = Columns(raw)
    series = columns.texts(data.series, required=True)
    group = series if data.group == data.series else columns.texts(data.group, required=True)
    time = _times(columns, data)
    inputs = np.empty((len(columns.number), len(data.inputs)), dtype=np.float32)
    values, odd = None, list[str]()
    for at, name in enumerate(data.inputs):
        column = columns.numbers(name)
        divisor = data.divide_by if name == task.column else 1.0
        odd += unreasonable(name, column, columns.number, divisor=divisor)
        inputs[:, at] = _float32(column)
        values = column if name == task.column else values
    if task.text:
        label = columns.texts(task.column)
        task = task.with_classes(label.names)
        value = _class_numbers(columns, task, label)
    else:
        if values is None:
            values = columns.numbers(task.column)
            odd += unreasonable(task.column, values, columns.number, divisor=data.divide_by)
        if not np.isfinite(values).any():
            odd.append(f"column '{task.column}' has no value in any row: it is what the task is about")
        value = _float32(values) * target_scale(data)
    rows = Rows(
        number=columns.number,
        time=time,
        inputs=inputs,
        value=value,
        ignored=columns.flags(data.ignore) if data.ignore else np.zeros(len(columns.number), dtype=bool),
        slices={name: columns.texts(name) for name in data.slices},
    )
    splits = columns.texts(split) if split else None
    columns.close()
    if odd:
        raise DataError(f"table '{path.name}': " + "; ".join(odd))
    return _Parsed(rows=rows, series=series, group=group, split=splits, task=task)


def _times(columns: Columns, data: Data) -> NDArray[np.float64]:
    """Where each row is in its series."""
    if columns.holds_times(data.order):
        if data.every is not None:
            return columns.times(data.order)
        columns.refuse(data.order, "holds dates or times; say how far samples are apart, as every: 1s")
        return np.zeros(len(columns.number))
    time = columns.numbers(data.order)
    if data.every is not None:
        columns.note(data.order, "is missing or infinite", ~np.isfinite(time), lambda row: f"{time[row]:g}")
        return np.nan_to_num(time)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(time) & (np.abs(time) < 2.0**53) & (np.floor(time) == time)
    columns.note(
        data.order, "is not a whole number", ~whole, lambda row: "" if np.isnan(time[row]) else f"{time[row]:g}"
    )
    return np.where(whole, time, 0.0)


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, and is then treated like any infinity
        return values.astype(np.float32)


def _class_numbers(columns: Columns, task: Task, label: Texts) -> NDArray[np.float32]:
    """The place of each row's label among the task's classes, -1 where it is empty."""
    classes = getattr(task, "classes", ())
    place = {name: at for at, name in enumerate(classes)}
    strange = np.array([*(name not in place for name in label.names), False])[label.code]
    columns.note(task.column, f"is none of the classes {', '.join(classes)}", strange, lambda row: label[row])
    if len(label.names) < 2:
        columns.refuse(task.column, f"holds {sequence_text(label.names) or 'nothing'}: two classes are the least")
    return np.array([*(place.get(name, -1) for name in label.names), -1], dtype=np.float32)[label.code]


def _by_code(code: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Row positions of each series, by name, rows in the order of the file."""
    order = np.argsort(code, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(code[order])) + 1)


def _name(parsed: _Parsed, member: NDArray[np.int64], data: Data) -> SeriesName:
    series = parsed.series[member[0]]
    for what, texts, column in (("group", parsed.group, data.group), ("split", parsed.split, "split")):
        if texts is None:
            continue
        other = np.flatnonzero(texts.code[member] != texts.code[member[0]])
        if len(other):
            first = np.unique(texts.code[member], return_index=True)[1]
            values = [texts[row] for row in member[np.sort(first)]]
            where = parsed.rows.number[member[other[0]]]
            raise DataError(
                f"{'group' if data.group == data.series else 'series'} '{series}' is in several {what}s: "
                f"{', '.join(map(repr, values))} (row {where})",
                hint="a group must be wholly in one split, or what is tested was trained on"
                if what == "split"
                else f"rows of one value of '{data.series}' need one value of '{column}'",
            )
    split = None if parsed.split is None else parsed.split[member[0]]
    return SeriesName(series=series, group=parsed.group[member[0]], split=split)


def _too_short(parsed: _Parsed, members: list[NDArray[np.int64]], data: Data, file: str) -> DataError:
    """No series has a window: say how long they are, where the gaps are, and what would help."""
    window, ahead = data.window, parsed.task.steps * parsed.task.lead
    times = [np.unique(parsed.rows.time[member]) for member in members]
    longest = max(times, key=len)
    need = f"{window + ahead} consecutive rows (window {window}" + (f" + horizon {ahead})" if ahead else ")")
    text = f"table '{file}': no series has {need}; {len(members)} series, the longest has {max(map(len, members))} rows"
    name = parsed.series[members[[len(one) for one in times].index(len(longest))][0]]
    if len(longest) == 1:
        return DataError(
            f"{text}, and '{data.order}' is {longest[0]:g} in all of them",
            hint="order is the column that rises by one from row to row: a cycle, a sample, a second",
        )
    steps = np.diff(longest)
    usual = float(np.median(steps))
    every = data.every_units or 1.0
    gaps = steps > (data.max_gap + 1) * every
    if not gaps.any() and usual <= every:
        return DataError(text, hint="shorten window or horizon")
    first = sequence_text([f"{time:g}" for time in longest[:9]], 8)
    text += f"; '{name}' has {data.order} {first}"
    if np.all(steps == usual):
        hint = f"'{data.order}' usually rises by {usual:g}, not by {every:g}: every: {usual:g}"
        return DataError(f"{text}, which rises by {usual:g}", hint=hint)
    missing = round(float(steps.max()) / every) - 1
    return DataError(
        f"{text}: {int(gaps.sum())} gaps longer than max_gap {data.max_gap} cut it",
        hint=f"every: {usual:g} takes a sample each {usual:g}; max_gap: {missing} carries inputs across its gaps; or "
        "interpolate the table",
    )


def _count(problems: list[Problem]) -> Counter[str]:
    return Counter(problem.kind for problem in problems)


def _doubts(series: list[Series], parsed: _Parsed, data: Data) -> list[Problem]:
    """What is possible and yet strange: a divided target that is not near 1, a numeric target of few whole values."""
    name, row = series[0].name, int(parsed.rows.number[0])
    measured = np.concatenate([piece.target[piece.usable] for piece in series])
    if len(measured) == 0:
        return []
    column, doubts = parsed.task.column, []
    usual = float(np.median(measured))
    if data.divide_by != 1 and not 0.05 <= usual <= 1.5:
        text = f"'{column}' / {data.divide_by:g} is usually {usual:.4g}, not near 1: is divide_by in the table's unit?"
        doubts.append(Problem(kind="units", group=name, row=row, message=text))
    if parsed.task.doubts_classes:
        values = np.unique(measured[:: max(1, len(measured) // 100_000)])
        if len(values) <= FEW_CLASSES and (values == np.floor(values)).all():
            text = f"'{column}' holds {len(values)} whole values only: is it a class? Then task: {{classify: {column}}}"
            doubts.append(Problem(kind="classes", group=name, row=row, message=text))
    return doubts
